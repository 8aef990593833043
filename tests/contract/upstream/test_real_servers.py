"""The transport against servers that other people wrote."""

import asyncio
import json

from aqueduct.domain.http import Origin, Timeouts, UpstreamRequest
from aqueduct.upstream.transport import Transport

TIMEOUTS = Timeouts(connect_seconds=20, first_byte_seconds=60, idle_seconds=60, total_seconds=60)


async def ask(
    transport: Transport, origin: Origin, path: str, body: bytes = b"", method: str = "POST"
) -> tuple[int, bytes]:
    headers = ((b"content-type", b"application/json"),)
    response = await transport.send(UpstreamRequest(method, origin, path, headers, body), TIMEOUTS)
    try:
        return response.status, await response.read_all(100_000_000)
    finally:
        response.close()


async def test_bodies_of_every_size_come_back_as_they_went(transport: Transport, origin: Origin) -> None:
    for size in (0, 1, 1_000, 65_535, 65_536, 65_537, 300_000, 5_000_000):
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        assert await ask(transport, origin, "/echo", body) == (200, body)


async def test_a_stream_comes_whole(transport: Transport, origin: Origin) -> None:
    words = [b"word%d" % number for number in range(300)]
    for _ in range(3):
        assert await ask(transport, origin, "/stream", b" ".join(words)) == (
            200,
            b"".join(b"data: %b\n\n" % word for word in words),
        )


async def test_answers_without_a_body_leave_the_connection_in_order(transport: Transport, origin: Origin) -> None:
    for number in range(10):
        assert await ask(transport, origin, "/nothing") == (204, b"")
        assert await ask(transport, origin, "/echo", b"%d" % number) == (200, b"%d" % number)
        assert await ask(transport, origin, "/echo", method="HEAD") == (200, b"")
        assert await ask(transport, origin, "/missing", method="GET") == (404, b"none")


async def test_no_answer_is_mixed_up_under_load(transport: Transport, origin: Origin) -> None:
    async def worker(number: int) -> None:
        for count in range(40):
            nonce = b"%d-%d" % (number, count)
            if count % 10 == 3:  # leave in the middle of a stream
                request = UpstreamRequest("POST", origin, "/stream", (), b"x " * 500)
                response = await transport.send(request, TIMEOUTS)
                await response.read()
                response.close()
            elif count % 2:
                assert await ask(transport, origin, "/stream", nonce) == (200, b"data: %b\n\n" % nonce)
            else:
                assert await ask(transport, origin, "/echo", nonce) == (200, nonce)

    await asyncio.gather(*[worker(number) for number in range(20)])


async def test_a_server_that_closes_idle_connections_is_asked_again(transport: Transport, origin: Origin) -> None:
    """uvicorn closes after a second here, nginx after seven requests; nobody sees an error for it."""
    for pause in (0.0, 1.1, 0.0):
        await asyncio.sleep(pause)
        for number in range(9):
            assert await ask(transport, origin, "/echo", b"%d" % number) == (200, b"%d" % number)


async def test_a_refusal_of_a_large_request_is_heard(transport: Transport, origin: Origin) -> None:
    """nginx refuses more than 6 MB by its announced length and does not read it; uvicorn takes it."""
    status, _ = await ask(transport, origin, "/echo", b"x" * 8_000_000)
    assert status in {200, 413}
    assert await ask(transport, origin, "/echo", b"after") == (200, b"after")


class TestLlama:
    """llama.cpp's server, built on cpp-httplib."""

    @staticmethod
    def body(*, stream: bool) -> bytes:
        messages = [{"role": "user", "content": "Say hello."}]
        return json.dumps({"messages": messages, "max_tokens": 8, "stream": stream}).encode()

    async def test_a_plain_answer(self, transport: Transport, llama: Origin) -> None:
        for _ in range(2):
            status, answer = await ask(transport, llama, "/v1/chat/completions", self.body(stream=False))
            assert (status, json.loads(answer)["object"]) == (200, "chat.completion")

    async def test_a_stream(self, transport: Transport, llama: Origin) -> None:
        for _ in range(2):
            status, answer = await ask(transport, llama, "/v1/chat/completions", self.body(stream=True))
            assert status == 200
            assert answer.endswith(b"data: [DONE]\n\n")

    async def test_a_refusal(self, transport: Transport, llama: Origin) -> None:
        status, answer = await ask(transport, llama, "/v1/chat/completions", b"{")
        assert status >= 400
        assert "error" in json.loads(answer)

    async def test_leaving_a_stream_leaves_the_server_usable(self, transport: Transport, llama: Origin) -> None:
        request = UpstreamRequest("POST", llama, "/v1/chat/completions", (), self.body(stream=True))
        for _ in range(3):
            response = await transport.send(request, TIMEOUTS)
            assert await response.read()
            response.close()
        status, _ = await ask(transport, llama, "/v1/chat/completions", self.body(stream=False))
        assert status == 200
