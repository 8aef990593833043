"""Measures the gateway beside two yardsticks.

They are nginx as a bare reverse proxy, the least that a gateway can cost, and a bare relay on uvicorn, which does
nothing that a gateway is for and tells how fast Python is on this machine.

A mock upstream and a load generator run on one core, what is measured on another (where there are two). Quote CPU per
request and per event as a ratio to nginx in the same run: it holds to about 10 % on a shared machine, throughput and
latency do not. Needs Linux.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench import measure, report, subjects
from bench.dialects import DIALECTS
from bench.measure import Bench
from bench.processes import BenchError, allow_many_files, cores
from bench.report import Findings
from bench.subjects import ROOT, Plan, Subject


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--commit", action="append", default=[], help="measure this commit; may be given twice")
    parser.add_argument("--tree", action="append", default=[], type=Path, help="measure another source tree")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of the cost measurement (%(default)s)")
    parser.add_argument(
        "--requests", type=int, default=20_000, help="how many requests memory is watched over (%(default)s; 0: none)"
    )
    parser.add_argument(
        "--streams", default="1000", help="concurrent streams, or a list of such numbers for a curve (%(default)s)"
    )
    parser.add_argument(
        "--limits",
        action="store_true",
        help="also under limits and budgets, eight claims a request; plain requests alone",
    )
    parser.add_argument(
        "--adapters",
        action="store_true",
        help="what an event costs that an adapter translates, beside one that passes; streams alone",
    )
    parser.add_argument("--quick", action="store_true", help="a short look: one small round, no streams")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="write flame graphs there, with py-spy")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every number there")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.requests, options.streams = 1, min(options.requests, 2_000), ""
    if options.limits or options.adapters:
        options.requests, options.streams = 0, ""
    return options


@contextlib.contextmanager
def started(options: argparse.Namespace, folder: Path) -> Iterator[list[Subject]]:
    """Run everything that is to be measured, all at once; what is idle costs nothing."""
    load_core, subject_core = cores()
    sources = {commit: subjects.check_out(commit, folder) for commit in options.commit}
    sources |= {tree.resolve().name: tree.resolve() for tree in options.tree}
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(subjects.upstream(load_core, folder))
        running = []
        if subjects.has_nginx():
            running.append(stack.enter_context(subjects.nginx(subject_core, folder, port)))
        else:
            print("nginx is not installed, so there is no yardstick: install nginx-light for one.", file=sys.stderr)
        running.append(stack.enter_context(subjects.bare_relay(subject_core, folder, port)))
        for name, source in (sources or {"aqueduct": ROOT}).items():
            plans = [Plan(name, source, subjects.adapters_config() if options.adapters else subjects.CONFIG)]
            if options.limits:
                url = stack.enter_context(subjects.valkey(subject_core, make_folder(folder, name)))
                plans = [
                    Plan(name, source, declares=subjects.OWNERS),
                    Plan(f"{name} {subjects.LIMITED}", source, declares=subjects.LIMITS),
                    Plan(f"{name} {subjects.SHARED}", source, declares=subjects.LIMITS, valkey_url=url),
                ]
            running += [stack.enter_context(subjects.gateway(plan, subject_core, folder, port)) for plan in plans]
        yield running


def make_folder(folder: Path, name: str) -> Path:
    """Make a folder for what one of the sources shares."""
    made = folder / f"of-{name.replace('/', '_')}"
    made.mkdir()
    return made


def measure_all(bench: Bench, running: Sequence[Subject], options: argparse.Namespace) -> list[Findings]:
    """Measure every subject, one after another in each round, so that a drift of the machine meets them all."""
    found = {subject: Findings(subject.name) for subject in running}
    for subject, findings in found.items():
        if options.requests and subject.name not in subjects.YARDSTICKS:
            tell(f"memory of {subject.name}")
            findings.memory = measure.memory(bench, subject, options.requests)
    for number in range(options.rounds):
        tell(f"cost, round {number + 1} of {options.rounds}")
        for subject, findings in found.items():
            if options.adapters:
                measure_adapters(bench, subject, findings)
                continue
            used, used_by_loop = measure.plain_cpu(bench, subject)
            findings.plain_cpu_us.append(used)
            findings.loop_cpu_us.append(used_by_loop)
            if not options.limits:
                findings.event_cpu_us.append(measure.event_cpu(bench, subject))
                findings.first_byte_ms.append(measure.lonely_first_byte(bench, subject))
    for streams in [int(number) for number in options.streams.split(",") if number]:
        tell(f"{streams} concurrent streams")
        for subject, findings in found.items():
            findings.streaming.append(measure.streaming(bench, subject, streams))
    return list(found.values())


def measure_adapters(bench: Bench, subject: Subject, findings: Findings) -> None:
    """Measure a streamed event: of a yardstick the one that it knows, of a gateway one of each kind."""
    if subject.name in subjects.YARDSTICKS:
        findings.event_cpu_us.append(measure.event_cpu(bench, subject))
        return
    for kind in (subjects.PASSED, *DIALECTS):
        findings.adapter_cpu_us.setdefault(kind, []).append(measure.event_cpu(bench, subject, kind))


def profile(bench: Bench, running: Sequence[Subject], into: Path) -> None:
    """Write a flame graph of each gateway under plain requests and under streams."""
    if shutil.which("py-spy") is None:
        raise BenchError("--profile needs py-spy in PATH: pip install py-spy")
    into.mkdir(parents=True, exist_ok=True)
    for subject in running:
        if subject.name not in subjects.YARDSTICKS:
            name = subject.name.replace("/", "_")
            with measure.profiled(subject, into / f"{name}-plain.svg"):
                measure.plain_cpu(bench, subject)
            with measure.profiled(subject, into / f"{name}-stream.svg"):
                measure.event_cpu(bench, subject)


def tell(what: str) -> None:
    """Say what is going on, for it takes minutes."""
    print(f"measuring {what} …", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run as `scripts/bench`."""
    options = parse(arguments)
    if not sys.platform.startswith("linux"):
        print("error: what a process used is read from /proc, so this needs Linux.", file=sys.stderr)
        return 1
    allow_many_files()
    bench = Bench(cores()[0], 2_000, 20, 0.2) if options.quick else Bench(cores()[0])
    try:
        with tempfile.TemporaryDirectory(prefix="aqueduct-bench-") as folder, started(options, Path(folder)) as running:
            findings = measure_all(bench, running, options)
            if options.profile:
                tell("where the time goes")
                profile(bench, running, options.profile)
    except BenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    report.show(findings)
    if options.json:
        options.json.write_text(report.as_json(findings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
