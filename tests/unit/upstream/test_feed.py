"""What httptools does, and each of the things that it leaves to its caller."""

from collections.abc import Iterable

import pytest

from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.upstream.feed import ResponseFeed
from aqueduct.upstream.options import Limits

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def read(*pieces: bytes, is_head: bool = False, limits: Limits | None = None) -> ResponseFeed:
    feed = ResponseFeed(limits or Limits())
    feed.start(is_head=is_head)
    feed_all(feed, pieces)
    return feed


def feed_all(feed: ResponseFeed, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        feed.feed(piece)


WHOLE_ANSWERS = {
    "content-length": (OK + b"Content-Length: 5\r\nX-A: b\r\n\r\nhello", 200, b"hello"),
    "chunked": (CHUNKED + b"2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n", 200, b"hello"),
    "trailers": (CHUNKED + b"5\r\nhello\r\n0\r\nx-sum: 1\r\nx-more: 2\r\n\r\n", 200, b"hello"),
    "empty": (OK + b"content-length: 0\r\n\r\n", 200, b""),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
    "204 with a length": (b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n", 204, b""),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", 304, b""),
    "304 chunked": (b"HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", 304, b""),
    "after interim": (
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"
        + OK
        + b"content-length: 2\r\n\r\nhi",
        200,
        b"hi",
    ),
    "no reason": (b"HTTP/1.1 500\r\ncontent-length: 2\r\n\r\nno", 500, b"no"),
    "body of line ends": (OK + b"content-length: 4\r\n\r\n\r\n\r\n", 200, b"\r\n\r\n"),
}


@pytest.mark.parametrize("name", WHOLE_ANSWERS)
def test_an_answer_is_the_same_wherever_it_is_cut(name: str) -> None:
    answer, status, body = WHOLE_ANSWERS[name]
    cuts = [[answer], [answer[at : at + 1] for at in range(len(answer))]]
    cuts += [[answer[:at], answer[at:]] for at in range(1, len(answer))]
    feed = ResponseFeed(Limits())
    for pieces in cuts:  # one parser for all of them, as on a connection that is kept
        feed.start(is_head=False)
        for piece in pieces:
            assert not feed.is_whole
            feed.feed(piece)
        assert (feed.status, b"".join(feed.pieces)) == (status, body)
        assert feed.is_whole
        assert feed.keeps_alive
        assert not feed.is_surplus


def test_header_names_are_in_lower_case_and_in_order() -> None:
    feed = read(OK + b"X-One: 1\r\nx-TWO:  2 \r\nX-One: 3\r\ncontent-length: 0\r\n\r\n")
    assert feed.headers == ((b"x-one", b"1"), (b"x-two", b"2"), (b"x-one", b"3"), (b"content-length", b"0"))
    assert feed.by_name[b"x-one"] == b"1, 3"


def test_trailers_are_not_headers() -> None:
    feed = read(CHUNKED + b"0\r\nx-late: 1\r\n\r\n")
    assert feed.is_whole
    assert feed.headers == ((b"transfer-encoding", b"chunked"),)


class TestGapEndOfFile:
    """httptools has no `finish`: it takes the end of a file for nothing at all."""

    @pytest.mark.parametrize(
        "answer",
        [
            b"",
            b"HTTP/1.1 200",
            OK,
            b"HTTP/1.1 100 Continue\r\n\r\n",
            OK + b"content-length: 5\r\n\r\n",
            OK + b"content-length: 5\r\n\r\nhell",
            CHUNKED,
            CHUNKED + b"5\r\nhello\r\n",
            CHUNKED + b"5\r\nhello\r\n0\r\n",
            CHUNKED + b"5\r\nhello\r\n0\r\nx: y\r\n",
        ],
    )
    def test_an_early_end_is_not_taken_for_the_end(self, answer: bytes) -> None:
        feed = read(*([answer] if answer else []))
        assert feed.finish() is False
        assert not feed.is_whole

    def test_the_end_of_a_body_without_framing_is_its_end(self) -> None:
        feed = read(OK + b"\r\nhel", b"lo")
        assert not feed.is_whole
        assert feed.finish() is True
        assert feed.take() == b"hello"
        assert not feed.keeps_alive


class TestGapSurplus:
    """httptools takes bytes after an answer for the next answer."""

    @pytest.mark.parametrize("surplus", [b"H", b"x", OK, OK + b"content-length: 1\r\n\r\ny", b"\r\n", b"\n", b"\0"])
    @pytest.mark.parametrize(
        "answer",
        [
            OK + b"content-length: 2\r\n\r\nhi",
            OK + b"content-length: 0\r\n\r\n",
            CHUNKED + b"2\r\nhi\r\n0\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            OK + b"connection: close\r\ncontent-length: 2\r\n\r\nhi",
        ],
    )
    def test_surplus_bytes_are_noticed_and_never_part_of_the_answer(self, answer: bytes, surplus: bytes) -> None:
        feed = read(answer + surplus)
        assert feed.is_whole
        assert feed.is_surplus
        assert feed.status in {200, 204}
        assert feed.take() in {b"hi", b""}

    def test_a_body_after_head_is_surplus(self) -> None:
        feed = read(OK + b"content-length: 2\r\n\r\nhi", is_head=True)
        assert (feed.is_whole, feed.is_surplus, feed.pieces) == (True, True, [])


class TestGapContinue:
    """httptools calls `on_message_complete` after an interim answer, as it does after the real one."""

    def test_a_hundred_continue_is_not_the_answer(self) -> None:
        feed = read(b"HTTP/1.1 100 Continue\r\nx: y\r\n\r\n")
        assert (feed.status, feed.is_whole, feed.has_begun) == (0, False, True)
        feed.feed(OK + b"content-length: 2\r\n\r\nhi")
        assert (feed.status, feed.is_whole, feed.take()) == (200, True, b"hi")
        assert feed.headers == ((b"content-length", b"2"),)

    @pytest.mark.parametrize("framing", [b"content-length: 4", b"transfer-encoding: chunked"])
    @pytest.mark.parametrize("status", [b"100", b"103", b"199"])
    def test_an_interim_answer_with_a_body_is_refused(self, status: bytes, framing: bytes) -> None:
        with pytest.raises(UpstreamInvalidResponse):
            read(b"HTTP/1.1 %b X\r\n%b\r\n\r\n" % (status, framing))


class TestGapHeaders:
    """httptools collects headers without a bound."""

    LIMITS = Limits(header_bytes=1_000, header_count=10)

    @pytest.mark.parametrize("step", [1, 100, 100_000])
    @pytest.mark.parametrize(
        "start", [OK + b"x: ", OK + b"x", b"HTTP/1.1 200 ", CHUNKED + b"1;", CHUNKED + b"0\r\nx: "]
    )
    def test_a_line_without_end_is_refused_soon(self, start: bytes, step: int) -> None:
        feed = read(start, limits=self.LIMITS)
        with pytest.raises(UpstreamInvalidResponse):
            feed_all(feed, [b"a" * step] * (1_001 // step + 1))

    def test_too_many_bytes_of_headers_are_refused_when_they_come_at_once(self) -> None:
        head = OK + b"x: %b\r\ncontent-length: 0\r\n\r\n"
        assert read(head % (b"a" * 970), limits=self.LIMITS).is_whole
        with pytest.raises(UpstreamInvalidResponse, match="1000 bytes"):
            read(head % (b"a" * 1_000), limits=self.LIMITS)

    def test_too_many_headers_are_refused(self) -> None:
        head = OK + b"content-length: 0\r\n%b\r\n"
        assert read(head % (b"x: y\r\n" * 9), limits=self.LIMITS).is_whole
        with pytest.raises(UpstreamInvalidResponse, match="10 header fields"):
            read(head % (b"x: y\r\n" * 10), limits=self.LIMITS)

    def test_interim_answers_without_end_are_refused(self) -> None:
        feed = read(limits=self.LIMITS)
        with pytest.raises(UpstreamInvalidResponse):
            feed_all(feed, [b"HTTP/1.1 100 Continue\r\n\r\n"] * 100)

    def test_trailers_without_end_are_refused(self) -> None:
        feed = read(CHUNKED + b"5\r\nhello\r\n0\r\n", limits=self.LIMITS)
        with pytest.raises(UpstreamInvalidResponse):
            feed_all(feed, [b"x: y\r\n"] * 200)

    def test_a_large_body_behind_a_small_head_is_no_large_head(self) -> None:
        feed = read(OK + b"content-length: 100000\r\n\r\n" + b"a" * 50_000, b"b" * 50_000, limits=self.LIMITS)
        assert feed.is_whole

    def test_a_long_stream_of_small_chunks_is_no_large_head(self) -> None:
        feed = read(CHUNKED, limits=self.LIMITS)
        for _ in range(2_000):
            feed.feed(b"1\r\n")
            feed.feed(b"a\r\n")
        assert feed.take() == b"a" * 2_000


@pytest.mark.parametrize(
    "answer",
    [
        OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"content-length: 3\r\ncontent-length: 4\r\n\r\nabcd",
        OK + b"content-length: 3\r\ncontent-length: 3\r\n\r\nabc",
        OK + b"content-length: 3, 3\r\n\r\nabc",
        OK + b"content-length: -3\r\n\r\nabc",
        OK + b"content-length: +3\r\n\r\nabc",
        OK + b"content-length: 0x3\r\n\r\nabc",
        OK + b"content-length: \r\n\r\nabc",
        OK + b"content-length: 99999999999999999999\r\n\r\nabc",
        OK + b"content-length : 3\r\n\r\nabc",
        OK + b"transfer-encoding: gzip\r\n\r\nabc",
        OK + b"transfer-encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        OK + b"transfer-encoding: chunked, identity\r\n\r\nabc",
        OK + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        OK + b"transfer-encoding: xchunked\r\n\r\nabc",
        OK + b"a: b\r\n folded\r\ncontent-length: 0\r\n\r\n",
        OK + b" a: b\r\ncontent-length: 0\r\n\r\n",
        OK + b"a: b\ncontent-length: 0\r\n\r\n",
        OK + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n",
        OK + b"a: b\0c\r\ncontent-length: 0\r\n\r\n",
        OK + b": b\r\ncontent-length: 0\r\n\r\n",
        OK + b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
        CHUNKED + b"3\nabc\r\n0\r\n\r\n",
        CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3 \r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"g\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabc\r\n0\r\ncontent-length: 3\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 000 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 099 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 600 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 2000 X\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/0.9 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"http/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 0\r\n\r\n",
        b"<html>502 Bad Gateway</html>",
        b"\x16\x03\x01\x02\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
)
@pytest.mark.parametrize("is_bytewise", [False, True])
def test_what_could_be_read_in_two_ways_is_refused(answer: bytes, is_bytewise: bool) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read(*([answer[at : at + 1] for at in range(len(answer))] if is_bytewise else [answer]))


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nconnection: close, keep-alive\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi",
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ],
)
def test_a_connection_that_is_to_close_is_not_kept(head: bytes) -> None:
    feed = read(head)
    assert feed.is_whole
    assert feed.take() == b"hi"
    assert not feed.keeps_alive


def test_the_answer_to_head_has_no_body_and_its_connection_is_not_kept() -> None:
    feed = read(OK + b"content-length: 1000\r\n\r\n", is_head=True)
    assert feed.is_whole
    assert not feed.keeps_alive
