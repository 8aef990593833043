"""What was measured, and how it is shown: a table for people, JSON for programs."""

import dataclasses
import json
import platform
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bench.measure import Memory, Streaming
from bench.subjects import LIMITED, NGINX, PASSED, RELAY, SHARED

CASES = (LIMITED, SHARED)


@dataclasses.dataclass
class Findings:
    """What was measured of one subject; a list has a value a round."""

    name: str
    plain_cpu_us: list[float] = dataclasses.field(default_factory=list)
    loop_cpu_us: list[float] = dataclasses.field(default_factory=list)
    """The event loop's part of them; usage is written to the database in other threads."""
    event_cpu_us: list[float] = dataclasses.field(default_factory=list)
    first_byte_ms: list[float] = dataclasses.field(default_factory=list)
    adapter_cpu_us: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """CPU of a streamed event by the kind of its provider."""
    memory: Memory | None = None
    streaming: list[Streaming] = dataclasses.field(default_factory=list)


def show(findings: Sequence[Findings]) -> None:
    """Print the tables."""
    console = Console()
    yardstick = next((each for each in findings if each.name == NGINX), Findings("no yardstick"))
    console.print(costs(findings, yardstick))
    if any(name in each.name for each in findings for name in CASES):
        console.print(of_limits(findings))
    if any(each.adapter_cpu_us for each in findings):
        console.print(of_adapters(findings))
    if any(each.memory for each in findings):
        console.print(memories(findings))
    if any(each.streaming for each in findings):
        console.print(streams(findings, yardstick))


def costs(findings: Sequence[Findings], yardstick: Findings) -> Table:
    """Return CPU and latency, medians over the rounds, beside the yardstick."""
    columns = ("CPU µs a request", "on the event loop", "CPU µs a streamed event", "first byte, alone (ms)")
    table = Table("", *columns, title="Cost")
    for each in findings:
        table.add_row(
            each.name,
            beside(each.plain_cpu_us, yardstick.plain_cpu_us),
            "" if each is yardstick else beside(each.loop_cpu_us, yardstick.plain_cpu_us),
            beside(each.event_cpu_us, yardstick.event_cpu_us),
            f"{statistics.median(each.first_byte_ms):.2f}" if each.first_byte_ms else "",
        )
    return table


def of_limits(findings: Sequence[Findings]) -> Table:
    """Return what limits add to the same gateway without them, each round's difference beside its bare relay."""
    table = Table("", "CPU µs added", "lowest", "highest", "of a bare relay", title="What limits and budgets cost")
    relay = statistics.median(next(each.plain_cpu_us for each in findings if each.name == RELAY))
    for each in findings:
        bare = next((other for other in findings if each.name in {f"{other.name} {case}" for case in CASES}), None)
        if bare is not None:
            added = [one - other for one, other in zip(each.plain_cpu_us, bare.plain_cpu_us, strict=True)]
            median = statistics.median(added)
            table.add_row(each.name, f"{median:.1f}", f"{min(added):.1f}", f"{max(added):.1f}", f"{median / relay:.0%}")
    return table


def of_adapters(findings: Sequence[Findings]) -> Table:
    """Return what a streamed event costs by the adapter that reads it, beside one that passes."""
    table = Table("", "kind", "CPU µs an event", "lowest", "highest", "of the pass-through", title="Translated streams")
    for each in findings:
        passed = statistics.median(each.adapter_cpu_us[PASSED]) if each.adapter_cpu_us else 0.0
        for kind, used in each.adapter_cpu_us.items():
            median = statistics.median(used)
            row = (f"{median:.1f}", f"{min(used):.1f}", f"{max(used):.1f}", f"{median / passed:.2f}x")
            table.add_row(each.name, kind, *row)
    return table


def beside(values: Sequence[float], yardstick: Sequence[float]) -> str:
    """Return a median and, where there is a yardstick, how many times that it is."""
    if not values:
        return ""
    value = statistics.median(values)
    measure = statistics.median(yardstick) if yardstick else 0.0
    return f"{value:.1f}  ({value / measure:.1f}x)" if measure else f"{value:.1f}"


def memories(findings: Sequence[Findings]) -> Table:
    """Return resident memory before and after."""
    table = Table("", "requests", "idle", "after a tenth", "after all", title="Resident memory (MB)")
    for each in findings:
        if each.memory is not None:
            seen = each.memory
            table.add_row(
                each.name, f"{seen.requests:,}", f"{seen.idle_mb:.1f}", f"{seen.early_mb:.1f}", f"{seen.late_mb:.1f}"
            )
    return table


def streams(findings: Sequence[Findings], yardstick: Findings) -> Table:
    """Return what many streams at one event a second do to first bytes, and what is added to the yardstick's."""
    columns = ("", "streams", "first byte p50", "p99", "p99 added (ms)", "CPU µs an event", "of a core")
    table = Table(*columns, title="Concurrent streams, one event a second")
    for each in findings:
        for seen in each.streaming:
            bare = [other.first_byte_p99_ms for other in yardstick.streaming if other.streams == seen.streams]
            added = [f"{seen.first_byte_p99_ms - other:.1f}" for other in bare if each is not yardstick]
            table.add_row(
                each.name,
                f"{seen.streams:,}",
                f"{seen.first_byte_p50_ms:.1f}",
                f"{seen.first_byte_p99_ms:.1f}",
                *(added or [""]),
                f"{seen.cpu_us_per_event:.1f}",
                f"{seen.core_share:.0%}",
            )
    return table


def as_json(findings: Sequence[Findings]) -> str:
    """Return everything, with what it was measured on."""
    machine = {"system": platform.platform(), "python": platform.python_version(), "processor": platform.machine()}
    return json.dumps({"machine": machine, "subjects": [dataclasses.asdict(each) for each in findings]}, indent=2)
