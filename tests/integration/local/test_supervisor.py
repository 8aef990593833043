"""The embedded model's process: started, started again, and never left behind."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tests.integration.local.conftest import QUICK, chat, children, post

from aqueduct.errors import ConfigurationError, UpstreamTimeout, UpstreamUnreachable
from aqueduct.local.model import LocalModel, Options
from aqueduct.local.process import Endpoint

_PARENT = """
import asyncio, signal, sys
from pathlib import Path
from aqueduct.local.model import LocalModel

async def main():
    model = LocalModel(Path(sys.argv[1]))
    await model.start()
    await model.ready()
    print("ready", flush=True)
    await asyncio.sleep(60)

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background, where tests may run, ignores it
asyncio.run(main())
"""


async def until_replaced(model: LocalModel, old: Endpoint) -> Endpoint:
    return await until_serving(model, but_not=old)


async def until_serving(model: LocalModel, but_not: Endpoint | None = None) -> Endpoint:
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(UpstreamUnreachable):
            if (endpoint := await model.ready()) != but_not:
                return endpoint
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


def failures(entries: Sequence[Mapping[str, object]]) -> int:
    return sum(entry["event"] == "local model failed" for entry in entries)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


def listening_addresses(port: int) -> set[str]:
    """Return the addresses, as the kernel writes them, on which a port is listened to (state 0A)."""
    lines = (Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()).splitlines()
    fields = [line.split() for line in lines]
    return {field[1].partition(":")[0] for field in fields if field[1].endswith(f":{port:04X}") and field[3] == "0A"}


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text()


async def test_a_request_that_comes_before_it_is_ready_waits(model: LocalModel) -> None:
    first, second = await asyncio.gather(model.ready(), model.ready())
    assert first == second
    answer = await asyncio.to_thread(chat, first)
    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == "SmolLM2-135M-Instruct.Q4_1"


async def test_serves_on_loopback_only_and_nothing_without_its_key(model: LocalModel) -> None:
    endpoint = await model.ready()
    assert endpoint.origin.host == "127.0.0.1"
    assert listening_addresses(endpoint.origin.port) == {"0100007F"}
    for path in ("/v1/chat/completions", "/props", "/slots", "/tools", "/lora-adapters"):
        status, _ = await asyncio.to_thread(post, endpoint, path, b"{}", api_key="wrong")
        assert status == 401
    for path in ("/props", "/slots/0?action=save", "/tools"):
        status, _ = await asyncio.to_thread(post, endpoint, path, b"{}")
        assert status in (400, 403, 404, 501)


async def test_the_key_is_in_no_command_line(model: LocalModel) -> None:
    endpoint = await model.ready()
    (pid,) = children(os.getpid())
    assert endpoint.api_key not in command_line(pid)
    assert endpoint.api_key not in repr(endpoint)


async def test_a_crash_is_noticed_and_the_model_is_started_again(model: LocalModel) -> None:
    old = await model.ready()
    (pid,) = children(os.getpid())
    os.kill(pid, signal.SIGKILL)
    new = await until_replaced(model, old)
    assert new.api_key != old.api_key
    await asyncio.to_thread(chat, new)


async def test_a_hang_is_noticed_and_the_model_is_started_again(model: LocalModel) -> None:
    old = await model.ready()
    (pid,) = children(os.getpid())
    os.kill(pid, signal.SIGSTOP)
    new = await until_replaced(model, old)
    assert not is_running(pid)
    await asyncio.to_thread(chat, new)


async def test_a_busy_model_is_not_taken_for_a_hung_one(model_path: Path) -> None:
    model = LocalModel(model_path, Options(beat_seconds=0.1, silence_seconds=1.0))
    await model.start()
    try:
        endpoint = await model.ready()
        long = [{"role": "user", "content": "word " * 400}]
        started = time.monotonic()
        # One after another, for longer than a silence may be, on a machine of any speed.
        while time.monotonic() - started < 2.5:
            await asyncio.gather(*(asyncio.to_thread(chat, endpoint, messages=long, max_tokens=30) for _ in range(2)))
        assert await model.ready() == endpoint
    finally:
        await model.close()


async def test_close_ends_the_process_at_any_moment(model_path: Path) -> None:
    for seconds in (0.0, 0.05, 0.4):
        model = LocalModel(model_path, QUICK)
        await model.start()
        await asyncio.sleep(seconds)
        await model.close()
        assert list(children(os.getpid())) == []
        with pytest.raises(UpstreamUnreachable, match="closed"):
            await model.ready()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_it_ends_with_its_parent_however_that_ends(model_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _PARENT, str(model_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert b"ready\n" in iter(parent.stdout.readline, b"")
        (pid,) = children(parent.pid)
        parent.send_signal(number)
        parent.wait(10)
    deadline = time.monotonic() + 10
    while is_running(pid):
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def test_a_file_that_cannot_be_loaded_is_explained_at_once_and_not_tried_without_end(
    model_path: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.gguf"
    with model_path.open("rb") as file:
        broken.write_bytes(file.read(3_000_000))
    model = LocalModel(broken, QUICK)
    with capture_logs() as entries:
        await model.start()
        with pytest.raises(UpstreamUnreachable, match="corrupted or incomplete"):
            await model.ready()
        deadline = time.monotonic() + 30
        while failures(entries) < 2:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)
        await asyncio.sleep(1.0)
        await model.close()
    assert failures(entries) <= 6


async def test_it_serves_once_a_broken_file_has_been_mended(model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF and nothing else")
    model = LocalModel(path, QUICK)
    await model.start()
    try:
        with pytest.raises(UpstreamUnreachable):
            await model.ready()
        path.unlink()
        path.symlink_to(model_path)
        await asyncio.to_thread(chat, await until_serving(model))
    finally:
        await model.close()


async def test_a_missing_file_and_one_of_another_kind_are_configuration_errors(tmp_path: Path) -> None:
    (tmp_path / "text.gguf").write_text("hello")
    for name, words in (("none.gguf", "cannot be read: No such file"), ("text.gguf", "is not a GGUF file")):
        with pytest.raises(ConfigurationError, match=words):
            await LocalModel(tmp_path / name).start()


async def test_a_missing_extra_is_a_configuration_error_that_names_it(
    model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'aqueduct-gateway\[local\]'"):
        await LocalModel(model_path).start()


async def test_waiting_for_it_is_bounded(model_path: Path) -> None:
    model = LocalModel(model_path, Options(ready_timeout_seconds=0.01))
    await model.start()
    try:
        with pytest.raises(UpstreamTimeout, match="not ready within"):
            await model.ready()
    finally:
        await model.close()


def test_the_child_refuses_to_serve_for_a_parent_that_is_gone(model_path: Path) -> None:
    config = (
        f'{{"model_path": "{model_path}", "name": "m", "api_key": "k", "parent_pid": 1, "threads": 1, "slots": 1, '
        '"context_tokens": 512, "beat_seconds": 1}\n'
    )
    child = subprocess.run(
        [sys.executable, "-m", "aqueduct.local.child"],
        input=config.encode(),
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert (child.returncode, child.stdout) == (0, b"")
