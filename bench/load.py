"""A load generator for OpenAI-compatible chat completions that costs little and checks what it gets.

Opens CONNECTIONS keep-alive connections to 127.0.0.1:PORT, one after another over RAMP seconds, and sends REQUESTS
requests on each, one after another. Prints one JSON object: see `Result`.
"""

import argparse
import asyncio
import dataclasses
import json
import time
from typing import Any, cast

import httptools
import uvloop
from typing_extensions import override


@dataclasses.dataclass(kw_only=True)
class Result:
    """What the load generator saw; durations in milliseconds, `seconds` from the first request to the last answer."""

    answers: int = 0
    failures: int = 0
    events: int = 0
    seconds: float = 0.0
    first_byte_p50_ms: float = 0.0
    first_byte_p99_ms: float = 0.0
    total_p50_ms: float = 0.0
    total_p99_ms: float = 0.0


class Load:
    """What all connections share: the request and the tally."""

    def __init__(self, request: bytes, is_stream: bool) -> None:
        self.request = request
        self.is_stream = is_stream
        self.result = Result()
        self.first_bytes: list[float] = []
        self.totals: list[float] = []

    def take(self, status: int, tail: bytes, first_byte: float, total: float) -> None:
        """Count one answer; one that is not whole is a failure."""
        is_whole = tail.endswith(b"data: [DONE]\n\n") if self.is_stream else tail.rstrip().endswith(b"}")
        if status == 200 and is_whole:
            self.result.answers += 1
            self.first_bytes.append(first_byte)
            self.totals.append(total)
        else:
            self.result.failures += 1


class Client(asyncio.Protocol):
    """One connection, sending request after request."""

    def __init__(self, load: Load, requests: int) -> None:
        self._load = load
        self._left = requests
        self._tail = b""
        self._started_at = self._first_byte_at = 0.0
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        self._send()

    def _send(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._tail = b""
        self._first_byte_at = 0.0
        self._started_at = time.perf_counter()
        self._transport.write(self._load.request)

    @override
    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Note the time of the first byte, count events, keep the end."""
        if not self._first_byte_at:
            self._first_byte_at = time.perf_counter()
        self._load.result.events += body.count(b"data: ")
        self._tail = (self._tail + body)[-64:]

    def on_message_complete(self) -> None:
        """Count the answer and send the next request."""
        now = time.perf_counter()
        first_byte = (self._first_byte_at or now) - self._started_at
        self._load.take(self._parser.get_status_code(), self._tail, first_byte, now - self._started_at)
        self._left -= 1
        if self._left and self._parser.should_keep_alive():
            asyncio.get_running_loop().call_soon(self._send)
        else:
            self._transport.close()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._load.result.failures += self._left
        self.finished.set_result(None)


def build_request(arguments: argparse.Namespace) -> bytes:
    """Return the one request that is sent over and over."""
    body: dict[str, Any] = {
        "model": arguments.model,
        "messages": [
            {"role": "system", "content": "You are a helpful assistant."},
            {"role": "user", "content": "Write me a short poem!"},
        ],
        "temperature": 0.7,
        "max_tokens": 128,
    }
    if arguments.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if arguments.chunks:
        body |= {"bench_chunks": arguments.chunks, "bench_interval": arguments.interval}
    data = json.dumps(body, separators=(",", ":")).encode()  # as the official clients write it
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:{arguments.port}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {arguments.token}\r\ncontent-length: {len(data)}\r\n\r\n"
    )
    return head.encode() + data


def quantile(seconds: list[float], share: float) -> float:
    """Return a quantile in milliseconds, 0 of nothing."""
    ordered = sorted(seconds)
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3) if ordered else 0.0


async def run(load: Load, port: int, connections: int, requests: int, ramp_seconds: float) -> Result:
    """Put the load on, and return what came of it."""
    loop = asyncio.get_running_loop()
    started_at = time.perf_counter()
    clients = []
    for number in range(connections):
        due_in = number * ramp_seconds / connections - (time.perf_counter() - started_at)
        if due_in > 0:
            await asyncio.sleep(due_in)
        _, client = await loop.create_connection(lambda: Client(load, requests), "127.0.0.1", port)
        clients.append(client)
    await asyncio.gather(*(client.finished for client in clients))
    result = load.result
    result.seconds = round(time.perf_counter() - started_at, 3)
    result.first_byte_p50_ms, result.first_byte_p99_ms = (
        quantile(load.first_bytes, 0.5),
        quantile(load.first_bytes, 0.99),
    )
    result.total_p50_ms, result.total_p99_ms = quantile(load.totals, 0.5), quantile(load.totals, 0.99)
    return result


def main() -> None:
    """Run as `python -m bench.load`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--token", default="none")
    parser.add_argument("--model", default="bench")
    parser.add_argument("--stream", action="store_true")
    parser.add_argument("--chunks", type=int, default=0, help="events of a stream, where the mock upstream answers")
    parser.add_argument("--interval", type=float, default=0.005, help="seconds between them")
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--requests", type=int, default=1000, help="on each connection")
    parser.add_argument("--ramp", type=float, default=0.0, help="seconds over which the connections are opened")
    arguments = parser.parse_args()
    load = Load(build_request(arguments), arguments.stream)
    result = uvloop.run(run(load, arguments.port, arguments.connections, arguments.requests, arguments.ramp))
    print(json.dumps(dataclasses.asdict(result)))


if __name__ == "__main__":
    main()
