"""The bench measures a real gateway and says what it found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="what a process used is read from /proc")
def test_a_quick_run_measures_the_gateway_and_writes_every_number(tmp_path: Path) -> None:
    found = tmp_path / "found.json"
    command = [sys.executable, "-m", "bench.run", "--quick", "--requests", "320", "--json", str(found)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"}
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180, check=False
    )
    assert ended.returncode == 0, ended.stderr
    gateway = json.loads(found.read_text())["subjects"][-1]
    assert gateway["name"] == "aqueduct"
    assert gateway["plain_cpu_us"][0] > 0
    assert gateway["event_cpu_us"][0] > 0
    assert gateway["memory"]["late_mb"] > 20
    assert "CPU µs a request" in ended.stdout


def test_an_unknown_commit_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench.run", "--quick", "--commit", "no-such-commit"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert "git does not know the commit no-such-commit" in ended.stderr
