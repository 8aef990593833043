"""Calls one target once and turns what it says into an exchange or an error."""

import asyncio
from collections.abc import Mapping
from typing import Protocol

import msgspec

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.model import Provider, Target
from aqueduct.errors import InvalidRequest, UpstreamError, UpstreamTimeout
from aqueduct.gateway.attempt import Attempt
from aqueduct.gateway.exchange import StreamExchange
from aqueduct.providers.base import Answer, Operation
from aqueduct.providers.registry import Kind
from aqueduct.upstream.connection import UpstreamResponse
from aqueduct.wire.request import Request

_MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 256 * 1024
_REQUEST_ID_HEADERS = frozenset({b"x-request-id", b"request-id", b"x-amzn-requestid"})
"""Where upstreams say what they call a request; Anthropic leaves out the `x-`, AWS has a name of its own."""


class Transport(Protocol):
    """Sends a request to where its origin's scheme says: over HTTP, or to a supervised local model."""

    async def send(self, request: UpstreamRequest, timeouts: Timeouts) -> UpstreamResponse:
        """Return the answer once its head is there; raise `UpstreamError`."""

    async def close(self) -> None:
        """Close what is open."""


class Signer(Protocol):
    """Adds to a request what proves who sends it, where that is more than a header that never changes."""

    async def sign(self, request: UpstreamRequest, provider: Provider) -> UpstreamRequest:
        """Return the request signed; raise `UpstreamUnauthorized` or `UpstreamUnreachable` where that fails."""


class TargetCaller:
    """Calls targets: the one place where an adapter, a signer and a transport meet."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        transports: Mapping[str, Transport],
        signers: Mapping[str, Signer] | None = None,
    ) -> None:
        self._kinds = kinds
        self._transports = transports
        self._signers = signers or {}

    def operation(self, request: Request, target: Target) -> Operation:
        """Return the adapter's side of the request's operation."""
        operation = self._kinds[target.provider.kind].adapter.get(request.operation)
        if operation is None:
            raise InvalidRequest(f"The model's provider does not support {request.operation}.", param="model")
        return operation

    async def ask(self, attempt: Attempt, timeouts: Timeouts) -> Answer:
        """Make a plain call and return the whole answer."""
        operation = self.operation(attempt.request, attempt.target)
        response: UpstreamResponse | None = None
        failure: UpstreamError | None = None
        try:
            response = await self._send(operation, attempt, timeouts)
            body = await response.read_all(_MAX_ANSWER_BYTES)
            attempt.answer = operation.read_response(attempt.request, body)
        except UpstreamError as error:
            failure = error
            raise
        finally:
            if response is not None:
                response.close()
            attempt.end(failure)
        return attempt.answer

    async def stream(self, attempt: Attempt, timeouts: Timeouts) -> StreamExchange:
        """Make a streamed call and return it at its first event with content."""
        operation = self.operation(attempt.request, attempt.target)
        exchange: StreamExchange | None = None
        first_content = timeouts.first_content_seconds
        deadline_at = None if first_content is None else asyncio.get_running_loop().time() + first_content
        try:
            attempt.reader = operation.stream_reader(attempt.request)
            response = await self._send(operation, attempt, timeouts)
            exchange = StreamExchange(attempt, response, attempt.reader)
            if not (response.header(b"content-type") or b"").lower().startswith(operation.stream_type):
                body = await response.read_all(_MAX_ERROR_BYTES)
                raise operation.read_error(response.status, response.headers, body)
            await (exchange.begin() if deadline_at is None else _begin_in_time(exchange, deadline_at))
            attempt.note_content()
        except BaseException as error:
            attempt.end(error if isinstance(error, UpstreamError) else None)
            if exchange is not None:
                exchange.close()
            raise
        return exchange

    async def _send(self, operation: Operation, attempt: Attempt, timeouts: Timeouts) -> UpstreamResponse:
        upstream_request = operation.build_request(attempt.request, attempt.target)
        attempt.dropped = operation.dropped(attempt.request, attempt.target)
        signer = self._kinds[attempt.target.provider.kind].signer
        if signer is not None:
            upstream_request = await self._signers[signer].sign(upstream_request, attempt.target.provider)
        attempt.is_sent = True
        response = await self._transports[upstream_request.origin.scheme].send(upstream_request, timeouts)
        attempt.note_head(response.status, _upstream_request_id(response))
        if response.status != 200:
            try:
                body = await response.read_all(_MAX_ERROR_BYTES)
            finally:
                response.close()
            raise operation.read_error(response.status, response.headers, body)
        return response


async def _begin_in_time(exchange: StreamExchange, deadline_at: float) -> None:
    """Read up to the first event with content, if it comes in time: comments may keep a stream open for long."""
    try:
        async with asyncio.timeout_at(deadline_at):
            await exchange.begin()
    except TimeoutError:
        raise UpstreamTimeout("the stream has said nothing in time") from None


def _upstream_request_id(response: UpstreamResponse) -> bytes | None:
    for name, value in response.headers:
        if name in _REQUEST_ID_HEADERS:
            return value
    return None


def remaining(timeouts: Timeouts, seconds: float) -> Timeouts:
    """Return the timeouts with the total cut to what is left of a deadline."""
    return msgspec.structs.replace(timeouts, total_seconds=max(0.001, min(timeouts.total_seconds, seconds)))
