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
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import structlog
from typing_extensions import override

from aqueduct.domain.http import Origin
from aqueduct.local.parent import LOOPBACK, Report

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


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long a child may take; one that gave no sign of life for `silence_seconds` hangs."""

    beat_seconds: float = 2.0
    silence_seconds: float = 60.0
    start_timeout_seconds: float = 600.0
    ready_timeout_seconds: float = 60.0
    first_delay_seconds: float = 0.5
    longest_delay_seconds: float = 60.0


class Introduction(msgspec.Struct, frozen=True, kw_only=True):
    """What every child is told: the key to demand, whose child it is, and how often to give a sign of life."""

    api_key: str
    parent_pid: int
    beat_seconds: float


class Program(Protocol):
    """What a child runs; `label` and `name` are what errors call it, `failed` and `serves` what the log says of it."""

    module: str
    label: str
    failed: str
    serves: str
    name: str

    def problem(self) -> str | None:
        """Say what is wrong with what it needs, before a process is spent on it."""

    def config(self, introduction: Introduction) -> msgspec.Struct:
        """Return what the child is told."""


class _Failed(Exception):
    """The child could not start, died or went silent; the message says which."""


async def run_child(program: Program, timing: Timing, on_serving: Callable[[Endpoint], None]) -> str:
    """Run one child until it fails and return why; it is gone when this returns or is cancelled."""
    introduction = Introduction(
        api_key=secrets.token_urlsafe(32), parent_pid=os.getpid(), beat_seconds=timing.beat_seconds
    )
    # A session of its own keeps the terminal's signals away: the gateway drains before it ends the child.
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", program.module), stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    last_lines: deque[str] = deque(maxlen=5)
    reason = ""
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_forward_log(process, program.label, last_lines), name="child-log")
        try:
            await _attend(
                process, program.config(introduction), timing, lambda port: on_serving(_endpoint(port, introduction))
            )
        except _Failed as failure:
            reason = _explain(str(failure), process.returncode)
            with contextlib.suppress(ProcessLookupError):
                process.kill()  # it might not hear SIGTERM
        finally:
            await _end(process)
    return "; ".join([reason, *last_lines])


def _endpoint(port: int, introduction: Introduction) -> Endpoint:
    return Endpoint(Origin("http", LOOPBACK, port), introduction.api_key)


async def _attend(process: Process, config: msgspec.Struct, timing: Timing, on_serving: Callable[[int], None]) -> None:
    """Tell the child its config, wait until it serves, then listen to its signs of life until there are none."""
    assert process.stdin is not None  # noqa: S101 - PIPE was asked for
    process.stdin.write(msgspec.json.encode(config) + b"\n")
    first = await _read_report(process, timing.start_timeout_seconds)
    if first.address is None:
        raise _Failed(first.failure or "it reported no address")
    address = urlsplit(first.address)
    if address.hostname != LOOPBACK or address.port is None:
        raise _Failed("it does not listen on loopback")
    on_serving(address.port)
    while True:
        await _read_report(process, timing.silence_seconds)


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


async def _forward_log(process: Process, label: str, last_lines: deque[str]) -> None:
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
            log.log(level, label, line=text)


def _parse_line(text: str) -> tuple[int, str]:
    """Split what llama.cpp puts before its lines (`0.01.371.133 E `: time, level) from the text."""
    if match := _LOG_PREFIX.match(text):
        return _LOG_LEVELS.get(match[1], logging.INFO), text[match.end() :]
    return logging.WARNING, text
