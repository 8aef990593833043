"""Worker processes come when needed, queue fairly, and are all gone afterwards."""

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
import uvloop
from tests.integration.schema.test_hostile_schemas import chained_all_of

from aqueduct.errors import Draining, Overloaded
from aqueduct.gateway.schema.checker import SchemaChecker

HOSTILE = chained_all_of(60)
HARMLESS = chained_all_of(3)
INLINE = {"type": "integer"}


def is_running(pid: int) -> bool:
    """Whether the process exists and is no zombie that its new parent has yet to collect."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def environment_of(pid: int) -> bytes:
    return pathlib.Path(f"/proc/{pid}/environ").read_bytes()


def exists(pid: int) -> bool:
    """Whether the process id is taken, be it by a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what other processes bring about, looking every few milliseconds."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing signals that a process has ended
            await asyncio.sleep(0.005)


def wait_until_gone(pids: list[int], timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {pids}"
        time.sleep(0.02)


async def test_no_process_is_started_for_cheap_schemas_that_are_satisfied() -> None:
    checker = SchemaChecker()
    await checker.check_schema(INLINE)
    assert await checker.violation(INLINE, "1") is None
    assert "not JSON" in str(await checker.violation(INLINE, "one"))
    assert checker.worker_pids == []
    await checker.close()


async def test_one_worker_serves_callers_that_come_one_by_one(checker: SchemaChecker) -> None:
    for _ in range(5):
        assert await checker.violation(HARMLESS, "1") is None
    assert len(checker.worker_pids) == 1


async def test_no_more_workers_than_allowed_serve_callers_that_come_together() -> None:
    checker = SchemaChecker(workers=2)
    verdicts = await asyncio.gather(*(checker.violation(HARMLESS, str(i)) for i in range(40)))
    assert verdicts == [None] * 40
    assert len(checker.worker_pids) == 2
    pids = checker.worker_pids
    await checker.close()
    assert not any(exists(pid) for pid in pids)


async def test_every_caller_gets_the_verdict_on_its_own_answer(checker: SchemaChecker) -> None:
    texts = [str(i) if i % 3 else f'"{i}"' for i in range(60)]
    schemas = [{"$ref": "#/$defs/a", "$defs": {"a": {"maximum": i, "type": "integer"}}} for i in range(60)]
    verdicts = await asyncio.gather(*map(checker.violation, schemas, texts))
    assert [verdict is None for verdict in verdicts] == [i % 3 != 0 for i in range(60)]


async def test_the_deadline_counts_from_the_turn_and_the_line_is_first_come_first_served() -> None:
    checker = SchemaChecker(deadline_seconds=0.4, workers=1)
    order: list[int] = []

    async def ask(number: int, schema: dict[str, object]) -> str | None:
        verdict = await checker.violation(schema, "1")
        order.append(number)
        return verdict

    schemas = [HOSTILE, HARMLESS, HOSTILE, HARMLESS]
    verdicts = await asyncio.gather(*(ask(i, schema) for i, schema in enumerate(schemas)))
    assert [verdict is None for verdict in verdicts] == [False, True, False, True]
    assert order == [0, 1, 2, 3]
    await checker.close()


async def test_a_line_that_is_full_is_refused_at_once() -> None:
    checker = SchemaChecker(deadline_seconds=0.4, workers=1, queue_limit=2)
    asked = [asyncio.create_task(checker.violation(HOSTILE, "1")) for _ in range(3)]
    await asyncio.sleep(0)
    started = time.perf_counter()
    with pytest.raises(Overloaded):
        await checker.violation(HARMLESS, "1")
    with pytest.raises(Overloaded):
        await checker.check_schema(HARMLESS)
    assert time.perf_counter() - started < 0.2
    assert await checker.violation(INLINE, "1") is None
    await asyncio.gather(*asked)
    assert await checker.violation(HARMLESS, "1") is None
    await checker.close()


async def test_a_caller_that_is_cancelled_leaves_nothing_behind() -> None:
    checker = SchemaChecker(deadline_seconds=30, workers=1)
    assert await checker.violation(HARMLESS, "1") is None
    pids = checker.worker_pids
    running = asyncio.create_task(checker.violation(HOSTILE, "1"))
    waiting = asyncio.create_task(checker.violation(HOSTILE, "1"))
    await asyncio.sleep(0.1)
    for task in (waiting, running):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    wait_until_gone(pids, 2)
    assert await checker.violation(HARMLESS, "1") is None
    await checker.close()
    assert checker.worker_pids == []


async def test_a_caller_that_is_cancelled_while_its_worker_starts_leaves_nothing_behind() -> None:
    checker = SchemaChecker(workers=1)
    for delay_seconds in (0, 0.001, 0.01, 0.03):
        task = asyncio.create_task(checker.violation(HARMLESS, "1"))
        await asyncio.sleep(delay_seconds)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert await checker.violation(HARMLESS, "1") is None
    (pid,) = checker.worker_pids
    await checker.close()
    assert not exists(pid)


async def test_a_worker_killed_from_outside_is_replaced() -> None:
    checker = SchemaChecker()
    assert await checker.violation(HARMLESS, "1") is None
    (pid,) = checker.worker_pids
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not checker.worker_pids)
    assert await checker.violation(HARMLESS, "1") is None
    assert checker.worker_pids != [pid]
    await checker.close()


