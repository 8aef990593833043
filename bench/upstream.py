"""A mock OpenAI-compatible upstream that costs as little as possible, for measuring what sits in front of it.

A POST whose body has `"stream": true` gets CHUNKS server-sent events, the first at once and the others INTERVAL
seconds apart, then a usage chunk and `[DONE]`; any other gets one fixed answer of 0.9 kB. A request may choose its own
stream by the members `bench_chunks` and `bench_interval`. At the paths of other providers it answers as they do
(`dialects.py`). The port is printed when it listens.
"""

import argparse
import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any, cast

import httptools
import uvloop
from typing_extensions import override

from bench.dialects import DIALECTS, Dialect

CHUNK = {
    "id": "chatcmpl-AbC123",
    "object": "chat.completion.chunk",
    "created": 1741569952,
    "model": "gpt-4.1-2025-04-14",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
}
USAGE = {
    "prompt_tokens": 19,
    "completion_tokens": 10,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
    "completion_tokens_details": {
        "reasoning_tokens": 0,
        "audio_tokens": 0,
        "accepted_prediction_tokens": 0,
        "rejected_prediction_tokens": 0,
    },
}
MESSAGE: dict[str, Any] = {
    "role": "assistant",
    "content": "The answer is carried by the relay. " * 4,
    "refusal": None,
    "annotations": [],
}
ANSWER = json.dumps(
    {
        "id": "chatcmpl-AbC123",
        "object": "chat.completion",
        "created": 1741569952,
        "model": "gpt-4.1-2025-04-14",
        "choices": [{"index": 0, "message": MESSAGE, "logprobs": None, "finish_reason": "stop"}],
        "usage": USAGE,
        "service_tier": "default",
    }
).encode()
PLAIN_ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_mock\r\ncontent-length: %d\r\n\r\n"
    % len(ANSWER)
) + ANSWER
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nx-request-id: req_mock\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
LAST_BLOCK = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"

IS_STREAM = re.compile(rb'"stream":\s*true')
CHUNKS = re.compile(rb'"bench_chunks":\s*(\d+)')
INTERVAL = re.compile(rb'"bench_interval":\s*([\d.]+)')


def block(choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
    """Return one event as a block of a chunked body."""
    event = json.dumps({**CHUNK, "choices": choices, "usage": usage}, separators=(",", ":"))
    data = f"data: {event}\n\n".encode()
    return b"%x\r\n%s\r\n" % (len(data), data)


def choice(delta: dict[str, Any], finish_reason: str | None = None) -> list[dict[str, Any]]:
    """Return the `choices` of a chunk."""
    return [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]


FIRST_BLOCK = block(choice({"role": "assistant", "content": ""}))
PIECE = block(choice({"content": " hello"}))
END = block(choice({}, "stop")) + block([], USAGE) + LAST_BLOCK
LAST_CHUNK = b"0\r\n\r\n"


class Upstream(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, chunks: int, interval_seconds: float) -> None:
        self._chunks = chunks
        self._interval_seconds = interval_seconds
        self._body = self._path = b""
        self._streams: set[asyncio.Task[None]] = set()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._parser = httptools.HttpRequestParser(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        for stream in self._streams:
            stream.cancel()

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._body = self._path = b""

    def on_url(self, url: bytes) -> None:
        """Gather where it goes."""
        self._path += url

    def on_body(self, body: bytes) -> None:
        """Gather the body."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer."""
        path = self._path.partition(b"?")[0].decode()
        dialect = next((each for each in DIALECTS.values() if path.endswith(each.path)), None)
        if dialect is not None:
            self._start(self._tell(dialect))
            return
        if not IS_STREAM.search(self._body):
            self._transport.write(PLAIN_ANSWER)
            return
        chunks, interval = CHUNKS.search(self._body), INTERVAL.search(self._body)
        self._start(
            self._stream(
                int(chunks[1]) if chunks else self._chunks,
                float(interval[1]) if interval else self._interval_seconds,
            )
        )

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        stream = asyncio.get_running_loop().create_task(work)
        self._streams.add(stream)
        stream.add_done_callback(self._streams.discard)

    async def _tell(self, dialect: Dialect) -> None:
        """Stream as another provider does; a request that was translated says nothing of the shape it wants."""
        self._transport.write(dialect.head + dialect.first + dialect.piece)
        for _ in range(self._chunks - 1):
            await asyncio.sleep(self._interval_seconds)
            self._transport.write(dialect.piece)
        self._transport.write(dialect.last + LAST_CHUNK)

    async def _stream(self, chunks: int, interval_seconds: float) -> None:
        self._transport.write(STREAM_HEAD + FIRST_BLOCK + PIECE)
        for _ in range(chunks - 1):
            await asyncio.sleep(interval_seconds)
            self._transport.write(PIECE)
        self._transport.write(END)


async def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--interval", type=float, default=0.005, help="seconds between events")
    arguments = parser.parse_args()
    server = await asyncio.get_running_loop().create_server(
        lambda: Upstream(arguments.chunks, arguments.interval), "127.0.0.1", arguments.port, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
