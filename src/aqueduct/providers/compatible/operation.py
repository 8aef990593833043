"""The adapter of services that speak OpenAI's format with quirks: OpenAI's own, told what differs."""

from collections.abc import Callable, Sequence

import msgspec
from typing_extensions import override

from aqueduct.domain.http import Headers, UpstreamRequest
from aqueduct.domain.model import Provider, Target
from aqueduct.errors import UpstreamError
from aqueduct.providers.authentication import bearer_headers
from aqueduct.providers.base import Answer, StreamReader
from aqueduct.providers.choices import one_call_a_choice
from aqueduct.providers.compatible import errors
from aqueduct.providers.compatible.answers import adapt_body
from aqueduct.providers.compatible.fields import carried_fields, dropped_fields
from aqueduct.providers.compatible.quirks import Quirks
from aqueduct.providers.compatible.stream import CompatibleStreamReader
from aqueduct.providers.openai import OpenAIOperation, refuse_governed, with_usage
from aqueduct.providers.posting import CONTENT_HEADERS, origin_of
from aqueduct.wire.request import Request


class CompatibleOperation(OpenAIOperation):
    """One operation (`chat` or `completions`) of a service with quirks."""

    def __init__(self, operation: str, quirks: Quirks, headers: Callable[[Provider], Headers] = bearer_headers) -> None:
        super().__init__(operation)
        self._quirks = quirks
        self._headers = headers
        self.fetches_urls = quirks.fetches_urls

    @override
    def build_request(self, request: Request, target: Target) -> UpstreamRequest:
        provider = target.provider
        origin = origin_of(provider)
        refuse_governed(request.fields, provider)
        fields = carried_fields(request, target, self._quirks)
        model = fields["model"] = request.model if target.model == "*" else target.model
        if not self._quirks.has_stream_options:
            fields.pop("stream_options", None)
        elif request.is_stream:
            fields["stream_options"] = with_usage(fields.get("stream_options"))
        return UpstreamRequest(
            method="POST",
            origin=origin,
            path=self._path_at(provider, model),
            headers=(*CONTENT_HEADERS, *self._headers(provider)),
            body=msgspec.json.encode(fields),
        )

    @override
    def read_response(self, request: Request, body: bytes) -> Answer:
        return super().read_response(request, adapt_body(body, self._quirks))

    @override
    def stream_reader(self, request: Request) -> StreamReader:
        if self._quirks.streams_as_openai:
            return super().stream_reader(request)
        return CompatibleStreamReader(self._quirks, wants_usage=request.wants_usage)

    @override
    def read_error(self, status: int, headers: Headers, body: bytes) -> UpstreamError:
        return errors.read_error(status, headers, body, self._quirks.errors)

    @override
    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        return dropped_fields(request, target, self._quirks)

    @override
    def calls(self, request: Request) -> Sequence[Request]:
        return (request,) if self._quirks.has_choices else one_call_a_choice(request)

    @override
    def holds_calls(self, request: Request, target: Target) -> bool:
        return self._quirks.holds_calls

    def _path_at(self, provider: Provider, model: str) -> str:
        return provider.base_path + self._path
