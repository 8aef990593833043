"""What the tests fork is what a user starts: the same words, statuses, signals and streams."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.aqueduct_process import COMMAND, ForkedProcess, ForkServer, can_fork, start_aqueduct
from tests.gateway_process import GatewayProcess
from tests.integration.cli.conftest import CommandLine

CONFIG = """
providers: [{name: up, kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: none}]
models: [{name: some-model, targets: [{provider: up, model: m}]}]
"""

pytestmark = pytest.mark.skipif(not can_fork(), reason="forking is off, or this system cannot do it")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(["version"], 0), (["token", "list"], 0), (["token", "revoke", "nobody"], 1), (["nonsense"], 2), ([], 2)],
    ids=["version", "list", "revoke", "nonsense", "nothing"],
)
def test_a_command_says_and_returns_what_the_installed_one_does(
    command_line: CommandLine, arguments: list[str], status: int
) -> None:
    forked = command_line.run(*arguments)
    installed = subprocess.run(
        [COMMAND, *arguments],
        env=command_line.environment,
        cwd=command_line.data_dir.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert forked.returncode == status
    assert (forked.args, forked.stdout, forked.stderr) == (
        [str(COMMAND), *arguments],
        installed.stdout,
        installed.stderr,
    )
    assert forked.returncode == installed.returncode


def serve(folder: Path) -> GatewayProcess:
    return GatewayProcess(folder, CONFIG).start()


def test_it_is_a_process_with_an_id_that_signals_end(tmp_path: Path) -> None:
    gateway = serve(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        gateway.wait(0.01)
    assert Path(f"/proc/{gateway.pid}/cwd").readlink() == tmp_path
    assert os.getsid(gateway.pid) == gateway.pid
    os.kill(gateway.pid, signal.SIGKILL)
    assert gateway.wait() == -signal.SIGKILL
    gateway.start()
    gateway.terminate()
    assert gateway.wait() == 0


def test_it_leaves_nobody_behind_when_who_started_it_is_gone(fresh: CommandLine, tmp_path: Path) -> None:
    server = ForkServer()
    config = tmp_path / "aqueduct.yaml"
    config.write_text(CONFIG)
    with (tmp_path / "log").open("wb") as log:
        process = server.start(
            ["serve", "--port", "0", "--config", str(config)],
            fresh.environment,
            tmp_path,
            [log.fileno()] * 3,
        )
    assert process.poll() is None
    server.close()
    until(lambda: not Path(f"/proc/{process.pid}").exists())


def test_what_the_interpreter_reads_takes_a_new_interpreter(fresh: CommandLine, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w+b") as log:
        for variables, is_forked in (({}, True), ({"PYTHONUTF8": "1"}, False)):
            process = start_aqueduct(
                "version", environment={**fresh.environment, **variables}, folder=tmp_path, stdout=log, stderr=log
            )
            assert process.wait(30) == 0
            assert isinstance(process, ForkedProcess) == is_forked
        log.seek(0)
        first, second = log.read().splitlines()
    assert first == second


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
