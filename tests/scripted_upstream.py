"""An upstream that does exactly what a test tells it to, byte for byte.

It listens on 127.0.0.1 and runs on an event loop of its own in a thread, so that sync and async tests use it alike.
What it does with a request is a script: a sequence of steps (`Send`, `Pause`, `Hold`, `Drop`, `Reset`). Scripts are
used up one a request; the last one stays.
"""

import asyncio
import json
import socket
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Self

from typing_extensions import override

DONE = b"data: [DONE]\n\n"
Fields = Iterable[tuple[str, str]]
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class Send:
    """Send bytes, `every` so many at a time (0: all at once)."""

    data: bytes
    every: int = 0


@dataclass(frozen=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


class Gate:
    """Something that a script waits for and a test opens."""

    def __init__(self) -> None:
        self._opened = threading.Event()

    def open(self) -> None:
        """Let scripts pass."""
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """Whether scripts pass."""
        return self._opened.is_set()


@dataclass(frozen=True)
class Hold:
    """Do nothing until the gate opens, or the peer leaves."""

    gate: Gate = field(default_factory=Gate)


@dataclass(frozen=True)
class Drop:
    """Close the connection."""


@dataclass(frozen=True)
class Reset:
    """Close the connection with a TCP reset."""


Step = Send | Pause | Hold | Drop | Reset
Script = Sequence[Step]


class Received:
    """One request, as it arrived."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.at = time.monotonic()
        self.closed_at: float | None = None
        self._closed = threading.Event()
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ", 2)
        self.headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    def note_closed(self) -> None:
        """Remember when the peer went."""
        if self.closed_at is None:
            self.closed_at = time.monotonic()
            self._closed.set()

    def wait_closed(self, timeout_seconds: float = _TIMEOUT_SECONDS) -> float:
        """Wait until the peer has closed this request's connection; return when that was, on the monotonic clock."""
        if not self._closed.wait(timeout_seconds) or self.closed_at is None:
            raise AssertionError(f"the connection was still open after {timeout_seconds} seconds")
        return self.closed_at


class _Connection(asyncio.Protocol):
    """One connection: requests in, scripts out, and an ear for the end."""

    def __init__(self, upstream: "ScriptedUpstream") -> None:
        self._upstream = upstream
        self._buffer = bytearray()
        self._news = asyncio.Event()
        self._current: Received | None = None
        self.is_closed = False

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError("not a stream")
        self.transport = transport
        self.serving = asyncio.get_running_loop().create_task(self._serve())
        self._upstream.note_connection(self)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._news.set()

    @override
    def eof_received(self) -> bool:
        self.connection_lost(None)
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        self._news.set()
        if self._current is not None:
            self._current.note_closed()

    async def _serve(self) -> None:
        while (request := await self._read_request()) is not None:
            self._current = request
            if self.is_closed:
                request.note_closed()
            for step in self._upstream.take(request):
                if self.is_closed:
                    return
                await self._do(step)
            if self.transport.is_closing():
                return

    async def _read_request(self) -> Received | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if not await self._more():
                return None
        head = bytes(self._buffer[:end])
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        while len(self._buffer) < end + 4 + length:
            if not await self._more():
                return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        return Received(head, body)

    async def _more(self) -> bool:
        self._news.clear()
        if self.is_closed:
            return False
        await self._news.wait()
        return True

    async def _do(self, step: Step) -> None:
        if isinstance(step, Send):
            size = step.every or max(len(step.data), 1)
            for start in range(0, len(step.data), size):
                self.transport.write(step.data[start : start + size])
                if step.every:
                    # Long enough for the bytes to leave as a packet of their own.
                    await asyncio.sleep(0.001)
        elif isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        elif isinstance(step, Hold):
            while not step.gate.is_open and not self.is_closed:  # noqa: ASYNC110 - the gate is opened in another thread
                await asyncio.sleep(0.005)
        elif isinstance(step, Drop):
            self.transport.close()
        else:
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()


class ScriptedUpstream:
    """The server; use it as a context manager, or `start` and `stop` it."""

    def __init__(self) -> None:
        self.port = 0
        self._lock = threading.Lock()
        self._scripts: list[Script] = []
        self._received: list[Received] = []
        self._connections: set[_Connection] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="scripted-upstream")
        self._started: Future[int] = Future()
        self._ended: asyncio.Event | None = None

    @property
    def base_url(self) -> str:
        """What goes into a provider's `base_url`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def received(self) -> list[Received]:
        """The requests that came since the last `reset`, in order."""
        with self._lock:
            return list(self._received)

    def script(self, *scripts: Script) -> None:
        """Set what is done with the next requests, one script each; the last one also with all that follow."""
        with self._lock:
            self._scripts = list(scripts)

    def reset(self) -> None:
        """Forget scripts and requests, and close every connection."""
        asyncio.run_coroutine_threadsafe(self._abort_all(), self._loop).result(_TIMEOUT_SECONDS)
        with self._lock:
            self._scripts, self._received = [], []

    def wait_received(self, count: int = 1, timeout_seconds: float = _TIMEOUT_SECONDS) -> Received:
        """Wait until so many requests have come; return the last of them."""
        deadline = time.monotonic() + timeout_seconds
        while len(self.received) < count:
            if time.monotonic() > deadline:
                raise AssertionError(f"{len(self.received)} requests came instead of {count}")
            time.sleep(0.002)
        return self.received[count - 1]

    def start(self) -> Self:
        """Listen."""
        self._thread.start()
        self.port = self._started.result(_TIMEOUT_SECONDS)
        return self

    def stop(self) -> None:
        """Close everything and wait for the thread."""
        if self._ended is not None:
            self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(_TIMEOUT_SECONDS)
        if self._thread.is_alive():
            raise AssertionError("the scripted upstream did not end")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def take(self, request: Received) -> Script:
        """Record a request and return what to do with it."""
        with self._lock:
            self._received.append(request)
            if not self._scripts:
                return json_reply({"error": {"message": "no script was set for this request"}}, status=500)
            return self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]

    def note_connection(self, connection: _Connection) -> None:
        """Remember a connection, to close it at the end."""
        with self._lock:
            self._connections = {known for known in self._connections if not known.is_closed} | {connection}

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        server = await self._loop.create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self._started.set_result(server.sockets[0].getsockname()[1])
        await self._ended.wait()
        server.close()
        await self._abort_all()

    async def _abort_all(self) -> None:
        for connection in self._connections:
            connection.transport.abort()
            connection.serving.cancel()
        await asyncio.gather(*(connection.serving for connection in self._connections), return_exceptions=True)


def reply(body: bytes, *, status: int = 200, headers: Fields = ()) -> list[Step]:
    """Answer with a body of known length and the headers given."""
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *(f"{name}: {value}" for name, value in headers)]
    return [Send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)]


def json_reply(value: object, *, status: int = 200, headers: Fields = ()) -> list[Step]:
    """Answer with JSON."""
    return reply(json.dumps(value).encode(), status=status, headers=[("content-type", "application/json"), *headers])


def error_reply(status: int, message: str = "nope", *, headers: Fields = (), **members: str | None) -> list[Step]:
    """Answer with an error in OpenAI's shape."""
    error = {"message": message, "type": None, "param": None, "code": None, **members}
    return json_reply({"error": error}, status=status, headers=headers)


