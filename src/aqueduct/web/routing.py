"""What a page is: a path, a function, and who may come; and all that happens before and after the function."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from jinja2 import Environment
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from aqueduct.errors import (
    AlreadyExists,
    ControlError,
    NotAllowed,
    NotFound,
    RequestError,
    SignInRefused,
    Stale,
    TooManyAttempts,
)
from aqueduct.storage.database import OUT_OF_REACH, is_out_of_reach
from aqueduct.web.cookies import SESSION, drop
from aqueduct.web.forgery import FIELD, HEADER, SAFE_METHODS, require_csrf, require_own_origin
from aqueduct.web.navigation import May, anybody
from aqueduct.web.services import Services
from aqueduct.web.visit import Visit

Handler = Callable[[Visit], Awaitable[Response]]

STATUSES: dict[type[ControlError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    Stale: 409,
    AlreadyExists: 409,
    SignInRefused: 401,
    TooManyAttempts: 429,
}
TITLES = {
    403: "You may not do this",
    404: "Nothing here",
    405: "Nothing here",
    409: "Somebody else was here",
    413: "Too much at once",
    422: "That will not do",
    429: "Too fast",
    500: "Our mistake",
    503: "Not now",
}
OUR_MISTAKE = "Something went wrong here, and it was written to the log. If you ask for help, name the number below."

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Page:
    """A path with its function. `may` of None lets strangers in."""

    path: str
    handler: Handler
    method: str = "GET"
    may: May | None = anybody


def get(path: str, handler: Handler, may: May | None = anybody) -> Page:
    """Return a page that shows something."""
    return Page(path, handler, "GET", may)


def post(path: str, handler: Handler, may: May | None = anybody) -> Page:
    """Return what changes something: it is known to come from a page of ours."""
    return Page(path, handler, "POST", may)


def routes(pages: Sequence[Page], services: Services, templates: Environment) -> list[Route]:
    """Return the pages as the framework has them."""
    return [
        Route(page.path, endpoint(page, services, templates), methods=[page.method], name=f"{page.method} {page.path}")
        for page in pages
    ]


def endpoint(page: Page, services: Services, templates: Environment) -> Callable[[Request], Awaitable[Response]]:
    """Return a page as the framework calls it."""

    async def answer(request: Request) -> Response:
        visit = Visit(request, services, templates)
        try:
            return await enter(page, visit)
        except Exception as error:  # noqa: BLE001 - an edge: whatever it is, a person gets a page
            return answer_error(visit, error)

    return answer


async def enter(page: Page, visit: Visit) -> Response:
    """Find out who it is, and let him in or not."""
    await visit.recognise()
    require_own_origin(visit.request)
    if page.may is None:
        return await page.handler(visit)
    if visit.signed_in is None:
        response = visit.to_sign_in()
        if SESSION in visit.request.cookies:
            drop(response, SESSION)
        return response
    if visit.request.method not in SAFE_METHODS:
        form = await visit.form()
        require_csrf(visit.signed_in.value, visit.request.headers.get(HEADER) or form.values.pop(FIELD, None))
    if not page.may(visit.actor):
        raise NotAllowed("This page is for administrators. Ask one of them if you need what is on it.")
    return await page.handler(visit)


def answer_error(visit: Visit, error: Exception) -> Response:
    """Answer with a page that says what happened, and what to do."""
    status, message = judge(error)
    if status == 500:
        logger.error("bug", path=visit.request.url.path, exc_info=error)
    if isinstance(error, TooManyAttempts):
        response = show_error(visit, status, message)
        response.headers["retry-after"] = str(round(error.retry_after_seconds) + 1)
        return response
    return show_error(visit, status, message)


def judge(error: Exception) -> tuple[int, str]:
    """Return the status of an error, and what may be shown of it."""
    if isinstance(error, ControlError):
        return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 422), str(error)
    if isinstance(error, RequestError):
        return error.status, error.message
    if isinstance(error, HTTPException):
        return error.status_code, "There is no such page." if error.status_code in (404, 405) else error.detail
    if is_out_of_reach(error):
        logger.warning("no page: the database does not answer", reason=type(error).__name__)
        return 503, OUT_OF_REACH
    return 500, OUR_MISTAKE


def show_error(visit: Visit, status: int, message: str) -> Response:
    """Show what happened; within the layout where it is known who asks."""
    context: dict[str, Any] = {"title": TITLES.get(status, "That did not work"), "message": message, "code": status}
    template = "error_part.html" if visit.is_partial else "error.html" if visit.signed_in else "error_stranger.html"
    return visit.render(template, status=status, **context)
