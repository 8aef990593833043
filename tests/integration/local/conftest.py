"""The embedded model as the tests use it: real, and ended by the fixture."""

import http.client
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from aqueduct.local import weights
from aqueduct.local.model import LocalModel, Options
from aqueduct.local.process import Endpoint

QUICK = Options(beat_seconds=0.2, silence_seconds=3.0, first_delay_seconds=0.1)


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    path = weights.find(tmp_path)
    assert path is not None
    return path


@pytest.fixture
async def model(model_path: Path) -> AsyncIterator[LocalModel]:
    model = LocalModel(model_path, QUICK)
    await model.start()
    yield model
    await model.close()


def post(endpoint: Endpoint, path: str, body: bytes, *, api_key: str | None = None) -> tuple[int, bytes]:
    """Send a request to the child and return status and body."""
    connection = http.client.HTTPConnection(endpoint.origin.host, endpoint.origin.port, timeout=240)
    key = endpoint.api_key if api_key is None else api_key
    try:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def chat(endpoint: Endpoint, **members: Any) -> Any:
    """Have a chat with the child itself."""
    body = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4, **members}
    status, answer = post(endpoint, "/v1/chat/completions", json.dumps(body).encode())
    assert status == 200, answer
    return json.loads(answer)


def children(pid: int) -> Iterator[int]:
    """Yield the processes of embedded models that a process has started (Linux)."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            if b"aqueduct.local.child" in Path(f"/proc/{child}/cmdline").read_bytes():
                yield int(child)
