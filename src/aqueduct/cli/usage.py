"""`aqueduct usage`: what was used, as a table, as sums for programs, or as raw records."""

import csv
import enum
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
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
Until = Annotated[str | None, typer.Option(help="Until when, written in the same ways; now, if left out.")]
SHOWN_UNITS = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")


class TableFormat(enum.StrEnum):
    """What sums are written as."""

    TABLE = "table"
    JSONL = "jsonl"
    CSV = "csv"


class ExportFormat(enum.StrEnum):
    """What raw records are written as."""

    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"


@commands.callback()
def summarise(
    context: typer.Context,
    since: Since = "7d",
    until: Until = None,
    by: Annotated[
        str,
        typer.Option(
            help="What to sum by, several parted by commas: model, provider, token, organisation, team, user, "
            "service-account, hour, day; target (counts attempts, failed ones too); end-user."
        ),
    ] = "model",
    as_format: Annotated[TableFormat, typer.Option("--format", help="What to write.")] = TableFormat.TABLE,
) -> None:
    """Show usage and cost, summed; times are in UTC, and hours are whole."""
    if context.invoked_subcommand is not None:
        return
    groupings = usage.parse_groupings(by)
    start, end = period(since, until)

    async def run(workspace: Workspace) -> None:
        summaries = usage.summarise(workspace.database, since=start, until=end, by=groupings)
        match as_format:
            case TableFormat.TABLE:
                show(as_table([each async for each in summaries], groupings))
            case TableFormat.JSONL:
                await write_lines(as_rows(summaries, groupings, lambda costs: costs))
            case TableFormat.CSV:
                await write_csv(as_rows(summaries, groupings, written_costs))

    in_workspace(run)


@commands.command("export")
def export(
    since: Since = "7d",
    until: Until = None,
    as_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.JSON,
) -> None:
    """Print the raw records, a request each, with their attempts (not as CSV)."""
    start, end = period(since, until)

    async def run(workspace: Workspace) -> None:
        records = usage.export(workspace.database, since=start, until=end)
        match as_format:
            case ExportFormat.JSON:
                await write_list(records)
            case ExportFormat.JSONL:
                await write_lines(records)
            case ExportFormat.CSV:
                await write_csv(flattened(records))

    in_workspace(run)


def period(since: str, until: str | None) -> tuple[float, float | None]:
    """Read the two ends of a time."""
    now = time.time()
    return parse_start(since, now), None if until is None else parse_start(until, now)


async def as_rows(
    summaries: AsyncIterator[UsageSummary], by: Sequence[str], write_costs: Callable[[dict[str, Any]], object]
) -> AsyncIterator[dict[str, Any]]:
    """Yield each group as a flat mapping."""
    async for each in summaries:
        keys = {name.replace("-", "_"): key for name, key in zip(by, each.keys, strict=True)}
        counts = {"requests": each.requests, "errors": each.errors, **each.units, "duration_ms": each.duration_ms}
        yield keys | counts | {"costs": write_costs(each.costs)}


async def flattened(records: AsyncIterator[dict[str, Any]]) -> AsyncIterator[dict[str, Any]]:
    """Yield each record with a member a unit, and the number of its attempts."""
    async for record in records:
        row = {name: value for name, value in record.items() if name not in {"attempts", "units"}}
        row |= {unit: record["units"].get(unit, 0) for unit in usage.UNITS}
        yield row | {"cost": written(record["cost"]), "attempts": len(record["attempts"])}


async def write_list(records: AsyncIterator[dict[str, Any]]) -> None:
    """Write a list of objects, one a line."""
    separator = "[\n"
    async for record in records:
        sys.stdout.write(separator + encode(record))
        separator = ",\n"
    sys.stdout.write("\n]\n" if separator == ",\n" else "[]\n")


async def write_lines(records: AsyncIterator[dict[str, Any]]) -> None:
    """Write an object a line (JSON Lines)."""
    async for record in records:
        sys.stdout.write(encode(record) + "\n")


def encode(record: dict[str, Any]) -> str:
    """Write an object as JSON; amounts of money are texts, which no reader rounds."""
    return msgspec.json.encode(record).decode()


async def write_csv(rows: AsyncIterator[dict[str, Any]]) -> None:
    """Write a line a row, after their names."""
    writer: csv.DictWriter[str] | None = None
    async for row in rows:
        if writer is None:
            writer = csv.DictWriter(sys.stdout, fieldnames=list(row), lineterminator="\n")
            writer.writeheader()
        writer.writerow(row)


def as_table(summaries: Sequence[UsageSummary], by: Sequence[str]) -> Table:
    """Lay the groups out, with their total: times in order, everything else by the number of requests."""
    if not {"day", "hour"} & set(by):
        summaries = sorted(summaries, key=lambda each: -each.requests)
    table = Table(*(name.replace("-", " ").capitalize() for name in by))
    counted = "Attempts" if "target" in by else "Requests"
    for name in (counted, "Errors", "Input tokens", "Output tokens", "Cached", "Reasoning", "Cost"):
        table.add_column(name, justify="right")
    for summary in summaries:
        table.add_row(*(key or "(none)" for key in summary.keys), *numbers(summary))
    table.add_section()
    table.add_row("Total", *[""] * (len(by) - 1), *numbers(usage.total(summaries)))
    return table


def numbers(summary: UsageSummary) -> list[str]:
    """Write the counts with their thousands parted, and the costs."""
    counts = (summary.requests, summary.errors, *(summary.units[unit] for unit in SHOWN_UNITS))
    return [*(f"{count:,}" for count in counts), written_costs(summary.costs) or "-"]


def written_costs(costs: dict[str, Any]) -> str:
    """Write amounts as `1.25 USD`, parted by commas."""
    return ", ".join(f"{written(cost)} {currency}" for currency, cost in costs.items())


def written(cost: Any) -> str:
    """Write an exact amount without exponent and needless zeros, with two decimals at least."""
    if cost is None:
        return ""
    whole, _, decimals = f"{cost:.9f}".partition(".")
    return f"{whole}.{decimals.rstrip('0').ljust(2, '0')}"
