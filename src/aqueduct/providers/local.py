"""The adapter of the embedded model: llama.cpp's server, which speaks OpenAI's format with fields and gaps of its own.

Only fields on the list travel: its own (`n_predict`, `grammar`, `cache_prompt`) would escape the limits set here.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from aqueduct.domain.http import Headers, Origin, UpstreamRequest
from aqueduct.domain.model import Target
from aqueduct.errors import UpstreamError
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.providers.openai import OpenAIOperation
from aqueduct.wire.request import Request

PLACEHOLDER = Origin("http", "local", 0)
"""Stands for the child's address, which is known only once it runs."""

DESCRIPTION = "SmolLM2-135M-Instruct, a small demonstration model: it shows that all works, not what a model can do."

_PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions"}
_HEADERS: Headers = ((b"content-type", b"application/json"),)
_OUTPUT_LIMIT = 512
_TEMPERATURE = 0.2
_CARRIED = frozenset(
    {
        "frequency_penalty",
        "logit_bias",
        "max_completion_tokens",
        "max_tokens",
        "messages",
        "n",
        "presence_penalty",
        "prompt",
        "seed",
        "stop",
        "stream",
        "temperature",
        "top_p",
    }
)


class LocalOperation:
    """One operation (`chat` or `completions`) of the embedded model."""

    def __init__(self, operation: str) -> None:
        self._operation = operation
        self._openai = OpenAIOperation(operation)

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Carry what is on the list and set the limits that the client left open."""
        fields: dict[str, Any] = {name: value for name, value in request.fields.items() if name in _CARRIED}
        fields.setdefault("temperature", _TEMPERATURE)
        if "max_tokens" not in fields and "max_completion_tokens" not in fields:
            fields["max_tokens"] = _OUTPUT_LIMIT
        if request.is_stream:
            fields["stream_options"] = {"include_usage": True}
        return UpstreamRequest("POST", Origin("local", target.model_path or "", 0), _PATHS[self._operation], _HEADERS, msgspec.json.encode(fields))

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Read the answer as OpenAI's."""
        return self._openai.read_response(request, body)

    def stream_reader(self, request: Request) -> StreamReader:
        """Read the stream as OpenAI's."""
        return self._openai.stream_reader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify as OpenAI's errors are."""
        return self._openai.read_error(status, headers, body)

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice: llama.cpp refuses an `n` above its number of slots."""
        if request.choices == 1:
            return (request,)
        return (request.with_fields(n=1),) * request.choices

    def flows(self, request: Request, target: Target) -> bool:
        """Nothing that is held to a schema flows unchecked."""
        return request.schema is None


def dropped(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the fields that are left out by policy, since they change nothing here."""
    return tuple(name for name in fields if name not in _CARRIED and name != "model")
