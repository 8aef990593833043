"""`aqueduct simulate`: what a config does with a described traffic and described failures, before it is shipped."""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from typing_extensions import override

from aqueduct.cli.options import AsJson
from aqueduct.cli.printing import print_json
from aqueduct.cli.session import hint_at_config, note, settings_with_config, show
from aqueduct.config.file import ConfigFile
from aqueduct.config.price_book import PriceBook
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.text import printable
from aqueduct.providers.registry import KINDS
from aqueduct.settings import Settings, environment

if TYPE_CHECKING:
    from aqueduct.simulation.report import Report


class Placeholders(Mapping[str, str]):
    """The environment, with something in place of every variable that is not set: nobody is asked with it."""

    def __init__(self, known: Mapping[str, str]) -> None:
        self._known = known

    @override
    def __getitem__(self, name: str) -> str:
        return self._known.get(name, f"unset-{name}")

    @override
    def __contains__(self, name: object) -> bool:
        return True

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    @override
    def __len__(self) -> int:
        return len(self._known)


def run(
    scenario: Annotated[Path, typer.Argument(help="The file that describes traffic and failures.")],
    config: Annotated[Path | None, typer.Option(help="The file that says what is served: aqueduct.yaml.")] = None,
    seed: Annotated[int | None, typer.Option(help="Other dice than the scenario's.")] = None,
    as_json: AsJson = False,
) -> None:
    """Simulate: send described traffic through the real router, in virtual time; status 1 if it is not as expected."""
    settings = settings_with_config(config)
    hint_at_config(settings)
    snapshot = asyncio.run(_load(settings))
    # The gateway's imports take half a second, which no other command should wait for.
    from aqueduct.simulation.file import read_scenario  # noqa: PLC0415 - see above
    from aqueduct.simulation.simulation import simulate  # noqa: PLC0415 - see above

    described = read_scenario(scenario, environment(), snapshot)
    if seed is not None:
        described = msgspec.structs.replace(described, seed=seed)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("simulating", total=described.duration)

        def tell(seconds: float, requests: int) -> None:
            words = f"{seconds:,.0f} of {described.duration:,.0f} s, {requests:,} requests"
            progress.update(task, completed=seconds, description=words)

        report = simulate(snapshot, described, tell)
    if as_json:
        print_json(report)
    else:
        for table in (_summary(report), _targets(report)):
            show(table)
    for each in report.failing:
        bound = "at least" if each.measure == "success_rate" else "at most"
        note(f"not as expected: {each.measure} is {each.found}, expected {bound} {each.expected}")
    if not report.is_as_expected:
        raise typer.Exit(1)
    if described.expect != type(described.expect)():
        note("Everything is as the scenario expects.")


def _summary(report: "Report") -> Table:
    """Lay out what became of all requests."""
    table = Table("measure", "found")
    latency, first = report.latency_seconds, report.first_token_seconds
    errors = ", ".join(f"{code}: {count:,}" for code, count in report.errors.items())
    unpriced = f" ({report.requests_without_price:,} requests have no known price)" * bool(
        report.requests_without_price
    )
    rows = {
        "requests": f"{report.requests:,}",
        "success rate": f"{report.success_rate:.4%}",
        "errors": errors or "none",
        "latency p50, p95, p99": f"{_seconds(latency.p50)}, {_seconds(latency.p95)}, {_seconds(latency.p99)}",
        "first token p50, p95, p99": f"{_seconds(first.p50)}, {_seconds(first.p95)}, {_seconds(first.p99)}",
        "retries": f"{report.retries:,}",
        "hedges": f"{report.hedges:,}",
        "extra load": f"{report.extra_load:.2%}",
        "breaker openings": f"{report.breaker_openings:,}",
        "cost": _amounts(report.cost) + unpriced,
    }
    for name, found in rows.items():
        table.add_row(name, escape(found))
    return table


def _targets(report: "Report") -> Table:
    """Lay out what each target was asked."""
    table = Table("target")
    for name in ("attempts", "answered", "share", "most at once", "openings", "cost", "errors"):
        table.add_column(name, justify="right")
    for name, target in report.targets.items():
        errors = ", ".join(f"{code}: {count:,}" for code, count in target.errors.items())
        table.add_row(
            escape(printable(name)),
            f"{target.attempts:,}",
            f"{target.answered:,}",
            f"{target.share:.1%}",
            f"{target.most_in_flight:,}",
            f"{target.breaker_openings:,}",
            _amounts(target.cost),
            errors or "none",
        )
    return table


def _seconds(duration: float | None) -> str:
    return "-" if duration is None else f"{duration:.3f} s"


def _amounts(cost: Mapping[str, str]) -> str:
    return ", ".join(f"{amount} {currency}" for currency, amount in cost.items()) or "-"


async def _load(settings: Settings) -> Snapshot:
    """Return what is served with what it costs; secrets need not be there."""
    config = ConfigFile(settings.config_file, Placeholders(environment()), KINDS)
    return await PriceBook().complete(config.load())
