"""Answers every error in the gateway's one shape, the framework's own included."""

from collections.abc import Sequence

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import HTTPException, RequestValidationError
from sqlalchemy.exc import DBAPIError

from aqueduct.domain.text import printable
from aqueduct.errors import (
    AlreadyExists,
    ControlError,
    DatabaseUnavailable,
    InvalidRequest,
    InvalidValue,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    ObjectChanged,
    ObjectExists,
    ObjectNotFound,
    PermissionDenied,
    RequestError,
    Stale,
    UnknownUrl,
)
from aqueduct.storage.database import OUT_OF_REACH, is_out_of_reach
from aqueduct.wire.errors import render

KINDS: dict[type[ControlError], type[RequestError]] = {
    InvalidValue: InvalidRequest,
    NotFound: ObjectNotFound,
    AlreadyExists: ObjectExists,
    NotAllowed: PermissionDenied,
    Stale: ObjectChanged,
}
"""What a use case's refusal is over HTTP."""

METHODS = ("GET", "POST", "PATCH", "DELETE")
MAX_SHOWN_CHARACTERS = 200
ROUTING_STATUSES = (400, 404, 405)
"""What the layer below the framework refuses, by errors of its own."""

logger = structlog.get_logger(__name__)


def answer_errors(app: FastAPI) -> None:
    """Have the application answer errors as we do."""
    for kind in (RequestError, ControlError, RequestValidationError, HTTPException, Exception, *ROUTING_STATUSES):
        app.add_exception_handler(kind, answer_error)
    for absence in (DBAPIError, OSError):
        app.add_exception_handler(absence, answer_absence)


async def answer_error(request: Request, error: Exception) -> Response:
    """Answer an error, whatever it is; what is not in the tree is our own bug and says nothing of itself."""
    return as_response(translate(request, error))


async def answer_absence(request: Request, error: Exception) -> Response:
    """Answer that the database is away, if that is what it is."""
    if not is_out_of_reach(error):
        return await answer_error(request, error)
    logger.warning("not administered: the database does not answer", reason=type(error).__name__)
    return as_response(DatabaseUnavailable(OUT_OF_REACH))


def as_response(error: Exception) -> Response:
    """Return an error as an answer."""
    answer = render(error)
    response = Response(answer.body, answer.status)
    response.raw_headers += list(answer.headers)
    return response


def translate(request: Request, error: Exception) -> Exception:
    """Return the error as one of those that clients are shown."""
    if isinstance(error, ControlError):
        kind = next((KINDS[each] for each in type(error).__mro__ if each in KINDS), InvalidRequest)
        return kind(str(error))
    if isinstance(error, RequestValidationError):
        return invalid(error.errors()[0])
    status = getattr(error, "status_code", None)
    return error if status is None else refusal(request, status, error.__cause__)


def invalid(detail: dict[str, object]) -> RequestError:
    """Return what is wrong with the first member that is."""
    location = detail["loc"]
    param = path(location[1:]) if isinstance(location, Sequence) else ""
    if detail["type"] == "json_invalid":
        return InvalidRequest("The request body is not valid JSON.")
    message = str(detail["msg"]).removeprefix("Value error, ")
    return InvalidRequest(f"{f'`{param}`' if param else 'The request body'}: {message}.", param=param or None)


def path(location: Sequence[object]) -> str:
    """Write where a member is, such as `allow[0]`."""
    written = ""
    for step in location:
        if isinstance(step, int):
            written += f"[{step}]"
        else:
            written += f".{step}" if written else str(step)
    return printable(written[:MAX_SHOWN_CHARACTERS])


def refusal(request: Request, status: int, cause: BaseException | None) -> RequestError:
    """Return what the framework refuses by itself: a path or a method that there is not, or a body it cannot read."""
    if isinstance(cause, RequestError):
        return cause
    shown = path((request.url.path,))
    if status == 404:
        return UnknownUrl(f"Unknown request URL: {request.method} {shown}. See GET /api/admin/openapi.json.")
    if status == 405:
        allow = [method for method in METHODS if is_served(request, method)]
        message = f"The method {request.method} is not allowed for {shown}. Allowed: {', '.join(allow)}."
        return MethodNotAllowed(message, allow=allow)
    return InvalidRequest("The request body cannot be read.")


def is_served(request: Request, method: str) -> bool:
    """Whether the path of a request is served with another method."""
    scope = {**request.scope, "method": method}
    return any(route.matches(scope)[0].name == "FULL" for route in request.app.routes)
