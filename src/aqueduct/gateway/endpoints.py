"""The data plane's routes: an exact look-up, then one prefix, tried before any framework.

Every public path is served with and without `/v1`.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import prometheus_client

from aqueduct.domain.text import printable
from aqueduct.errors import MethodNotAllowed, UnknownUrl
from aqueduct.gateway.account import Entry
from aqueduct.gateway.call import Call
from aqueduct.gateway.pipeline import Dialect, Pipeline, answer_error
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.gateway.state import State
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion
from aqueduct.wire.models import encode_model, encode_models
from aqueduct.wire.openapi import encode_openapi

Endpoint = Callable[[Call], Awaitable[None]]

_PREFIX = "/v1"
_MAX_SHOWN_CHARACTERS = 200
_MODELS = "/models/"
_API = "/api/"
_PAGES = ("/", "/ui")
_BELOW_PAGES = "/ui/"
_JSON: HeaderLines = b"content-type: application/json\r\n"
_PROMETHEUS = (b"content-type", prometheus_client.CONTENT_TYPE_LATEST.encode())


class Route(NamedTuple):
    """One path below the prefix, with its method."""

    method: str
    path: str


class Endpoints:
    """Answers every request of the data plane; what is below `/api/` is for `api`, what is below `/ui/` for `pages`."""

    def __init__(self, pipeline: Pipeline, state: State, api: Endpoint, pages: Endpoint) -> None:
        self._api = api
        self._pages = pages
        self._pipeline = pipeline
        self._state = state
        self._openapi = encode_openapi()
        chat, completions = Dialect("chat", parse_chat), Dialect("completions", parse_completion)
        routes: dict[Route, Endpoint] = {
            Route("POST", "/chat/completions"): lambda call: pipeline.complete(call, chat),
            Route("POST", "/completions"): lambda call: pipeline.complete(call, completions),
            Route("GET", "/models"): self._list_models,
            Route("GET", "/health/live"): self._show_live,
            Route("GET", "/health/ready"): self._show_ready,
            Route("GET", "/openapi.json"): self._show_openapi,
            Route("GET", "/metrics"): self._show_metrics,
        }
        self._routes = {
            (route.method, prefix + route.path): endpoint
            for route, endpoint in routes.items()
            for prefix in ("", _PREFIX)
        }

    def __call__(self, call: Call) -> Awaitable[None]:
        """Serve one request; not a coroutine itself, since every level of those costs each request time."""
        endpoint = self._routes.get((call.method, call.path))
        if endpoint is None:
            endpoint = self._find(call)
        return endpoint(call)

    def _find(self, call: Call) -> Endpoint:
        """Find what the exact look-up did not."""
        if call.path.startswith(_API):
            return self._api
        if call.path.startswith(_BELOW_PAGES) or call.path in _PAGES:
            return self._pages
        path = call.path.removeprefix(_PREFIX)
        if path.startswith(_MODELS) and len(path) > len(_MODELS):
            return self._show_model if call.method == "GET" else self._refuse_method
        known = any(known == call.path for _, known in self._routes)
        return self._refuse_method if known else self._refuse_url

    async def _refuse_url(self, call: Call) -> None:
        shown = printable(call.path[:_MAX_SHOWN_CHARACTERS])
        message = f"Unknown request URL: {call.method} {shown}. See GET /openapi.json for those there are."
        answer_error(call, UnknownUrl(message))

    async def _refuse_method(self, call: Call) -> None:
        allow = [method for method, path in self._routes if path == call.path] or ["GET"]
        shown = printable(call.path[:_MAX_SHOWN_CHARACTERS])
        message = f"The method {call.method} is not allowed for {shown}. Allowed: {', '.join(allow)}."
        answer_error(call, MethodNotAllowed(message, allow=allow))

    async def _list_models(self, call: Call) -> None:
        async def work(entry: Entry) -> None:
            visible = self._state.snapshot.visible(entry.principal)
            await self._pipeline.answer(entry, encode_models(visible))

        await self._pipeline.serve(call, "models", work)

    async def _show_model(self, call: Call) -> None:
        async def work(entry: Entry) -> None:
            name = call.path.removeprefix(_PREFIX).removeprefix(_MODELS)
            model = self._state.snapshot.resolve(entry.principal, name)
            await self._pipeline.answer(entry, encode_model(name, model))

        await self._pipeline.serve(call, "models", work)

    async def _show_metrics(self, call: Call) -> None:
        async def work(entry: Entry) -> None:
            await self._pipeline.answer(entry, prometheus_client.generate_latest(), content_type=_PROMETHEUS)

        await self._pipeline.serve(call, "metrics", work)

    async def _show_live(self, call: Call) -> None:
        call.answer(200, _JSON, b'{"status":"live"}')

    async def _show_ready(self, call: Call) -> None:
        if self._state.is_ready and not self._state.is_draining:
            call.answer(200, _JSON, b'{"status":"ready"}')
        else:
            call.answer(503, _JSON + b"retry-after: 1\r\n", b'{"status":"not ready"}')

    async def _show_openapi(self, call: Call) -> None:
        call.answer(200, _JSON, self._openapi)
