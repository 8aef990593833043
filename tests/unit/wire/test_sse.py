import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import InsufficientQuota, UpstreamInvalidResponse
from aqueduct.wire.sse import DONE, DONE_PAYLOAD, KEEPALIVE, NamedEvent, SseSplitter, encode_error_event, encode_event


def events(*chunks: bytes) -> list[bytes]:
    splitter = SseSplitter()
    return [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.finish()


def named(stream: bytes) -> list[tuple[bytes, bytes]]:
    return [(event.name if isinstance(event, NamedEvent) else b"", bytes(event)) for event in events(stream)]


def read_slowly(stream: bytes) -> list[tuple[bytes, bytes]]:
    """The events of a whole stream, character by character as the standard has it (and a last one left open)."""
    lines, line, position = [], bytearray(), 3 if stream.startswith(b"\xef\xbb\xbf") else 0
    while position < len(stream):
        byte = stream[position : position + 1]
        position += 1
        if byte not in (b"\r", b"\n"):
            line += byte
            continue
        if byte == b"\r" and stream[position : position + 1] == b"\n":
            position += 1
        lines.append(bytes(line))
        line.clear()
    found, data, name = [], [], b""
    for text in [*lines, bytes(line), b""]:
        field, _, value = text.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
        elif text == b"":
            if data:
                found.append((b"" if name == b"message" else name, b"\n".join(data)))
            data, name = [], b""
    return found


def test_events_come_out_as_their_data() -> None:
    assert events(b'data: {"a":1}\n\ndata: {"b":2}\n\ndata: [DONE]\n\n') == [b'{"a":1}', b'{"b":2}', DONE_PAYLOAD]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_end_in_each_of_three_ways(end: bytes) -> None:
    assert events(b"data: a" + end + b"data: b" + end + end + b"data: c" + end + end) == [b"a\nb", b"c"]


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"])
def test_other_separators_are_content(separator: str) -> None:
    payload = f'{{"content":"a{separator}b"}}'.encode()
    assert events(b"data: " + payload + b"\n\n") == [payload]


def test_only_one_space_is_taken_off() -> None:
    assert events(b"data:a\n\ndata:  b\n\ndata: \n\ndata\n\n") == [b"a", b" b", b"", b""]


def test_comments_ids_and_retry_times_are_left_out() -> None:
    assert events(b": hello\n\nid: 5\nretry: 10\n\n: x\ndata: a\nid: 6\n\n:\n\n") == [b"a"]


def test_a_named_event_says_its_name() -> None:
    stream = b"event: error\ndata: {}\n\nevent: message\ndata: a\n\ndata: b\nevent: ping\n\nevent: lost\n\ndata: c\n\n"
    assert named(stream) == [(b"error", b"{}"), (b"", b"a"), (b"ping", b"b"), (b"", b"c")]


def test_a_byte_order_mark_is_left_out_however_it_is_cut() -> None:
    stream = b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"
    assert events(stream) == [b"a"]
    assert events(*(bytes([byte]) for byte in stream)) == [b"a"]


def test_the_last_event_needs_no_blank_line() -> None:
    assert events(b"data: a\n\ndata: [DONE]") == [b"a", DONE_PAYLOAD]
    assert events(b"data: a\n\ndata: [DONE]\n") == [b"a", DONE_PAYLOAD]
    assert events(b"data: a\n\n: bye") == [b"a"]


def test_an_event_comes_out_as_soon_as_it_is_whole() -> None:
    splitter = SseSplitter()
    assert splitter.feed(b"data: a\r\n") == []
    assert splitter.feed(b"\r") == [b"a"]
    assert splitter.feed(b"\ndata: b\n\nda") == [b"b"]
    assert splitter.feed(b"ta: c\n") == []
    assert splitter.feed(b"\n") == [b"c"]
    assert splitter.finish() == []


lines = st.one_of(
    st.sampled_from(
        [b"", b"", b"data: {}", b"data", b"data:", b":", b": c", b"event: error", b"event", b"id: 1", b"data: [DONE]"]
    ),
    st.builds(b"data: %b".__mod__, st.text(alphabet='aé\u2028"{ :', max_size=5).map(str.encode)),
    st.binary(max_size=4),
)
streams = st.builds(
    bytes.__add__,
    st.sampled_from([b"", b"", b"\xef\xbb\xbf", b"\xef", b"\xef\xbb"]),
    st.lists(st.builds(bytes.__add__, lines, st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"])), max_size=12).map(
        b"".join
    ),
)


@given(streams)
def test_a_stream_has_the_events_that_a_slow_reader_finds(stream: bytes) -> None:
    assert named(stream) == read_slowly(stream)


@given(streams, st.data())
def test_any_cut_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    assert events(*(stream[a:b] for a, b in pairwise([0, *cuts, len(stream)]))) == events(stream)


@given(streams)
def test_bytes_one_by_one_give_the_same_events(stream: bytes) -> None:
    assert events(*(bytes([byte]) for byte in stream)) == events(stream)


@pytest.mark.parametrize("ending", [b"", b"\n", b"\n\n"])
def test_an_event_too_large_is_refused_after_those_before_it(ending: bytes) -> None:
    splitter = SseSplitter(max_event_bytes=100)
    assert splitter.feed(b"data: a\n\ndata: " + b"x" * 100 + ending) == [b"a"]
    with pytest.raises(UpstreamInvalidResponse):
        splitter.finish() if ending == b"" else splitter.feed(b"data: b\n\n")


def test_an_event_too_large_is_refused_before_it_is_whole() -> None:
    splitter = SseSplitter(max_event_bytes=1000)
    for _ in range(10):
        assert splitter.feed(b"x" * 100) == []
    with pytest.raises(UpstreamInvalidResponse):
        splitter.feed(b"x")
    with pytest.raises(UpstreamInvalidResponse):
        SseSplitter(max_event_bytes=5).feed(b"data: abc\n\n")


def test_an_event_is_framed_so_that_it_is_read_back() -> None:
    assert encode_event(b'{"a":1}') == b'data: {"a":1}\n\n'
    payload = b'{\n  "a": 1\n}'
    assert events(encode_event(payload) + KEEPALIVE + DONE) == [payload.replace(b"\n", b" "), DONE_PAYLOAD]
    assert encode_event(payload).count(b"data: ") == 1


def test_an_error_event_is_one_event_in_the_shape_of_every_error() -> None:
    (event,) = events(encode_error_event(InsufficientQuota("The budget is used up.")))
    assert json.loads(event) == {
        "error": {
            "message": "The budget is used up.",
            "type": "insufficient_quota",
            "param": None,
            "code": "insufficient_quota",
        }
    }
