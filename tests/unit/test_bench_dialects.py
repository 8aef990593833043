"""What the bench's mock upstream says in other providers' formats is what their adapters read."""

import re

import pytest
from bench.dialects import DIALECTS

from aqueduct.providers.registry import KINDS
from aqueduct.wire.chat import parse_chat

REQUEST = parse_chat(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}')


def unchunked(body: bytes) -> bytes:
    found = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        found, body = found + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return found


@pytest.mark.parametrize("kind", DIALECTS)
def test_a_stream_is_read_whole_an_event_a_piece(kind: str) -> None:
    dialect, operation = DIALECTS[kind], KINDS[kind].adapter["chat"]
    assert dialect.media_type.encode().startswith(operation.stream_type)
    reader = operation.stream_reader(REQUEST)
    events = reader.feed(unchunked(dialect.first + dialect.piece * 5 + dialect.last))
    events += [] if reader.is_done else reader.finish()
    assert reader.output_text() == " hello" * 5
    assert (reader.finish_reason, reader.units is not None) == ("stop", True)
    assert len([event for event in events if re.search(rb'"content":" hello"', event.payload)]) == 5
