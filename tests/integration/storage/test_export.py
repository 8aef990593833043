"""Usage as a file: every record once, names beside ids, exact amounts, nothing that a spreadsheet would run."""

import csv
import io
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.usage_records import exported, ship, usage_record

from aqueduct.control import usage_export
from aqueduct.control.organisations import Organisations
from aqueduct.control.teams import Teams
from aqueduct.control.usage import Grouping, Selection, select
from aqueduct.control.usage_export import LineFormat, export_records, export_sums
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.permissions import Reach
from aqueduct.errors import InvalidValue
from aqueduct.settings import Settings

NOW = 1_780_000_000.0


@pytest.fixture
async def workspace(tmp_path: Path, database_url: str | None) -> AsyncIterator[Workspace]:
    async with create_workspace(
        Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})
    ) as opened:
        yield opened


async def as_csv(chunks: AsyncIterator[bytes]) -> list[dict[str, str]]:
    text = b"".join([chunk async for chunk in chunks]).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def as_objects(chunks: AsyncIterator[bytes]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in b"".join([chunk async for chunk in chunks]).splitlines()]


def sums(
    workspace: Workspace, *by: Grouping, form: LineFormat = LineFormat.JSONL, selection: Selection | None = None
) -> AsyncIterator[bytes]:
    return export_sums(workspace.database, selection or select(since=0), by, form)


async def test_every_record_comes_once_whatever_the_size_of_a_page(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage_export, "PAGE", 7)
    monkeypatch.setattr(usage_export, "CHUNK_ROWS", 3)
    records = [usage_record(NOW + number // 5) for number in range(35)]
    await ship(workspace, *records)
    found = await exported(workspace.database)
    assert [each["id"] for each in found] == sorted(each.id for each in records)
    assert {len(each["attempts"]) for each in found} == {1}
    rows = await as_csv(export_records(workspace.database, select(since=0), LineFormat.CSV))
    assert [row["id"] for row in rows] == [each["id"] for each in found]
    assert {(row["input_tokens"], row["attempts"]) for row in rows} == {("10", "1")}


async def test_amounts_and_instants_are_exact(workspace: Workspace) -> None:
    await ship(workspace, usage_record(NOW + 0.000001, cost_nano=123_456_789_012_345_678), usage_record(NOW + 1))
    first, second = await exported(workspace.database)
    assert (first["cost"], first["started_at"]) == ("123456789.012345678", "2026-05-28T20:26:40.000001Z")
    assert (second["cost"], second["attempts"][0]["cost"]) == ("0.0000015", "0.0000015")
    (summed,) = await as_objects(sums(workspace, "model"))
    assert (summed["requests"], summed["cost"], summed["currency"]) == (2, "123456789.012347178", "USD")


async def test_a_line_of_sums_has_one_currency(workspace: Workspace) -> None:
    euro = usage_record(NOW, currency="EUR", cost_nano=2_000_000_000)
    await ship(workspace, usage_record(NOW), euro, usage_record(NOW, cost_nano=None, currency=None, attempts=[]))
    rows = await as_csv(sums(workspace, "day", "provider", form=LineFormat.CSV))
    assert [(row["day"], row["requests"], row["cost"], row["currency"]) for row in rows] == [
        ("2026-05-28", "1", "", ""),
        ("2026-05-28", "1", "2.00", "EUR"),
        ("2026-05-28", "1", "0.0000015", "USD"),
    ]


async def test_names_stand_beside_ids(workspace: Workspace) -> None:
    organisation = await Organisations(workspace.registry).create(SYSTEM, "acme")
    team = await Teams(workspace.registry).create(SYSTEM, "=core", organisation=organisation.id)
    ids = {"organisation_id": organisation.id, "team_id": team.id, "user_id": "usr_gone"}
    await ship(workspace, usage_record(NOW, **ids))
    (record,) = await exported(workspace.database)
    assert (record["organisation_name"], record["team_name"], record["user_name"]) == ("acme", "=core", None)
    (summed,) = await as_objects(sums(workspace, "team", "user"))
    assert list(summed.items())[:4] == [
        ("team_id", team.id),
        ("team_name", "=core"),
        ("user_id", "usr_gone"),
        ("user_name", None),
    ]
    (cells,) = await as_csv(sums(workspace, "team", form=LineFormat.CSV))
    assert cells["team_name"] == "'=core"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
async def test_no_text_of_a_client_is_a_formula(workspace: Workspace, text: str) -> None:
    await ship(workspace, usage_record(NOW, end_user=text, client_request_id=text, request_model=text))
    (row,) = await as_csv(export_records(workspace.database, select(since=0), LineFormat.CSV))
    assert {row[name] for name in ("end_user", "client_request_id", "request_model")} == {f"'{text}"}
    (record,) = await exported(workspace.database)
    assert record["end_user"] == text


async def test_only_what_is_within_reach_and_selected_comes(workspace: Workspace) -> None:
    ours = [usage_record(NOW + each, organisation_id="org_1", user_id="usr_1", model="m") for each in range(3)]
    theirs = [usage_record(NOW + each, organisation_id="org_2", user_id="usr_2", model="m") for each in range(4)]
    await ship(workspace, *ours, *theirs)
    for reach, expected in ((Reach(organisation_id="org_1"), 3), (Reach(user_id="usr_2"), 4), (Reach(), 0)):
        within = select(since=0, reach=reach)
        assert len(await as_objects(export_records(workspace.database, within, LineFormat.JSONL))) == expected
        found = await as_objects(sums(workspace, "organisation", selection=within))
        assert sum(each["requests"] for each in found) == expected
    narrowed = select(since=0, until=NOW + 2, filters={"user_id": "usr_2"}, reach=Reach(organisation_id="org_2"))
    assert len(await as_objects(export_records(workspace.database, narrowed, LineFormat.JSONL))) == 2
    with pytest.raises(InvalidValue, match="cannot be narrowed"):
        select(since=0, filters={"status": "200"})
    with pytest.raises(InvalidValue, match="administrators of the installation"):
        await anext(sums(workspace, "target", selection=select(since=0, reach=Reach(organisation_id="org_1"))))


async def test_a_slow_reader_keeps_no_transaction_open(workspace: Workspace) -> None:
    await ship(workspace, *(usage_record(time.time()) for _ in range(3)))
    readers = [sums(workspace, "model"), export_records(workspace.database, select(since=0), LineFormat.CSV)]
    for reader in readers:
        await anext(reader)
    pool = workspace.database.engine.pool
    assert pool.checkedout() == 0  # type: ignore[attr-defined]  # of the pool that both engines have
    for reader in readers:
        async for _ in reader:
            pass
