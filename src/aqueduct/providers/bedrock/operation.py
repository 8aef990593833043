"""Amazon Bedrock's Converse as an operation: what the registry names."""

import re
from collections.abc import Sequence
from urllib.parse import quote

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.providers.anthropic.options import asks_to_think
from aqueduct.providers.anthropic.schema import adapt, holds_strictly
from aqueduct.providers.anthropic.tools import has_tools
from aqueduct.providers.authentication import bearer_headers
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.providers.bedrock import errors
from aqueduct.providers.bedrock.answer import read_answer
from aqueduct.providers.bedrock.models import family_of
from aqueduct.providers.bedrock.parts import FILE_TYPES
from aqueduct.providers.bedrock.request import build_body, dropped_fields
from aqueduct.providers.bedrock.stream import BedrockStreamReader
from aqueduct.providers.chat_target import upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.field_policy import given_fields
from aqueduct.providers.posting import post
from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.request import Request

_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,2047}")
"""A model's id, an inference profile's, or an ARN; it becomes part of the path, and a client may have chosen it."""


class BedrockChat:
    """Chat by `POST /model/{modelId}/converse` and `/converse-stream`."""

    stream_type = b"application/vnd.amazon.eventstream"
    fetches_urls = False
    file_types = FILE_TYPES

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate the request, or raise `InvalidRequest` naming what cannot be carried."""
        model = upstream_model(request, target)
        if not _MODEL.fullmatch(model):
            raise InvalidRequest("That cannot be the name of a model.", param="model")
        path = f"/model/{quote(model, safe='')}/{'converse-stream' if request.is_stream else 'converse'}"
        return post(target.provider, path, bearer_headers(target.provider), build_body(request, target))

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Translate a whole answer."""
        return read_answer(request, body)

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader of Converse's events."""
        return BedrockStreamReader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by the exception's name, else by status."""
        return errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return what is left out: by policy, because the model does not take it, or not as it is."""
        return dropped_fields(request, target)

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """Where reasoning needs a budget and the client gave no limit; else the model does."""
        return request.max_output_tokens is None and isinstance(request, ChatRequest) and asks_to_think(request)

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """Natively where the model can be held to this schema, else by a tool that nothing stands against."""
        if target.structured_output is not StructuredOutput.NATIVE or not isinstance(request, ChatRequest):
            return target.structured_output
        family = family_of(upstream_model(request, target))
        if family.has_schemas and adapt(request.schema) is not None:
            return StructuredOutput.NATIVE
        is_object = isinstance(request.schema, dict) and bool(request.schema.get("properties"))
        can_call = family.has_tools and bool(family.choices)
        is_free = can_call and not has_tools(request) and not asks_to_think(request)
        return StructuredOutput.TOOL if is_object and is_free else StructuredOutput.INSTRUCTION

    def flows(self, request: Request, target: Target) -> bool:
        """What the model is held to exactly may flow, unless a stop sequence may cut it."""
        if request.schema is None:
            return True
        adapted = adapt(request.schema)
        is_exact = adapted is not None and adapted.is_exact and "stop" not in given_fields(request)
        return is_exact and self.way(request, target) is StructuredOutput.NATIVE

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Where the model can be held exactly to the schemas of all strict functions, none cut by a stop sequence."""
        has_schemas = family_of(upstream_model(request, target)).has_schemas and "stop" not in given_fields(request)
        return holds_strictly(request.strict_functions(), has_schemas=has_schemas)
