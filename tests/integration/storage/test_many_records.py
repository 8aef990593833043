"""Many records: reports read their sums, and exports take no more memory for more of them.

`AQUEDUCT_TEST_RECORDS=1000000` makes it a million; `-s` shows the times.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.usage_records import ship, usage_record

from aqueduct.control.usage import Grouping, summarise
from aqueduct.control.workspace import Workspace
from aqueduct.storage.retention import Retention

RECORDS = int(os.environ.get("AQUEDUCT_TEST_RECORDS", "10000"))
SPREAD_SECONDS = 30 * 86_400.0
# A child's `ru_maxrss` begins with its parent's: only the kernel's own mark of the new process is its own.
EXPORT = """
import re, sys
from aqueduct.cli import program
program()(standalone_mode=False)
print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr)
"""
MAX_GROWTH_KB = 24 * 1024
PART = 10_000


def export_memory_kb(data_dir: Path, since: str) -> tuple[int, int]:
    """Export as CSV; return the lines and the most memory it took."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
    command = [sys.executable, "-c", EXPORT, "usage", "export", "--format", "csv", "--since", since]
    process = subprocess.Popen(
        command,
        env=environment | {"AQUEDUCT_DATA_DIR": str(data_dir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=-1,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        lines = sum(1 for _ in process.stdout)
        most = int(process.stderr.read())
    assert process.wait() == 0
    return lines, most


async def test_a_report_reads_sums_and_an_export_takes_constant_memory(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    now = time.time()
    step = SPREAD_SECONDS / RECORDS
    began = time.perf_counter()
    for first in range(0, RECORDS, PART):
        records = (
            usage_record(
                now - SPREAD_SECONDS + number * step, api_token_id=f"tok_{number % 50}", request_model=f"m{number % 7}"
            )
            for number in range(first, min(first + PART, RECORDS))
        )
        await ship(workspace, *records)
    times = {"make and ship": time.perf_counter() - began}
    groupings: list[tuple[Grouping, ...]] = [("model",), ("token", "model"), ("day",), ("hour",), ("target",)]
    for by in groupings:
        began = time.perf_counter()
        found = [each async for each in summarise(workspace.database, since=now - SPREAD_SECONDS - 1, by=by)]
        times[",".join(by)] = time.perf_counter() - began
        assert sum(each.requests for each in found) == RECORDS
    began = time.perf_counter()
    lines, most = export_memory_kb(workspace.directory.path, "60d")
    times["export"] = time.perf_counter() - began
    few, least = export_memory_kb(workspace.directory.path, "1h")
    assert lines == RECORDS + 1
    assert few < lines
    assert most - least < MAX_GROWTH_KB
    began = time.perf_counter()
    removed = await Retention(workspace.database, 15).prune()
    times["prune half"] = time.perf_counter() - began
    assert abs(removed - RECORDS / 2) < RECORDS / 100
    with capsys.disabled():
        if RECORDS > PART:
            print(times, f"{least} to {most} kB")  # noqa: T201 - for the person who asked for a million
