"""`aqueduct usage`: what was used, as a table or as raw records."""

import csv
import enum
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from aqueduct.cli.session import in_workspace, show
from aqueduct.control import usage
from aqueduct.control.periods import parse_start
from aqueduct.control.usage import UsageSummary
from aqueduct.control.workspace import Workspace

commands = typer.Typer(help="What was used, by whom.", invoke_without_command=True)

Since = Annotated[str, typer.Option(help="From when on: 7d (before now), 12h or 2026-12-31.")]


class By(enum.StrEnum):
    """What usage is summed by."""

    MODEL = "model"
    TOKEN = "token"  # noqa: S105 - the name of a column
    DAY = "day"
    TARGET = "target"


class ExportFormat(enum.StrEnum):
    """What raw records are written as."""

    JSON = "json"
    CSV = "csv"


@commands.callback()
def summarise(
    context: typer.Context,
    since: Since = "7d",
    by: Annotated[By, typer.Option(help="What to sum by; a target counts attempts, failed ones too.")] = By.MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Show usage, summed."""
    if context.invoked_subcommand is not None:
        return
    start = parse_start(since, time.time())
    summaries = in_workspace(lambda workspace: usage.summarise(workspace.database, since=start, by=by.value))
    if as_json:
        print(msgspec.json.format(msgspec.json.encode({"by": by, "since": start, "groups": summaries})).decode())
    else:
        show(as_table(summaries, by))


@commands.command("export")
def export(
    since: Since = "7d",
    as_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.JSON,
) -> None:
    """Print the raw records, a request each, with their attempts (JSON only)."""
    start = parse_start(since, time.time())
    write = write_json if as_format is ExportFormat.JSON else write_csv

    async def run(workspace: Workspace) -> None:
        await write(usage.export(workspace.database, since=start))

    in_workspace(run)


async def write_json(records: AsyncIterator[dict[str, Any]]) -> None:
    """Write a list of objects, one a line."""
    separator = "[\n"
    async for record in records:
        sys.stdout.write(separator + msgspec.json.encode(record).decode())
        separator = ",\n"
    sys.stdout.write("\n]\n" if separator == ",\n" else "[]\n")


async def write_csv(records: AsyncIterator[dict[str, Any]]) -> None:
    """Write a line a request, with a column a unit."""
    writer: csv.DictWriter[str] | None = None
    async for record in records:
        row = {name: value for name, value in record.items() if name not in {"attempts", "units"}}
        row |= {unit: record["units"].get(unit, 0) for unit in usage.UNITS}
        row["attempts"] = len(record["attempts"])
        if writer is None:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def as_table(summaries: Sequence[UsageSummary], by: By) -> Table:
    """Lay the groups out, with their total."""
    counted = "Attempts" if by is By.TARGET else "Requests"
    table = Table(by.value.capitalize())
    for name in (counted, "Errors", "Input tokens", "Output tokens", "Cached", "Reasoning"):
        table.add_column(name, justify="right")
    for summary in summaries:
        table.add_row(summary.key or "(none)", *numbers(summary))
    table.add_section()
    table.add_row("Total", *numbers(usage.total(summaries)))
    return table


def numbers(summary: UsageSummary) -> list[str]:
    """Write the counts with their thousands parted."""
    counts = (summary.requests, summary.errors, *(getattr(summary, unit) for unit in usage.UNITS))
    return [f"{count:,}" for count in counts]
