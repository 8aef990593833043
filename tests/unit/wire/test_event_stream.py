"""AWS's framing, against AWS's own library reading and writing the same bytes."""

import struct
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.wire.event_stream import EventStreamMessage, EventStreamSplitter

names = st.text(min_size=1, max_size=20).filter(lambda name: 0 < len(name.encode()) < 256)
short = st.binary(max_size=40)


def number(kind: int, form: str, bits: int) -> st.SearchStrategy[bytes]:
    integers = st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    return integers.map(lambda value: bytes([kind]) + struct.pack(form, value))


values = st.one_of(
    st.sampled_from([b"\x00", b"\x01"]),
    number(2, ">b", 8),
    number(3, ">h", 16),
    number(4, ">i", 32),
    number(5, ">q", 64),
    number(8, ">q", 64),
    short.map(lambda value: b"\x06" + struct.pack(">H", len(value)) + value),
    st.text(max_size=40).map(lambda value: b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()),
    st.binary(min_size=16, max_size=16).map(lambda value: b"\x09" + value),
)
headers = st.dictionaries(names, values, max_size=4).map(
    lambda members: b"".join(bytes([len(name.encode())]) + name.encode() + value for name, value in members.items())
)


def frame(head: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", 16 + len(head) + len(payload), len(head))
    prelude += struct.pack(">I", crc32(prelude))
    return prelude + head + payload + struct.pack(">I", crc32(prelude + head + payload))


messages = st.builds(frame, headers, st.binary(max_size=200))


def read(pieces: list[bytes]) -> list[bytes]:
    splitter = EventStreamSplitter()
    found = [message for piece in pieces for message in splitter.feed(piece)] + splitter.finish()
    assert splitter.is_between_messages
    return found


@given(st.lists(messages, max_size=4), st.data())
def test_it_reads_what_awss_library_reads_wherever_the_bytes_are_cut(frames: list[bytes], data: st.DataObject) -> None:
    body = b"".join(frames)
    places = data.draw(st.lists(st.integers(0, len(body)), max_size=8).map(sorted))
    pieces = [body[start:end] for start, end in zip([0, *places], [*places, len(body)], strict=True)]
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    own = [(message.payload, message.headers) for message in buffer]
    found = [(bytes(each), each.headers) for each in read(pieces) if isinstance(each, EventStreamMessage)]
    assert found == own


@given(messages, st.data())
def test_one_wrong_bit_anywhere_is_refused_or_waits_for_ever(whole: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(UpstreamInvalidResponse):
        EventStreamSplitter().feed(bytes(flipped))


@given(st.binary(max_size=200))
def test_rubbish_is_refused_and_never_anything_else(data: bytes) -> None:
    splitter = EventStreamSplitter()
    try:
        found = splitter.feed(data)
        found += splitter.finish()
    except UpstreamInvalidResponse:
        return
    assert found == []


@given(st.binary(min_size=1, max_size=60), st.binary(max_size=20))
def test_rubbish_in_the_headers_is_refused_where_awss_library_cannot_read_it(head: bytes, payload: bytes) -> None:
    whole = frame(head, payload)
    try:
        (message,) = EventStreamSplitter().feed(whole)
    except UpstreamInvalidResponse:
        return
    buffer = EventStreamBuffer()
    buffer.add_data(whole)
    (own,) = list(buffer)
    assert isinstance(message, EventStreamMessage)
    assert message.headers == own.headers


def test_a_message_over_the_limit_is_refused_once_those_before_it_were_handed_over() -> None:
    small, large = frame(b"", b"a"), frame(b"", b"b" * 100)
    splitter = EventStreamSplitter(max_message_bytes=64)
    assert splitter.feed(small + large[:20]) == [b"a"]
    with pytest.raises(UpstreamInvalidResponse, match="larger"):
        splitter.feed(large[20:])
    with pytest.raises(UpstreamInvalidResponse, match="larger"):
        splitter.finish()


def test_lengths_that_contradict_each_other_are_refused() -> None:
    prelude = struct.pack(">II", 16, 4)
    with pytest.raises(UpstreamInvalidResponse, match="contradict"):
        EventStreamSplitter().feed(prelude + struct.pack(">I", crc32(prelude)) + bytes(4))


def test_a_header_is_found_by_its_name() -> None:
    (message,) = read([frame(b"\x01a\x07\x00\x01b\x01n\x00", b"{}")])
    assert isinstance(message, EventStreamMessage)
    assert (message.text("a"), message.text("n"), message.text("x")) == ("b", "", "")
