"""One life of the child process: started, told what to serve, listened to while it gives signs of life, ended."""

import asyncio
import contextlib
import logging
import os
import re
import secrets
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections import deque
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import structlog
from typing_extensions import override

from aqueduct.domain.http import Origin
from aqueduct.local.child import LOOPBACK, ChildConfig, Report

_END_GRACE_SECONDS = 5.0
_LOG_PREFIX = re.compile(r"[\d.]+ ([A-Z]) +")
_LOG_LEVELS = {"E": logging.ERROR, "W": logging.WARNING}

log = structlog.get_logger("aqueduct.local")


class Endpoint(msgspec.Struct, frozen=True):
    """Where the child answers, and the key it wants in `Authorization: Bearer`."""

    origin: Origin
    api_key: str

    @override
    def __repr__(self) -> str:
        return f"Endpoint({self.origin.authority!r})"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How the child runs and how long it may take.

    `name` is what answers call the model; None takes the file's. `threads` is None for one fewer than the machine has:
    the gateway needs a core too. `context_tokens` is for each of the `slots`, the requests generated at the same time.
    A child that gave no sign of life for `silence_seconds` hangs.
    """

    name: str | None = None
    threads: int | None = None
    slots: int = 4
    context_tokens: int = 3072
    beat_seconds: float = 2.0
    silence_seconds: float = 60.0
    start_timeout_seconds: float = 600.0
    ready_timeout_seconds: float = 60.0
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 60.0


class _Failed(Exception):
    """The child could not start, died or went silent; the message says which."""


async def run_child(model_path: Path, options: Options, on_serving: Callable[[Endpoint], None]) -> str:
    """Run one child until it fails and return why; it is gone when this returns or is cancelled."""
    config = ChildConfig(
        model_path=str(model_path),
        name=options.name or model_path.stem,
        api_key=secrets.token_urlsafe(32),
        parent_pid=os.getpid(),
        threads=options.threads or max(1, _cores() - 1),
        slots=options.slots,
        context_tokens=options.context_tokens,
        beat_seconds=options.beat_seconds,
    )
    # A session of its own keeps the terminal's signals away: the gateway drains before it ends the child.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aqueduct.local.child"), stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    last_lines: deque[str] = deque(maxlen=5)
    reason = ""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_forward_log(process, last_lines), name="local-model-log")
        try:
            await _attend(process, config, options, on_serving)
        except _Failed as failure:
            reason = _explain(str(failure), process.returncode)
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it might not hear SIGTERM
        finally:
            await _end(process)
    return "; ".join([reason, *last_lines])


def _cores() -> int:
    """Return how many cores this process may use; a container often has fewer than the machine."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def _attend(
    process: Process, config: ChildConfig, options: Options, on_serving: Callable[[Endpoint], None]
) -> None:
    """Tell the child its config, wait until it serves, then listen to its signs of life until there are none."""
    assert process.stdin is not None  # noqa: S101 - PIPE was asked for
    process.stdin.write(msgspec.json.encode(config) + b"\n")
    first = await _read_report(process, options.start_timeout_seconds)
    if first.address is None:
        raise _Failed(first.failure or "it reported no address")
    address = urlsplit(first.address)
    if address.hostname != LOOPBACK or address.port is None:
        raise _Failed("it does not listen on loopback")
    on_serving(Endpoint(Origin("http", LOOPBACK, address.port), config.api_key))
    while True:
        await _read_report(process, options.silence_seconds)


async def _read_report(process: Process, timeout_seconds: float) -> Report:
    """Return the child's next report, or raise `_Failed` when it died or took too long."""
    assert process.stdout is not None  # noqa: S101 - PIPE was asked for
    try:
        async with asyncio.timeout(timeout_seconds):
            line = await process.stdout.readline()
    except TimeoutError:
        raise _Failed(f"it gave no sign of life for {timeout_seconds:g} s") from None
    if not line:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_GRACE_SECONDS):
                await process.wait()
        raise _Failed("it died")
    return msgspec.json.decode(line, type=Report)


def _explain(reason: str, returncode: int | None) -> str:
    """Say what a person can do about it, where that is known."""
    if "libgomp" in reason:
        return f"{reason} (install libgomp: the package is libgomp1 on Debian and Ubuntu, libgomp on Fedora and Alpine)"
    if returncode == -signal.SIGKILL:
        return f"{reason}, killed from outside (SIGKILL): out of memory?"
    if returncode is not None and returncode < 0:
        return f"{reason} of signal {-returncode} ({signal.strsignal(-returncode)})"
    return reason


async def _end(process: Process) -> None:
    """End the child and wait for it: SIGTERM, then SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_GRACE_SECONDS):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _forward_log(process: Process, last_lines: deque[str]) -> None:
    """Log what the child prints and keep the last lines for an explanation."""
    assert process.stderr is not None  # noqa: S101 - PIPE was asked for
    while True:
        try:
            line = await process.stderr.readline()
        except ValueError:  # longer than the reader's buffer, which readline has now dropped
            continue
        if not line:
            return
        text = line.decode(errors="replace").strip()
        if text:
            level, text = _parse_line(text)
            last_lines.append(text)
            log.log(level, "local model", line=text)


def _parse_line(text: str) -> tuple[int, str]:
    """Split what llama.cpp puts before its lines (`0.01.371.133 E `: time, level) from the text."""
    if match := _LOG_PREFIX.match(text):
        return _LOG_LEVELS.get(match[1], logging.INFO), text[match.end() :]
    return logging.WARNING, text
