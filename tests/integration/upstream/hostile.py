"""Fuzz cases for the transport, and a server that plays them: most answers are honest, the rest are anything but.

Every request has a nonce of its own, and every answer is full of the nonce of the request it belongs to. Whatever else
happens, no request may ever see the nonce of another.
"""

import asyncio
import os
import random
import re
import select
from collections.abc import Callable
from typing import cast

import msgspec
from typing_extensions import override

_STEP = 0x9E3779B97F4A7C15
_BACK = pow(_STEP, -1, 2**64)
_NONCE = re.compile(rb"n([0-9a-f]{16})\.")
_LINGER_SECONDS = 0.02
"""How long the server leaves a connection open on which an answer may never have become whole."""

HONEST = ("plain", "drop_if_reused", "close_after")
FAULTS = (
    "cut",
    "cut_rudely",
    "surplus_joined",
    "surplus_apart",
    "surplus_line_end",
    "idle_answer",
    "flip",
    "insert",
    "delete",
    "length_short",
    "length_long",
    "two_lengths",
    "two_framings",
    "bare_line_feeds",
    "silent_close",
    "rubbish",
    "upgrade",
    "early",
)
MANNERS = ("read_all",) * 6 + ("stream",) * 6 + ("leave", "unread", "cancel")


class Case(msgspec.Struct):
    """One request: what the server does with it and what its reader does.

    `body` is what an honest answer holds, None where the fault leaves that open; `whole_body` what it holds if it is
    taken for whole. `pieces` are written one by one.
    """

    index: int
    nonce: bytes
    method: str
    fault: str
    manner: str
    patience: int
    request_bytes: int
    pieces: list[bytes]
    status: int
    body: bytes | None
    whole_body: bytes | None
    is_closing: bool


def nonce_of(index: int, seed: int) -> bytes:
    """Return the nonce of a case."""
    return b"n%016x." % ((index * _STEP + seed) % 2**64)


def strangers(data: bytes, own: bytes, seed: int, count: int) -> list[int]:
    """Return the indices of other cases whose nonces are found in what a case was given."""
    found = {match for match in _NONCE.findall(data) if match != own[1:-1]}
    indices = [(int(match, 16) - seed) * _BACK % 2**64 for match in found]
    return [index for index in indices if index < count]


def make_case(index: int, seed: int, *, with_idle_answers: bool) -> Case:
    """Return the case with this index, the same one for the same seed."""
    rng = random.Random(seed * 1_000_003 + index)
    nonce = nonce_of(index, seed)
    fault = rng.choice(HONEST) if rng.random() < 0.6 else rng.choice(FAULTS)
    if fault == "idle_answer" and not with_idle_answers:
        fault = "surplus_apart"
    method = "HEAD" if rng.random() < 0.02 else "POST"
    head, body, payload, is_closing = _honest(rng, nonce, method)
    spoil = SPOILERS.get(fault)
    answer = head + payload if spoil is None else spoil(rng, head + payload)
    # Without framing, surplus bytes belong to the body, and a reset after an early answer cuts it short.
    is_honest = fault in HONEST or (fault.startswith(("surplus", "idle", "early")) and not is_closing)
    return Case(
        index=index,
        nonce=nonce,
        method=method,
        fault=fault,
        manner=rng.choice(MANNERS),
        patience=rng.randrange(6),
        request_bytes=300_000 if fault == "early" and rng.random() < 0.1 else rng.choice((0, 2, 60)),
        pieces=_cut(rng, answer),
        status=_status(head),
        body=body if is_honest else None,
        whole_body=body if is_honest or (fault in {"cut", "cut_rudely"} and not is_closing) else None,
        is_closing=is_closing or fault == "close_after",
    )


def _status(head: bytes) -> int:
    final = head.rpartition(b"HTTP/1.1 ")[2]
    return int(final[:3])


def _honest(rng: random.Random, nonce: bytes, method: str) -> tuple[bytes, bytes, bytes, bool]:
    """Return head, body, the body as it is framed, and whether the end of the connection ends it."""
    body = nonce * rng.choice((0, 1, 2, 3, 20, 200))
    framing = rng.choice(("length", "length", "chunked", "chunked", "close", "none"))
    status = rng.choice((204, 304)) if framing == "none" else rng.choice((200, 200, 200, 404, 500))
    lines = [b"HTTP/1.1 %d Status" % status, b"X-Nonce: %b" % nonce]
    payload = body
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    elif framing == "chunked":
        lines.append(b"Transfer-Encoding: chunked")
        payload = _chunked(rng, body, nonce)
    elif framing == "none":
        body = payload = b""
    if rng.random() < 0.1:
        lines.insert(1, b"X-Filler: %b" % (nonce * 30))
    head = b"\r\n".join(lines) + b"\r\n\r\n"
    if rng.random() < 0.1:
        head = b"HTTP/1.1 %b\r\nx-nonce: %b\r\n\r\n" % (rng.choice((b"100 Continue", b"103 Hints")), nonce) + head
    if method == "HEAD":
        body = payload = b""
    return head, body, payload, framing == "close"


def _chunked(rng: random.Random, body: bytes, nonce: bytes) -> bytes:
    framed = b""
    at = 0
    while at < len(body):
        size = rng.choice((1, 7, 18, 100, 1_000))
        piece = body[at : at + size]
        framed += b"%x%b\r\n%b\r\n" % (len(piece), b";a=b" if rng.random() < 0.05 else b"", piece)
        at += size
    return framed + b"0\r\n" + (b"x-trailer: %b\r\n" % nonce if rng.random() < 0.1 else b"") + b"\r\n"


