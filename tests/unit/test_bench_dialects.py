"""What the bench's mock upstream says in other providers' formats is what their adapters read."""

import re
from pathlib import Path

import pytest
from bench.dialects import DIALECTS
from bench.subjects import PASSED, adapters_config

from aqueduct.config.file import ConfigFile
from aqueduct.providers.registry import KINDS
from aqueduct.wire.chat import parse_chat

REQUEST = parse_chat(b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}')


def test_every_kind_has_a_model_in_the_config(tmp_path: Path) -> None:
    file = tmp_path / "bench.yaml"
    file.write_text(adapters_config().format(port=1))
    models = ConfigFile(file, {}, KINDS).load().models
    assert [(model.name, model.targets[0].provider.kind) for model in models] == [(k, k) for k in (PASSED, *DIALECTS)]


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
