"""The application: every page, what browsers load, and the headers that keep both to themselves."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aqueduct.web import account, account_ways, home, issuers, passkeys, sign_in, token, tokens
from aqueduct.web.assets import PREFIX, Assets
from aqueduct.web.rendering import open_templates
from aqueduct.web.routing import answer_error, routes
from aqueduct.web.services import Services
from aqueduct.web.visit import Visit

PAGES = (
    *sign_in.PAGES,
    *issuers.PAGES,
    *passkeys.PAGES,
    *home.PAGES,
    *tokens.PAGES,
    *token.PAGES,
    *account.PAGES,
    *account_ways.PAGES,
)
"""Every page there is."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]
Receive = Callable[[], Awaitable[Message]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)
KEPT_BY_NOBODY = (b"cache-control", b"no-store")
"""Pages hold what only one person may see."""


def build_application(services: Services) -> Application:
    """Return the pages."""
    assets = Assets()
    templates = open_templates(assets)

    async def answer_refusal(request: Request, error: Exception) -> Response:
        visit = Visit(request, services, templates)
        await visit.recognise()
        return answer_error(visit, error)

    app = Starlette(
        routes=[
            Route(PREFIX + "{path:path}", assets.serve),
            issuers.back_channel(services),
            *routes(PAGES, services, templates),
        ],
        exception_handlers={HTTPException: answer_refusal},
    )
    app.router.redirect_slashes = False
    return Guarded(app)


class Guarded:
    """Adds the headers that keep other sites, and scripts that are not ours, away from the pages."""

    def __init__(self, app: Application) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                added = HEADERS if b"cache-control" in names else (*HEADERS, KEPT_BY_NOBODY)
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_guarded)
