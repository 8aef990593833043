"""`aqueduct usage`, on records that came through the journal."""

import asyncio
import csv
import io
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.integration.cli.conftest import CommandLine

from aqueduct.control.usage import Grouping, summarise
from aqueduct.control.workspace import create_workspace, open_workspace
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.settings import Settings
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import Shipper


@pytest.fixture
def used(command_line: CommandLine) -> CommandLine:
    """A data directory with four requests of two tokens, one of them long ago."""
    asyncio.run(fill(command_line))
    return command_line


async def fill(command_line: CommandLine) -> None:
    now = time.time()
    async with create_workspace(Settings(data_dir=command_line.data_dir)) as workspace:
        api_token = (await workspace.api_tokens.create("ci")).api_token.id
        journal = Journal(workspace.directory.journal)
        units = {"input_tokens": 1000, "output_tokens": 200, "cached_tokens": 30}
        good = AttemptRecord(target="p/a", provider="p", started_at=now, status=200, units=units)
        bad = AttemptRecord(target="q/a", provider="q", started_at=now, status=500, error="upstream_server_error")
        for identity, model, started_at, status in (
            ("r1", "a", now, 200),
            ("r2", "a", now, 502),
            ("r3", "b", now, 200),
            ("r0", "a", now - 30 * 86_400, 200),
        ):
            journal.record(
                UsageRecord(
                    id=identity,
                    started_at=started_at,
                    operation="chat",
                    api_token_id=api_token if model == "a" else "tok_gone",
                    request_model=model,
                    status=status,
                    units=units if status == 200 else {},
                    attempts=[bad, good] if identity == "r1" else [good] if status == 200 else [bad],
                )
            )
        await asyncio.sleep(0)
        await Shipper(workspace.database, journal, workspace.directory.journal).close()
        journal.close()


Sums = dict[str | None, tuple[int, int, int]]


async def summed(data_dir: Path, since: float, *groupings: Grouping) -> list[Sums]:
    """Return requests, errors and input tokens by group, for each grouping."""
    async with open_workspace(Settings(data_dir=data_dir)) as workspace:
        answers = [[each async for each in summarise(workspace.database, since=since, by=(by,))] for by in groupings]
    return [
        {each.names[0] or each.keys[0]: (each.requests, each.errors, each.units["input_tokens"]) for each in answer}
        for answer in answers
    ]


def test_usage_is_summed_by_model_token_day_and_target(used: CommandLine) -> None:
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    now = time.time()
    sums = asyncio.run(summed(used.data_dir, now - 86_400, "model", "token", "day", "target"))
    assert sums == [
        {"a": (2, 1, 1000), "b": (1, 0, 1000)},
        {"ci": (2, 1, 1000), "tok_gone": (1, 0, 1000)},
        {today: (3, 1, 2000)},
        {"p/a": (3, 0, 3000), "q/a": (2, 2, 0)},
    ]
    assert asyncio.run(summed(used.data_dir, 0, "model")) == [{"a": (3, 1, 2000), "b": (1, 0, 1000)}]
    assert asyncio.run(summed(used.data_dir, now + 3600, "day")) == [{}]


def test_sums_for_programs_are_json(used: CommandLine) -> None:
    lines = used.output("usage", "--format", "jsonl", "--by", "token", "--since", "60d").splitlines()
    groups = {group["api_token_name"]: group for group in map(json.loads, lines)}
    assert groups["ci"].pop("api_token_id").startswith("tok_")
    assert groups["ci"] == {
        "api_token_name": "ci",
        "requests": 3,
        "errors": 1,
        "input_tokens": 2000,
        "output_tokens": 400,
        "cached_tokens": 60,
        "reasoning_tokens": 0,
        "cache_write_tokens": 0,
        "input_audio_tokens": 0,
        "output_audio_tokens": 0,
        "images": 0,
        "cache_hits": 0,
        "saved_input_tokens": 0,
        "saved_output_tokens": 0,
        "cost": None,
        "saved": None,
        "currency": None,
        "duration_ms": 0,
    }


def test_a_table_ends_with_the_total(used: CommandLine) -> None:
    lines = used.output("usage").splitlines()
    assert "Input tokens" in lines[1]
    assert lines[-2].split()[1::2] == ["Total", "3", "1", "2,000", "400", "60", "0", "-", "0", "-"]


def test_raw_records_are_exported_with_their_ids(used: CommandLine) -> None:
    records = json.loads(used.output("usage", "export", "--since", "60d"))
    assert [each["id"] for each in records] == ["r0", "r1", "r2", "r3"]
    assert [attempt["target"] for attempt in records[1]["attempts"]] == ["q/a", "p/a"]
    rows = list(csv.DictReader(io.StringIO(used.output("usage", "export", "--format", "csv"))))
    assert [row["id"] for row in rows] == ["r1", "r2", "r3"]
    assert [row["input_tokens"] for row in rows] == ["1000", "0", "1000"]


def test_nothing_used_is_an_empty_list(command_line: CommandLine) -> None:
    assert json.loads(command_line.output("usage", "export")) == []
    assert "Total" in command_line.output("usage")


def test_usage_is_narrowed_to_what_has_a_value(used: CommandLine) -> None:
    assert [each["id"] for each in json.loads(used.output("usage", "export", "--only", "model=b"))] == []
    records = json.loads(used.output("usage", "export", "--only", "api_token_id=tok_gone"))
    assert [each["id"] for each in records] == ["r3"]
    lines = used.output("usage", "--format", "csv", "--by", "token,model", "--only", "api_token_id=tok_gone")
    assert [(row["api_token_id"], row["model"]) for row in csv.DictReader(io.StringIO(lines))] == [("tok_gone", "b")]
    assert "cannot be narrowed" in used.error("usage", "--only", "colour=red")
    assert "narrows nothing" in used.error("usage", "--only", "model")


def test_a_wrong_start_is_one_line(command_line: CommandLine) -> None:
    assert "is not a duration" in command_line.error("usage", "--since", "yesterday")
