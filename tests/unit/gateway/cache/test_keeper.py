"""What is kept of the streams that have passed."""

import pytest
from tests.scripted_upstream import DONE, ROLE, STOP, chunk, event

from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.model import Provider, Target
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.cache.keeper import Passed, make
from aqueduct.providers.openai_stream import OpenAIStreamReader
from aqueduct.wire.chat import parse_chat

SAID = b"".join(map(event, (ROLE, chunk({"content": "Hello."}), STOP)))


@pytest.mark.parametrize(("end", "is_kept"), [(DONE, True), (b"", False)], ids=["said", "not said"])
def test_a_stream_is_kept_only_where_its_upstream_said_that_it_was_over(end: bytes, is_kept: bool) -> None:
    request = parse_chat(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}')
    attempt = Attempt(Target(provider=Provider(name="p", kind="openai"), model="m"), request)
    reader = attempt.reader = OpenAIStreamReader(wants_usage=False)
    reader.feed(SAID + end)
    reader.finish()
    assert reader.is_done  # whole enough for the client
    attempt.end(None)
    passed = Passed(
        key="k",
        policy=CachePolicy(ttl_seconds=60, max_bytes=10_000, is_always=True, version="1"),
        operation="chat",
        said=SAID + DONE,
        is_stream=True,
        finish_reason="stop",
        attempts=[attempt],
        lead=None,
    )
    assert (make(passed) is not None) is is_kept
