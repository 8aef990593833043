"""What is measured of a subject, each as a function that puts load on and returns numbers."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.load import Result
from bench.processes import BenchError, Core, cpu_seconds, main_thread_cpu_seconds, pinned, resident_mb
from bench.subjects import Subject

LOAD_SECONDS = 900.0
"""How long one load may take before it counts as stuck."""

REST_SECONDS = 120.0
REST_CPU_SECONDS = 0.03
"""A subject rests when it uses no more CPU than this in a window."""

CONNECTIONS = 32
STREAMS_EACH = 3
EVENTS_A_STREAM = 200
EVENT_INTERVAL_SECONDS = 0.005
LONELY_REQUESTS = 400

LONG_STREAM_EVENTS = 10
"""How many events, one a second, the streams of the concurrency measurement have."""
LONG_STREAMS_EACH = 3


@dataclasses.dataclass(frozen=True)
class Bench:
    """Where the load runs, and how much of it: plain requests a round, connections with streams.

    A subject rests when it uses next to no CPU in `rest_window_seconds`; the window has to be longer than the interval
    of its background work.
    """

    load_core: Core
    plain_requests: int = 16_000
    streams: int = 100
    rest_window_seconds: float = 1.5


@dataclasses.dataclass(frozen=True)
class Streaming:
    """How many streams ran at once, what first bytes took, and how busy the core was."""

    streams: int
    first_byte_p50_ms: float
    first_byte_p99_ms: float
    cpu_us_per_event: float
    core_share: float


@dataclasses.dataclass(frozen=True)
class Memory:
    """Resident memory in MB when idle after the start, after a tenth of the requests, and after all of them."""

    requests: int
    idle_mb: float
    early_mb: float
    late_mb: float


def put_load(bench: Bench, subject: Subject, **options: float | str | bool) -> Result:
    """Run the load generator and return what it saw; raise `BenchError` if an answer was wrong."""
    flags = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    address = ["--port", str(subject.port), "--token", subject.token]
    command = [*pinned(bench.load_core), sys.executable, "-m", "bench.load", *address, *flags]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise BenchError(f"{subject.name} did not answer every request within {LOAD_SECONDS:.0f} s") from None
    if ended.returncode != 0:
        raise BenchError(f"the load generator failed:\n{ended.stderr}")
    result = Result(**json.loads(ended.stdout))
    if result.failures:
        raise BenchError(f"{subject.name} failed {result.failures} of {result.failures + result.answers} requests")
    return result


def settled_cpu_seconds(bench: Bench, subject: Subject) -> float:
    """Return the CPU time used so far, once the subject rests: usage is written to the database after the answers."""
    deadline = time.monotonic() + REST_SECONDS
    used = cpu_seconds(subject.pid)
    while time.monotonic() < deadline:
        time.sleep(bench.rest_window_seconds)
        now = cpu_seconds(subject.pid)
        if now - used <= REST_CPU_SECONDS:
            return now
        used = now
    raise BenchError(f"{subject.name} does not come to rest")


def plain_cpu(bench: Bench, subject: Subject) -> tuple[float, float]:
    """Return the CPU µs of a plain request, with what is done for it afterwards, and the event loop's part of them."""
    before = settled_cpu_seconds(bench, subject)
    loop_before = main_thread_cpu_seconds(subject.pid)
    result = put_load(bench, subject, connections=CONNECTIONS, requests=max(bench.plain_requests // CONNECTIONS, 1))
    used = settled_cpu_seconds(bench, subject) - before
    used_by_loop = main_thread_cpu_seconds(subject.pid) - loop_before
    return used / result.answers * 1e6, used_by_loop / result.answers * 1e6


def event_cpu(bench: Bench, subject: Subject, model: str = "bench") -> float:
    """Return the CPU µs of a streamed event, its share of the request included."""
    before = settled_cpu_seconds(bench, subject)
    stream = {"stream": True, "chunks": EVENTS_A_STREAM, "interval": EVENT_INTERVAL_SECONDS}
    result = put_load(bench, subject, model=model, connections=bench.streams, requests=STREAMS_EACH, **stream)
    return (settled_cpu_seconds(bench, subject) - before) / result.events * 1e6


def lonely_first_byte(bench: Bench, subject: Subject) -> float:
    """Return the median time to the first byte in ms, one request at a time."""
    return put_load(bench, subject, connections=1, requests=LONELY_REQUESTS).first_byte_p50_ms


def streaming(bench: Bench, subject: Subject, streams: int) -> Streaming:
    """Hold a number of streams at one event a second, begun over two seconds, and begin new ones as they end."""
    before = settled_cpu_seconds(bench, subject)
    shape = {"stream": True, "chunks": LONG_STREAM_EVENTS, "interval": 1.0, "ramp": 2.0}
    result = put_load(bench, subject, connections=streams, requests=LONG_STREAMS_EACH, **shape)
    used = cpu_seconds(subject.pid) - before
    return Streaming(
        streams=streams,
        first_byte_p50_ms=result.first_byte_p50_ms,
        first_byte_p99_ms=result.first_byte_p99_ms,
        cpu_us_per_event=used / result.events * 1e6,
        core_share=used / result.seconds,
    )


def memory(bench: Bench, subject: Subject, requests: int) -> Memory:
    """Watch resident memory over a number of plain requests."""
    idle = resident_mb(subject.pid)
    tenth = max(requests // 10 // CONNECTIONS, 1)
    put_load(bench, subject, connections=CONNECTIONS, requests=tenth)
    early = resident_mb(subject.pid)
    put_load(bench, subject, connections=CONNECTIONS, requests=max(requests // CONNECTIONS - tenth, 1))
    return Memory(requests=requests, idle_mb=idle, early_mb=early, late_mb=resident_mb(subject.pid))


@contextlib.contextmanager
def profiled(subject: Subject, into: Path) -> Iterator[None]:
    """Record a flame graph of a subject while the block puts load on it."""
    command = ["py-spy", "record", "--pid", str(subject.pid), "--output", str(into), "--rate", "500", "--native"]
    profiler = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        profiler.send_signal(2)
        profiler.wait(60)