def _flip(rng: random.Random, answer: bytes) -> bytes:
    spoiled = bytearray(answer)
    for _ in range(rng.randrange(1, 4)):
        spoiled[rng.randrange(len(answer))] = rng.choice(b"\r\n\0 :;0aX\x80\xff")
    return bytes(spoiled)


def _insert(rng: random.Random, answer: bytes) -> bytes:
    at = rng.randrange(len(answer))
    return answer[:at] + rng.choice((b"\r\n", b"\n", b"0", b"\0", b"\r\n\r\n", b" ")) + answer[at:]


def _delete(rng: random.Random, answer: bytes) -> bytes:
    at = rng.randrange(len(answer))
    return answer[:at] + answer[at + rng.randrange(1, 4) :]


def _put_first(line: bytes) -> Callable[[random.Random, bytes], bytes]:
    return lambda rng, answer: answer.replace(b"X-Nonce", line.replace(b"?", b"%d" % rng.randrange(99)) + b"X-Nonce", 1)


SPOILERS: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "cut": lambda rng, answer: answer[: rng.randrange(len(answer))],
    "cut_rudely": lambda rng, answer: answer[: rng.randrange(len(answer))],
    "silent_close": lambda _, __: b"",
    "flip": _flip,
    "insert": _insert,
    "delete": _delete,
    "length_short": lambda _, answer: answer.replace(b"Content-Length: ", b"Content-Length: 1\r\nX: ", 1),
    "length_long": lambda _, answer: answer.replace(b"Content-Length: ", b"Content-Length: 9", 1),
    "two_lengths": _put_first(b"Content-Length: ?\r\n"),
    "two_framings": _put_first(b"Transfer-Encoding: chunked\r\nContent-Length: ?\r\n"),
    "bare_line_feeds": lambda _, answer: answer.replace(b"\r\n", b"\n"),
    "rubbish": lambda rng, _: rng.randbytes(rng.randrange(1, 300)),
    "upgrade": lambda _, answer: b"HTTP/1.1 101 X\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n" + answer,
}
"""What the server sends in place of an honest answer."""


def _cut(rng: random.Random, answer: bytes) -> list[bytes]:
    if rng.random() < 0.6 or len(answer) < 2:
        return [answer] if answer else []
    if rng.random() < 0.1 and len(answer) < 200:
        return [answer[at : at + 1] for at in range(len(answer))]
    cuts = sorted(rng.randrange(1, len(answer)) for _ in range(rng.randrange(1, 5)))
    return [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True) if start < end]


class HostileServer(asyncio.Protocol):
    """Plays the case that each request names in its path."""

    def __init__(self, cases: dict[bytes, Case]) -> None:
        self._cases = cases
        self._buffer = b""
        self._served = 0
        self._case: Case | None = None
        self._rest: list[bytes] = []
        self._lingering: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if self._lingering is not None:
            self._lingering.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._case is not None:
            return
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        case = self._cases.get(head.split(b" ", 2)[1][1:])
        if case is None:  # whoever asked was cancelled
            self._transport.abort()
            return
        length = int(head.rpartition(b"content-length: ")[2]) if case.method == "POST" else 0
        if case.fault != "early" and len(rest) < length:
            return
        self._buffer = rest[length:] if case.fault != "early" else b""
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._begin(case)

    def _begin(self, case: Case) -> None:
        self._case = case
        self._served += 1
        if case.fault == "silent_close" or (case.fault == "drop_if_reused" and self._served > 1):
            self._transport.abort()
            return
        self._rest = case.pieces[::-1]
        self._go_on()

    def _go_on(self) -> None:
        if self._transport.is_closing():
            return
        if self._rest:
            self._transport.write(self._rest.pop())
        if self._rest:
            self._loop.call_soon(self._go_on)
            return
        case = self._case
        assert case is not None
        self._finish(case)

    def _finish(self, case: Case) -> None:
        surplus = b"HTTP/1.1 200 OK\r\nx-nonce: %b\r\ncontent-length: 18\r\n\r\n%b" % (case.nonce, case.nonce)
        match case.fault:
            case "surplus_joined" | "surplus_apart":
                self._transport.write(surplus)
            case "surplus_line_end":
                self._transport.write(b"\r\n")
            case "idle_answer":
                self._loop.call_later(0.001 * case.patience, self._answer_unasked, surplus, self._served)
            case "cut_rudely":
                self._transport.abort()
            case "cut" | "rubbish":
                self._transport.close()
        if case.is_closing:
            self._transport.close()
        self._case = None
        if self._buffer and not self._transport.is_closing():
            self.data_received(b"")
        elif case.fault not in HONEST:
            self._lingering = self._loop.call_later(_LINGER_SECONDS, self._transport.abort)

    def _answer_unasked(self, surplus: bytes, served: int) -> None:
        """Send an answer that nobody asked for, unless somebody has asked since: nobody could tell the two apart."""
        if self._transport.is_closing() or self._served != served or self._buffer:
            return
        fd = self._transport.get_extra_info("socket").fileno()
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        if not poller.poll(0):
            os.write(fd, surplus)
