"""What is kept of the streams that have passed; what is not is told of: rubbish in a line, a bug with its place."""

from collections.abc import Sequence
from typing import cast

import pytest
from structlog.testing import capture_logs
from tests.scripted_upstream import DONE, ROLE, STOP, chunk, event

from aqueduct.cache.memory import MemoryAnswers
from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.model import Provider, Target
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.cache.keeper import Keeper, Passed, make
from aqueduct.providers.openai_stream import OpenAIStreamReader
from aqueduct.wire.chat import parse_chat

SAID = b"".join(map(event, (ROLE, chunk({"content": "Hello."}), STOP)))
POLICY = CachePolicy(ttl_seconds=60, is_always=True, max_bytes=1000, version="1")


def passed(said: bytes, attempts: Sequence[object] = ()) -> Passed:
    return Passed(
        key="k",
        policy=POLICY,
        operation="chat",
        said=said,
        is_stream=True,
        finish_reason="stop",
        attempts=cast("Sequence[Attempt]", attempts),
        lead=None,
    )


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (passed(b"data: rubbish\n\n"), ("an answer was not kept", "warning", False)),
        (passed(b"", [object()]), ("bug", "error", True)),  # no attempt at all
    ],
)
async def test_rubbish_is_a_line_and_a_bug_has_its_traceback(answer: Passed, told: tuple[str, str, bool]) -> None:
    with capture_logs() as logs:
        await Keeper(MemoryAnswers(1_000_000)).keep(answer)
    assert [(each["event"], each["log_level"], "exc_info" in each) for each in logs] == [told]


@pytest.mark.parametrize(("end", "is_kept"), [(DONE, True), (b"", False)], ids=["said", "not said"])
def test_a_stream_is_kept_only_where_its_upstream_said_that_it_was_over(end: bytes, is_kept: bool) -> None:
    request = parse_chat(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}')
    attempt = Attempt(Target(provider=Provider(name="p", kind="openai"), model="m"), request)
    reader = attempt.reader = OpenAIStreamReader(wants_usage=False)
    reader.feed(SAID + end)
    reader.finish()
    assert reader.is_done  # whole enough for the client
    attempt.end(None)
    answer = Passed(
        key="k",
        policy=CachePolicy(ttl_seconds=60, max_bytes=10_000, is_always=True, version="1"),
        operation="chat",
        said=SAID + DONE,
        is_stream=True,
        finish_reason="stop",
        attempts=[attempt],
        lead=None,
    )
    assert (make(answer) is not None) is is_kept
