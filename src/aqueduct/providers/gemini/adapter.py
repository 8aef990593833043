"""The adapter of Gemini models: `generateContent`, at the Gemini API (by key) and on Vertex AI (by service account).

Source: the REST references of the Gemini API (v1beta) and of Vertex AI (v1beta1); where an endpoint is: "Locations" of
Vertex AI.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

import msgspec
from typing_extensions import override

from aqueduct.domain.http import Headers, Origin, UpstreamRequest
from aqueduct.domain.model import Provider, StructuredOutput, Target
from aqueduct.errors import InvalidRequest, UpstreamError
from aqueduct.providers.authentication import gemini_headers
from aqueduct.providers.base import EVENT_STREAM, Answer, StreamReader
from aqueduct.providers.chat_target import upstream_model
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.gemini import errors
from aqueduct.providers.gemini.answer import read_choices
from aqueduct.providers.gemini.families import family_of
from aqueduct.providers.gemini.media import FILE_TYPES
from aqueduct.providers.gemini.request import answer_format, build_body, carried_fields, dropped_fields
from aqueduct.providers.gemini.stream import GeminiStreamReader
from aqueduct.providers.gemini.tools import are_held
from aqueduct.providers.gemini.usage import read_units
from aqueduct.providers.gemini.wire import read_response
from aqueduct.providers.posting import CONTENT_HEADERS, origin_of
from aqueduct.providers.translation import write_answer
from aqueduct.wire.chat_writer import Choice
from aqueduct.wire.request import Request

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
"""A model's name alone; it becomes part of the path, and a client may have chosen it."""

_RESOURCE = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9._@-]{0,199}/){1,6}[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")
VERTEX_HOST = "aiplatform.googleapis.com"
_MULTI_REGIONS = frozenset({"us", "eu"})


class GeminiOperation:
    """Chat at the Gemini API."""

    stream_type = EVENT_STREAM
    fetches_urls = False
    file_types = FILE_TYPES

    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        """Translate the request, or raise `InvalidRequest` naming what the model cannot be asked for."""
        provider = target.provider
        model = upstream_model(request, target)
        is_resource = target.model != "*" and _RESOURCE.fullmatch(model) is not None
        if not is_resource and not _NAME.fullmatch(model):
            raise InvalidRequest("That cannot be the name of a model.", param="model")
        method = "streamGenerateContent?alt=sse" if request.is_stream else "generateContent"
        return UpstreamRequest(
            method="POST",
            origin=self._origin(provider),
            path=f"{provider.base_path}/{self._resource(provider, model, is_resource=is_resource)}:{method}",
            headers=_headers(provider),
            body=build_body(request, target),
        )

    def _origin(self, provider: Provider) -> Origin:
        return origin_of(provider)

    def _resource(self, provider: Provider, model: str, *, is_resource: bool) -> str:
        """Return the path of a model; `tunedModels/…` may be named whole."""
        return model if is_resource else f"models/{model}"

    def read_response(self, request: Request, body: bytes) -> Answer:
        """Read a whole answer."""
        response = read_response(body)
        choices = read_choices(request, response)
        if request.schema is not None:
            choices = [_without_fence(choice) for choice in choices]
        model = response.model_version or request.model
        return write_answer(request, model, choices, read_units(response.usage_metadata))

    def stream_reader(self, request: Request) -> StreamReader:
        """Return a reader of Gemini's events."""
        return GeminiStreamReader(request)

    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        """Classify by status, reason and detail."""
        return errors.read_error(status, headers, body)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return the fields that are left out by declared policy."""
        return dropped_fields(request, target)

    def calls(self, request: Request) -> Sequence[Request]:
        """One call a choice: models since Gemini 3 give no more."""
        return one_call_a_choice(request)

    def limits_output(self, request: Request) -> bool:
        """The client does, or else the model."""
        return False

    def way(self, request: Request, target: Target) -> StructuredOutput:
        """As configured; what the schema does not let the native way say is put in words beside it."""
        return target.structured_output

    def flows(self, request: Request, target: Target) -> bool:
        """What the model is held to exactly may flow."""
        if request.schema is None:
            return True
        if target.structured_output is not StructuredOutput.NATIVE:
            return False
        return answer_format(carried_fields(request, target), family_of(upstream_model(request, target))).is_exact

    def holds_calls(self, request: Request, target: Target) -> bool:
        """Where calls are held to what was declared, and that says all that the schemas do."""
        return are_held(carried_fields(request, target), family_of(upstream_model(request, target)))


class VertexOperation(GeminiOperation):
    """Chat on Vertex AI; its requests are signed with an access token."""

    @override
    def _origin(self, provider: Provider) -> Origin:
        origin = super()._origin(provider)
        return _endpoint(provider) if origin.host == VERTEX_HOST else origin

    @override
    def _resource(self, provider: Provider, model: str, *, is_resource: bool) -> str:
        """Return the path of a model in its project; `endpoints/…` and `publishers/…` may be named whole."""
        place = f"projects/{provider.options['project']}/locations/{provider.options['location']}"
        return f"{place}/{model if is_resource else f'publishers/google/models/{model}'}"


@lru_cache(maxsize=1024)
def _endpoint(provider: Provider) -> Origin:
    """Return where the models of a location are."""
    location = provider.options["location"]
    if location == "global":
        host = VERTEX_HOST
    elif location in _MULTI_REGIONS:
        host = f"aiplatform.{location}.rep.googleapis.com"
    else:
        host = f"{location}-{VERTEX_HOST}"
    return Origin("https", host, 443)


@lru_cache(maxsize=1024)
def _headers(provider: Provider) -> Headers:
    return (*CONTENT_HEADERS, *gemini_headers(provider))


def _without_fence(choice: Choice) -> Choice:
    """Take a code fence off: a model that is held to JSON by words puts one around it."""
    text = (choice.text or "").strip()
    if not (text.startswith("```") and text.endswith("```") and "\n" in text):
        return choice
    return msgspec.structs.replace(choice, text=text[text.index("\n") : -3].strip())
