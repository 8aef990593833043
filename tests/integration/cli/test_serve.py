"""`aqueduct serve`: what its first start shows, and what it refuses."""

import os
import pty
import re
import select
import signal
import stat
import subprocess
import time
from pathlib import Path

import pytest
from tests.aqueduct_process import COMMAND
from tests.integration.cli.conftest import CommandLine

CONFIG = """
providers:
  - {name: nobody, kind: openai, base_url: "http://127.0.0.1:9/v1", api_key: none}
models:
  - {name: some-model, targets: [{provider: nobody, model: x}]}
"""
START_SECONDS = 30.0


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """How to start a gateway quickly: a config without the embedded model, and whatever port is free."""
    config = tmp_path / "aqueduct.yaml"
    config.write_text(CONFIG)
    return [str(COMMAND), "serve", "--port", "0", "--config", str(config)]


def read_until(descriptor: int, wanted: bytes) -> str:
    """Read what a process prints until the wanted words came."""
    printed = b""
    deadline = time.monotonic() + START_SECONDS
    while wanted not in printed:
        ready, _, _ = select.select([descriptor], [], [], deadline - time.monotonic())
        assert ready, printed.decode()
        chunk = os.read(descriptor, 65_536)
        assert chunk, printed.decode()
        printed += chunk
    return printed.decode()


def end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def first_line_of_the_answer(curl: str) -> str:
    """Paste the curl line into a shell; the upstream is nobody, so only the status of the answer is of interest."""
    pasted = curl.replace("curl ", "curl --silent --include --noproxy '*' ", 1)
    done = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()[0]


def test_in_a_log_the_token_goes_to_a_private_file_and_the_line_reads_it(
    fresh: CommandLine, arguments: list[str]
) -> None:
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=fresh.environment) as process:
        assert process.stdout is not None
        printed = read_until(process.stdout.fileno(), b"poem!")
        kept = fresh.data_dir / "first-token"
        value = kept.read_text()
        assert re.fullmatch(r"aq-[\w-]{43}\n?", value)
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        assert value.strip() not in printed
        assert " 401 " not in first_line_of_the_answer(printed[printed.index("curl ") :].split("\n\n")[0])
        end(process)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=fresh.environment) as process:
        assert process.stdout is not None
        assert "aq-" not in read_until(process.stdout.fileno(), b"token create")
        end(process)


def test_on_a_terminal_the_token_is_shown_and_kept_nowhere(fresh: CommandLine, arguments: list[str]) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(arguments, stdout=theirs, env=fresh.environment) as process:
        printed = read_until(ours, b"poem!").replace("\r\n", "\n")
        found = re.search(r"^ +(aq-[\w-]{43})$", printed, re.MULTILINE)
        assert found is not None
        assert f"Bearer {found[1]}" in printed
        assert list(fresh.data_dir.glob("first-token*")) == []
        assert " 401 " not in first_line_of_the_answer(printed[printed.index("curl ") :].split("\n\n")[0])
        end(process)
    os.close(ours)
    os.close(theirs)


def test_a_token_that_was_not_shown_because_the_start_failed_is_shown_by_the_next(
    fresh: CommandLine, arguments: list[str]
) -> None:
    config = Path(arguments[-1])
    config.write_text("models: nonsense")
    assert subprocess.run(arguments, env=fresh.environment, capture_output=True, check=False).returncode == 1
    config.write_text(CONFIG)
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, env=fresh.environment) as process:
        assert process.stdout is not None
        read_until(process.stdout.fileno(), b"poem!")
        assert (fresh.data_dir / "first-token").exists()
        end(process)


def test_several_workers_are_refused_with_the_reason(fresh: CommandLine) -> None:
    assert "limits are counted inside the process" in fresh.error("serve", "--workers", "2")
    assert not fresh.data_dir.exists()


def test_a_data_directory_that_cannot_be_made_is_one_line(fresh: CommandLine) -> None:
    fresh.data_dir.write_text("")
    assert "cannot be written: " in fresh.error("serve", "--port", "0")


def test_the_version_is_shown(fresh: CommandLine) -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", fresh.output("version"))