async def test_an_idle_worker_is_ended_and_collected() -> None:
    checker = SchemaChecker(idle_seconds=0.05)
    assert await checker.violation(HARMLESS, "1") is None
    (pid,) = checker.worker_pids
    await until(lambda: not exists(pid))
    assert await checker.violation(HARMLESS, "1") is None
    await checker.close()


async def test_close_ends_idle_busy_and_waiting_work_and_waits_for_the_processes() -> None:
    checker = SchemaChecker(deadline_seconds=30, workers=2)
    await asyncio.gather(*(checker.violation(HARMLESS, "1") for _ in range(4)))
    pids = checker.worker_pids
    asked = [asyncio.create_task(checker.violation(HOSTILE, "1")) for _ in range(4)]
    await asyncio.sleep(0.05)
    started = time.perf_counter()
    await checker.close()
    assert time.perf_counter() - started < 2
    assert not any(exists(pid) for pid in pids)
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, str | Draining)
    assert checker.worker_pids == []


def test_workers_run_on_uvloop_as_well() -> None:
    async def check() -> list[int]:
        checker = SchemaChecker(deadline_seconds=0.4)
        assert await checker.violation(HARMLESS, "1") is None
        assert "limits" in str(await checker.violation(HOSTILE, "1"))
        assert await checker.violation(HARMLESS, "1") is None
        pids = checker.worker_pids
        await checker.close()
        return pids

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pids = runner.run(check())
    assert not any(exists(pid) for pid in pids)


PARENT = """
import asyncio, sys
from aqueduct.gateway.schema.checker import SchemaChecker
from tests.integration.schema.test_hostile_schemas import chained_all_of

async def main():
    checker = SchemaChecker(deadline_seconds=30, workers=2)
    await asyncio.gather(*(checker.violation(chained_all_of(3), "1") for _ in range(10)))
    if sys.argv[1] == "busy":
        asked = [asyncio.create_task(checker.violation(chained_all_of(60), "1")) for _ in range(2)]
        await asyncio.sleep(0.1)
    print(*checker.worker_pids, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.mark.parametrize("state", ["idle", "busy"])
def test_workers_end_when_the_gateway_is_killed(state: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, state], stdout=subprocess.PIPE, text=True, cwd=pathlib.Path(__file__).parents[3]
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        parent.kill()
    wait_until_gone(pids, 5)


def test_a_worker_imports_nothing_that_it_does_not_need() -> None:
    listing = subprocess.run(
        [sys.executable, "-c", "import aqueduct.gateway.schema.worker, sys; print(*sys.modules)"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split()
    assert "jsonschema_rs" in listing
    assert {"asyncio", "msgspec", "structlog", "starlette", "aqueduct.errors"}.isdisjoint(listing)


async def test_a_worker_inherits_no_secret(checker: SchemaChecker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AQUEDUCT_SECRET_KEY", "do-not-tell")
    assert await checker.violation(HARMLESS, "1") is None
    (pid,) = checker.worker_pids
    assert b"do-not-tell" not in environment_of(pid)
