"""Real traffic of providers, recorded; read from where it lies, never copied into the project.

`AQUEDUCT_RECORDINGS` says where (default: `../shared/recordings` beside the project). Where it is absent the tests that
need it say plainly that they were skipped: a test takes its exchanges from `exchanges` as its parameters.
"""

import base64
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from hypothesis import strategies as st

_ROOT = Path(os.environ.get("AQUEDUCT_RECORDINGS", Path(__file__).parents[2] / "shared" / "recordings"))
_REASON = f"no recorded traffic at {_ROOT}: set AQUEDUCT_RECORDINGS"


class _Loader(yaml.CSafeLoader):
    """Reads a cassette: Ruby writes a binary body in base64, under a tag of its own."""


_Loader.add_constructor("!binary", lambda loader, node: base64.b64decode(str(node.value)))


@dataclass(frozen=True)
class Recorded:
    """One request and its answer, as they were; header names in lower case."""

    name: str
    method: str
    url: str
    request_headers: tuple[tuple[str, str], ...]
    request: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The URL's path, without the query."""
        return urlsplit(self.url).path

    @property
    def media_type(self) -> str:
        """The answer's content type, without parameters."""
        return dict(self.headers).get("content-type", "").partition(";")[0].strip().lower()

    @property
    def is_stream(self) -> bool:
        """Whether the answer is a stream, of server-sent events or AWS's own framing."""
        return self.media_type in ("text/event-stream", "application/vnd.amazon.eventstream")


def exchanges(*providers: str, where: Callable[[Recorded], bool] = lambda _: True) -> list[Any]:
    """Return the providers' exchanges as parameters of a test, one skipped with the reason if there are none."""
    found = [exchange for provider in providers for exchange in read_provider(provider) if where(exchange)]
    if not found:
        return [pytest.param(None, marks=pytest.mark.skip(reason=_REASON), id="absent")]
    return [pytest.param(exchange, id=exchange.name) for exchange in found]


def cuts(body: bytes, most: int = 12) -> st.SearchStrategy[list[bytes]]:
    """Return a strategy of the body in pieces, cut anywhere, inside a character too."""
    places = st.lists(st.integers(0, len(body)), max_size=most, unique=True).map(sorted)
    return places.map(
        lambda at: [body[start:end] for start, end in zip([0, *at], [*at, len(body)], strict=True) if end > start]
    )


@cache
def read_provider(provider: str) -> tuple[Recorded, ...]:
    """Return all exchanges of a provider, in order of their files; none where the recordings are absent."""
    files = sorted((_ROOT / provider).glob("*.yml"))
    return tuple(exchange for file in files for exchange in _read(file, provider))


def _read(file: Path, provider: str) -> Iterator[Recorded]:
    document = yaml.load(file.read_bytes(), Loader=_Loader)  # a safe loader, with one more tag
    for number, interaction in enumerate(document["http_interactions"]):
        request, response = interaction["request"], interaction["response"]
        yield Recorded(
            name=f"{provider}/{file.stem}/{number}",
            method=request["method"].upper(),
            url=request["uri"],
            request_headers=_headers(request["headers"]),
            request=_body(request["body"]),
            status=response["status"]["code"],
            headers=_headers(response["headers"]),
            body=_body(response["body"]),
        )


def _headers(members: dict[str, list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), str(value)) for name, values in members.items() for value in values)


def _body(member: dict[str, Any]) -> bytes:
    text = member.get("string") or b""
    return text if isinstance(text, bytes) else text.encode()
