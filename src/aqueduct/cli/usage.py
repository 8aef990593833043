"""`aqueduct usage`: what was used, as a table, as sums for programs, or as raw records."""

import enum
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from aqueduct.cli.session import in_workspace, show
from aqueduct.control import usage, usage_export
from aqueduct.control.periods import parse_start
from aqueduct.control.references import resolve
from aqueduct.control.usage import COLUMNS, Selection, UsageSummary
from aqueduct.control.usage_export import LineFormat
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.money import written
from aqueduct.domain.text import printable
from aqueduct.errors import InvalidValue

commands = typer.Typer(help="What was used, by whom.", invoke_without_command=True)

Since = Annotated[str, typer.Option(help="From when on: 7d (before now), 12h or 2026-12-31.")]
Until = Annotated[str | None, typer.Option(help="Until when, written in the same ways; now, if left out.")]
Only = Annotated[
    list[str] | None,
    typer.Option(help="Only what has a value, such as model=gpt-4.1 or team=NAME; may be given several times."),
]
SHORT: dict[str, str] = {name: column for name, column in COLUMNS.items() if name not in ("hour", "day")}
"""What a filter may be called: as the grouping is."""
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
    only: Only = None,
    as_format: Annotated[TableFormat, typer.Option("--format", help="What to write.")] = TableFormat.TABLE,
) -> None:
    """Show usage and cost, summed; times are in UTC, and hours are whole."""
    if context.invoked_subcommand is not None:
        return
    filters = parse_filters(only)
    groupings = usage.parse_groupings(by, filters)

    async def run(workspace: Workspace) -> None:
        database = workspace.database
        selection = select(since, until, await resolve(workspace.registry, SYSTEM, filters))
        if as_format is TableFormat.TABLE:
            summaries = usage.summarise_selection(database, selection, groupings)
            show(as_table([each async for each in summaries], groupings))
        else:
            await write(usage_export.export_sums(database, selection, groupings, LineFormat(as_format.value), "\n"))

    in_workspace(run)


@commands.command("export")
def export(
    since: Since = "7d",
    until: Until = None,
    only: Only = None,
    as_format: Annotated[ExportFormat, typer.Option("--format", help="What to write.")] = ExportFormat.JSON,
) -> None:
    """Print the raw records, a request each, with their attempts (CSV has only their number)."""
    filters = parse_filters(only)

    async def run(workspace: Workspace) -> None:
        selection = select(since, until, await resolve(workspace.registry, SYSTEM, filters))
        form = LineFormat.CSV if as_format is ExportFormat.CSV else LineFormat.JSONL
        chunks = usage_export.export_records(workspace.database, selection, form, "\n")
        await write(as_list(chunks) if as_format is ExportFormat.JSON else chunks)

    in_workspace(run)


def parse_filters(only: Sequence[str] | None) -> dict[str, str]:
    """Read which columns must have a value: `team=NAME` is short for `team_id=NAME`, and an id is a name too."""
    filters: dict[str, str] = {}
    for each in only or ():
        name, mark, value = each.partition("=")
        if not mark or not value:
            raise InvalidValue(f"`{each}` narrows nothing. Write it as team=NAME.")
        filters[SHORT.get(name.strip(), name.strip())] = value
    usage.require_filters(filters)
    return filters


def select(since: str, until: str | None, filters: Mapping[str, str]) -> Selection:
    """Read which usage is meant."""
    now = time.time()
    end = None if until is None else parse_start(until, now)
    return usage.select(since=parse_start(since, now), until=end, filters=filters)


async def as_list(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Make a list of an object a line; within a line there is no line end."""
    separator = b"[\n"
    async for chunk in chunks:
        if chunk:
            yield separator + chunk.removesuffix(b"\n").replace(b"\n", b",\n")
            separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


async def write(chunks: AsyncIterator[bytes]) -> None:
    """Write lines as they come."""
    async for chunk in chunks:
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def as_table(summaries: Sequence[UsageSummary], by: Sequence[str]) -> Table:
    """Lay the groups out, with their total: times in order, everything else by the number of requests."""
    if not {"day", "hour"} & set(by):
        summaries = sorted(summaries, key=lambda each: -each.requests)
    table = Table(*(name.replace("-", " ").capitalize() for name in by))
    counted = "Attempts" if "target" in by else "Requests"
    for name in (
        counted,
        "Errors",
        "Input tokens",
        "Output tokens",
        "Cached",
        "Reasoning",
        "Cost",
        "Cache hits",
        "Saved",
    ):
        table.add_column(name, justify="right")
    for summary in summaries:
        # What people have named is not to be read as markup.
        names = zip(by, summary.keys, summary.names, strict=True)
        table.add_row(*(escape(printable(shown(*each))) for each in names), *numbers(summary))
    table.add_section()
    table.add_row("Total", *[""] * (len(by) - 1), *numbers(usage.total(summaries)))
    return table


def shown(grouping: str, key: str | None, name: str | None) -> str:
    """Write what a group is called: by its name, if it has one, and the id that no other has.

    What has none is nobody's, or was refused, or answered by the cache, before there was one.
    """
    if key is None:
        return f"(no {grouping.replace('-', ' ')})"
    return key if name is None else f"{name} ({key})"


def numbers(summary: UsageSummary) -> list[str]:
    """Write the counts with their thousands parted, and the costs."""
    counts = (summary.requests, summary.errors, *(summary.units[unit] for unit in SHOWN_UNITS))
    hits = f"{summary.units['cache_hits']:,}"
    return [*(f"{count:,}" for count in counts), amounts(summary.costs), hits, amounts(summary.saved)]


def amounts(by_currency: Mapping[str, Decimal]) -> str:
    """Write amounts of money."""
    written_amounts = (f"{written(int(amount.scaleb(9)))} {currency}" for currency, amount in by_currency.items())
    return ", ".join(written_amounts) or "-"
