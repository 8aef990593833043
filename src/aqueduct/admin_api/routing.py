"""How a request is read before its endpoint runs: its media type, its body, and its idempotency key."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from aqueduct.admin_api.desk import DeskOpening
from aqueduct.admin_api.door import ACTOR, API_TOKEN_ID
from aqueduct.control.idempotency import Idempotency
from aqueduct.domain.actor import Actor
from aqueduct.errors import InvalidRequest, UnsupportedMediaType
from aqueduct.storage.idempotency import KeptAnswer, Key

IDEMPOTENCY_KEY = "Idempotency-Key"
MAX_KEY_CHARACTERS = 255
JSON_TYPE = "application/json"
CSV_TYPE = "text/csv"
KEPT_HEADERS = ("content-type", "etag", "location")
REPLAYED = "idempotent-replayed"
SHOWN_ONCE = ("value", "secret")
"""The members that hold a credential: kept nowhere."""

PARAMETER = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "A name for this request: sent again with the same name, it is not done again but answered again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[!-~]+$"},
}

Handler = Callable[[Request], Awaitable[Response]]


class AdminRoute(APIRoute):
    """A route whose body is bounded and of a known type, and whose POST may be sent twice."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if "POST" in (options.get("methods") or ()):
            extra = options.get("openapi_extra") or {}
            options["openapi_extra"] = {**extra, "parameters": [*extra.get("parameters", ()), PARAMETER]}
        super().__init__(path, endpoint, **options)

    @override
    def get_route_handler(self) -> Callable[[Request], Any]:
        handle = super().get_route_handler()
        media_type = CSV_TYPE if self.path.endswith("/bulk") else JSON_TYPE
        openings = [found.call for found in self.dependant.dependencies if isinstance(found.call, DeskOpening)]

        async def handle_once(request: Request) -> Response:
            # Read here, since the framework would take what is wrong with a body for a body that is no JSON.
            body = await request.body()
            if body:
                require_type(request, media_type)
            name = request.headers.get(IDEMPOTENCY_KEY)
            if request.method != "POST" or name is None:
                return await handle(request)
            for opening in openings:
                # An answer that is given again does not come from the endpoint, which would ask for the scope.
                opening.require_scope(request.scope[ACTOR])
            return await answer_once(request, read_key(request, name), fingerprint(request, body), handle)

        return handle_once


def new_router(name: str) -> APIRouter:
    """Return the router of a resource."""
    return APIRouter(prefix=f"/{name}", tags=[name], route_class=AdminRoute)


async def answer_once(request: Request, key: Key, print_of_it: bytes, handle: Handler) -> Response:
    """Answer a request, or give the answer that was given to it before; a refusal leaves the key free."""
    idempotency: Idempotency = request.app.state.idempotency
    actor: Actor = request.scope[ACTOR]
    kept = await idempotency.begin(key, print_of_it, actor.authority)
    if kept is not None:
        return Response(kept.body, kept.status or 200, {**(kept.headers or {}), REPLAYED: "true"})
    is_kept = False
    try:
        response = await handle(request)
        if response.status_code < 300:
            body = bytes(response.body)
            headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
            stored = without_values(body)
            answer = KeptAnswer(
                fingerprint=print_of_it,
                status=response.status_code,
                headers=headers,
                body=stored,
                authority=actor.authority,
            )
            await idempotency.finish(key, answer, None if stored == body else body)
            is_kept = True
        return response
    finally:
        if not is_kept:
            await idempotency.release(key)


def without_values(body: bytes) -> bytes:
    """Return an answer without the values of API tokens and the secrets of webhooks, which are never stored."""
    document = msgspec.json.decode(body)
    items = document.get("data", (document,))
    shown_once = [(item, name) for item in items for name in SHOWN_ONCE if name in item]
    for item, name in shown_once:
        item[name] = None
    return msgspec.json.encode(document) if shown_once else body


def require_type(request: Request, media_type: str) -> None:
    """Raise unless a body is of this type; one that does not say is taken for it."""
    found = request.headers.get("content-type", media_type).partition(";")[0].strip().lower()
    if found != media_type and not (media_type == JSON_TYPE and found.endswith("+json")):
        raise UnsupportedMediaType(f"The request body must be sent as {media_type}.")


def read_key(request: Request, name: str) -> Key:
    """Return an idempotency key, which belongs to whoever sends it."""
    if not 1 <= len(name) <= MAX_KEY_CHARACTERS or not name.isascii() or not name.isprintable():
        message = f"An idempotency key has 1 to {MAX_KEY_CHARACTERS} printable ASCII characters."
        raise InvalidRequest(message, param=IDEMPOTENCY_KEY)
    return request.scope[API_TOKEN_ID], name


def fingerprint(request: Request, body: bytes) -> bytes:
    """Return what two requests have in common only if they are the same."""
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    return hashlib.sha256(target.encode() + body).digest()
