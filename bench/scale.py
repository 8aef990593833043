"""Measures a gateway whose database holds a million records: answers of the admin API, exports, and what requests cost.

Run as `scripts/bench-scale`. Times are those of a client on the same machine; beside them stands the CPU that the
gateway took, which a busy machine changes less.
"""

import argparse
import asyncio
import contextlib
import http.client
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from aqueduct.control.workspace import create_workspace
from aqueduct.settings import Settings
from bench import measure, subjects
from bench.measure import Bench
from bench.processes import BenchError, cores, cpu_seconds, free_port, resident_mb, running, wait_for_port
from bench.records import fill
from bench.subjects import CONFIG, ROOT, Subject, aqueduct

PREFIX = "/api/admin"
LISTS = ("/organisations", "/teams", "/users", "/memberships", "/api_tokens", "/budgets", "/limits", "/audit")
SUMS = ("day", "model", "team", "user", "token", "hour", "user&top=100", "token&top=100&rank_by=cost")
REPEATS = 5
BLOCK_BYTES = 262_144


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench-scale", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--requests", type=int, default=4_000, help="how many the data plane serves")
    return parser.parse_args()


async def make_tables(data_dir: Path) -> None:
    """Make the data directory as the first start does."""
    async with create_workspace(Settings(data_dir=data_dir)):
        pass


@contextlib.contextmanager
def gateway(folder: Path, data_dir: Path, upstream_port: int, *, is_filled: bool) -> Iterator[Subject]:
    """Run the gateway of this tree on the data directory."""
    config, log, port = folder / "scale.yaml", folder / "gateway.log", free_port()
    config.write_text(CONFIG.format(port=upstream_port))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
    environment["AQUEDUCT_DATA_DIR"] = str(data_dir)
    command = aqueduct(ROOT, "serve", "--config", str(config), "--port", str(port))
    with running(command, cores()[1], log, environment) as process:
        wait_for_port(port, process, log)
        api_token = (
            subjects.call(ROOT, environment, "token", "create", "--name", "bench").strip() if is_filled else "none"
        )
        yield Subject("aqueduct", process.pid, port, api_token)


class Admin:
    """Asks the admin API on one connection."""

    def __init__(self, subject: Subject, api_token: str) -> None:
        self._subject = subject
        self._connection = http.client.HTTPConnection("127.0.0.1", subject.port, timeout=3600)
        self._fields = {"authorization": f"Bearer {api_token}"}

    def take(self, path: str) -> int:
        """Take an answer whole; return its size."""
        self._connection.request("GET", PREFIX + path, headers=self._fields)
        answer = self._connection.getresponse()
        size = 0
        while block := answer.read(BLOCK_BYTES):
            size += len(block)
        if answer.status != 200:
            raise BenchError(f"{path} was answered with {answer.status}")
        return size

    def measure(self, path: str, repeats: int = REPEATS) -> None:
        """Print the median time, the CPU and the size of an answer."""
        size = self.take(path)
        times, before = [], cpu_seconds(self._subject.pid)
        for _ in range(repeats):
            began = time.perf_counter()
            size = self.take(path)
            times.append((time.perf_counter() - began) * 1000)
        used = (cpu_seconds(self._subject.pid) - before) / repeats * 1000
        print(f"{path:45} {statistics.median(times):9.1f} ms {used:9.1f} ms CPU {size / 1000:11.1f} kB", flush=True)


def measure_exports(admin: Admin, subject: Subject, records: int) -> None:
    """Print what exports of everything take, and what requests take beside one."""
    since = "since=2020-01-01T00:00:00Z"
    for path in (f"/usage/requests/export?{since}&format=jsonl", f"/usage/requests/export?{since}&format=csv"):
        began, before = time.perf_counter(), cpu_seconds(subject.pid)
        size = admin.take(path)
        seconds, used = time.perf_counter() - began, cpu_seconds(subject.pid) - before
        each = used / records * 1e6
        print(f"{path}: {seconds:.1f} s, {used:.1f} s CPU, {each:.1f} µs CPU a record, {size / 1e6:.0f} MB")
        print(f"resident: {resident_mb(subject.pid):.0f} MB", flush=True)


def show_load(label: str, bench: Bench, subject: Subject) -> None:
    """Print the latency of requests, eight at a time."""
    found = measure.put_load(bench, subject, connections=8, requests=250)
    print(f"{label}: p50 {found.total_p50_ms:.1f} ms, p99 {found.total_p99_ms:.1f} ms", flush=True)


async def load_beside_export(admin: Admin, bench: Bench, subject: Subject) -> None:
    """Measure requests while an export is taken."""
    path = "/usage/requests/export?since=2020-01-01T00:00:00Z"
    export = asyncio.create_task(asyncio.to_thread(admin.take, path))
    await asyncio.sleep(1)
    await asyncio.to_thread(show_load, "requests beside an export", bench, subject)
    print(f"the export went on meanwhile: {not export.done()}")
    await export


def main() -> int:
    """Run as `scripts/bench-scale`."""
    options = parse()
    bench = Bench(cores()[0], plain_requests=options.requests)
    with tempfile.TemporaryDirectory(prefix="aqueduct-scale-") as name:
        folder = Path(name)
        data_dir = folder / "state"
        asyncio.run(make_tables(data_dir))
        began, before = time.perf_counter(), time.process_time()
        # A first start makes the administrator, and only on tables that have no token yet.
        with subjects.upstream(cores()[0], folder) as upstream_port:
            with gateway(folder, data_dir, upstream_port, is_filled=False):
                pass
            fill(data_dir / "aqueduct.db", records=options.records, users=options.users, now=time.time())
            print(
                f"filled in {time.perf_counter() - began:.1f} s, {time.process_time() - before:.1f} s CPU", flush=True
            )
            api_token = (data_dir / "first-token").read_text().strip()
            with gateway(folder, data_dir, upstream_port, is_filled=True) as subject:
                admin = Admin(subject, api_token)
                for path in LISTS:
                    admin.measure(path)
                for by in SUMS:
                    admin.measure(f"/usage?by={by}")
                used, used_by_loop = measure.plain_cpu(bench, subject)
                print(f"CPU µs a request: {used:.0f}, on the event loop {used_by_loop:.0f}", flush=True)
                show_load("requests alone", bench, subject)
                measure_exports(admin, subject, options.records)
                asyncio.run(load_beside_export(admin, bench, subject))
    return 0


if __name__ == "__main__":
    sys.exit(main())
