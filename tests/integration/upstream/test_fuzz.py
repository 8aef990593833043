"""Never an answer mixed up between requests, whatever the upstream does.

`AQUEDUCT_FUZZ_CASES` says how many cases there are (both loops together), `AQUEDUCT_FUZZ_SEED` which.
"""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import cast

import pytest
import uvloop
from tests.integration.upstream.hostile import Case, HostileServer, make_case, strangers

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.errors import UpstreamError
from aqueduct.upstream.connection import UpstreamResponse
from aqueduct.upstream.options import Limits, TransportOptions
from aqueduct.upstream.transport import Transport

CASES = int(os.environ.get("AQUEDUCT_FUZZ_CASES", "20000"))
WORKERS = 32
CONNECTIONS = 24
TIMEOUTS = Timeouts(connect_seconds=20, first_byte_seconds=20, idle_seconds=20, total_seconds=30)


class Fuzz:
    """One run: workers that share a transport, and a server in the same loop."""

    def __init__(self, seed: int, count: int, *, with_idle_answers: bool) -> None:
        self.seed = seed
        self.count = count
        self.with_idle_answers = with_idle_answers
        self.outcomes: Counter[str] = Counter()
        self.cases: dict[bytes, Case] = {}
        self.transport = Transport(
            TransportOptions(limits=Limits(connections_per_origin=CONNECTIONS, buffer_bytes=2_000))
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._fail_on_error)
        server = await loop.create_server(lambda: HostileServer(self.cases), "127.0.0.1", 0)
        origin = Origin("http", "127.0.0.1", server.sockets[0].getsockname()[1])
        indices = iter(range(self.count))
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(self._work(origin, indices))
        await self._find_every_place(origin)
        await self.transport.close()
        server.close()
        await server.wait_closed()

    def _fail_on_error(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.outcomes[f"ERROR {context}"] += 1

    async def _work(self, origin: Origin, indices: Iterator[int]) -> None:
        for index in indices:
            case = make_case(index, self.seed, with_idle_answers=self.with_idle_answers)
            self.cases[case.nonce] = case
            if case.manner == "cancel":
                task = asyncio.ensure_future(self._play(case, origin))
                for _ in range(case.patience * 2):
                    await asyncio.sleep(0)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                if not task.cancelled() and task.exception() is not None:
                    raise cast("BaseException", task.exception())
            else:
                await self._play(case, origin)
            del self.cases[case.nonce]

    async def _play(self, case: Case, origin: Origin) -> None:
        body = b"x" * case.request_bytes if case.method == "POST" else b""
        request = UpstreamRequest(case.method, origin, "/" + case.nonce.decode(), (), body)
        response: UpstreamResponse | None = None
        received: list[bytes] = []
        is_whole = False
        failure = ""
        try:
            response = await self.transport.send(request, TIMEOUTS)
            is_whole = await self._read(case, response, received)
        except UpstreamError as error:
            failure = type(error).__name__
        finally:
            if response is not None:
                response.close()
            self._judge(case, response, b"".join(received), is_whole=is_whole, failure=failure)

    @staticmethod
    async def _read(case: Case, response: UpstreamResponse, received: list[bytes]) -> bool:
        if case.manner == "unread":
            return False
        if case.manner == "leave":
            received.append(await response.read())
            return False
        if case.index % 2:

            def take(data: bytes) -> bool:
                received.append(data)
                return len(received) % (case.patience + 2) > 0  # now and then, have enough for the moment

            has_ended = False
            while not has_ended:
                has_ended = await response.flow(take)
            return True
        while data := await response.read():
            received.append(data)
            if case.manner == "stream" and case.patience == 0:
                await asyncio.sleep(0)
        return True

    def _judge(
        self, case: Case, response: UpstreamResponse | None, body: bytes, *, is_whole: bool, failure: str
    ) -> None:
        where = f"seed {self.seed}, case {case.index} of {self.count}: {case}"
        self.outcomes[failure or ("whole" if is_whole else "left")] += 1
        seen = body
        if response is not None:
            seen += b"".join(name + value + b" " for name, value in response.headers)
        assert not strangers(seen, case.nonce, self.seed, self.count), f"an answer was mixed up; {where}"
        if is_whole and case.whole_body is not None:
            assert body == case.whole_body, where
        if case.body is None:
            return
        assert not failure, f"{failure} for an honest answer; {where}"
        if response is not None:
            assert response.status == case.status, where
            assert response.header(b"x-nonce") == case.nonce, where
        assert case.body.startswith(body), where

    async def _find_every_place(self, origin: Origin) -> None:
        """Check that no connection and no place in the pool was lost on the way."""
        held = []
        for index in range(self.count, self.count + CONNECTIONS):
            case = make_case(index, self.seed, with_idle_answers=False)
            case.fault, case.pieces = "plain", [b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"]
            self.cases[case.nonce] = case
            request = UpstreamRequest(case.method, origin, "/" + case.nonce.decode(), ())
            held.append(await self.transport.send(request, TIMEOUTS))
        for response in held:
            response.close()


@pytest.mark.parametrize(
    ("loop_factory", "with_idle_answers"),
    [
        pytest.param(asyncio.new_event_loop, True, id="asyncio"),
        # uvloop writes at the end of an iteration, so that the server cannot see that a request is on its way already.
        pytest.param(uvloop.new_event_loop, False, id="uvloop"),
    ],
)
def test_no_answer_is_ever_mixed_up(
    loop_factory: Callable[[], asyncio.AbstractEventLoop], with_idle_answers: bool
) -> None:
    seed = int(os.environ.get("AQUEDUCT_FUZZ_SEED") or random.SystemRandom().randrange(2**32))
    print(f"AQUEDUCT_FUZZ_SEED={seed} AQUEDUCT_FUZZ_CASES={CASES}")  # noqa: T201  shown when the test fails
    fuzz = Fuzz(seed, CASES // 2, with_idle_answers=with_idle_answers)
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(fuzz.run())
    print(dict(fuzz.outcomes))  # noqa: T201  shown when the test fails
    assert not [outcome for outcome in fuzz.outcomes if outcome.startswith("ERROR")], fuzz.outcomes
    assert fuzz.outcomes["whole"] > fuzz.count * 0.5
    for outcome in ("left", "UpstreamUnreachable", "UpstreamInvalidResponse"):
        assert fuzz.outcomes[outcome] > fuzz.count * 0.02