def completion(content: str | None = "Hello.", *, finish_reason: str = "stop", **message: object) -> dict[str, Any]:
    """Return a plain chat completion."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **members: object) -> dict[str, Any]:
    """Return one chunk of a streamed chat completion with one choice."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "choices": [{"index": 0, "delta": delta or {}, "finish_reason": finish_reason}],
        **members,
    }


ROLE = chunk({"role": "assistant", "content": ""})
STOP = chunk({}, "stop")
USAGE = {
    **chunk(),
    "choices": [],
    "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
}


def event(value: object) -> bytes:
    """Frame a value as one server-sent event."""
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def chunked(data: bytes) -> bytes:
    """Frame bytes as one chunk of a chunked body (RFC 9112, 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"


def stream_head(headers: Fields = ()) -> Send:
    """Begin an answer that is a stream, in chunks."""
    lines = ["HTTP/1.1 200 OK", "content-type: text/event-stream", "transfer-encoding: chunked"]
    lines += [f"{name}: {value}" for name, value in headers]
    return Send("\r\n".join(lines).encode() + b"\r\n\r\n")


def stream_reply(*contents: str, headers: Fields = ()) -> list[Step]:
    """Stream a whole, well-behaved answer made of these pieces of content."""
    events = [ROLE, *(chunk({"content": content}) for content in contents), STOP, USAGE]
    return raw_stream(b"".join(map(event, events)) + DONE, headers=headers)


def raw_stream(data: bytes, *, every: int = 0, headers: Fields = ()) -> list[Step]:
    """Stream these bytes and end the body; `every`: so many at a time on the wire."""
    return [stream_head(headers), Send(chunked(data), every), Send(LAST_CHUNK)]


def open_stream(*events: dict[str, Any]) -> list[Step]:
    """Begin a stream with these events and leave it open."""
    return [stream_head(), *(Send(chunked(event(value))) for value in events)]
