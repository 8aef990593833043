"""The cookies: the session's value, what stands between two factors, and a message for the next page."""

import base64
import binascii

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from aqueduct.domain.session import SESSION_COOKIE

SESSION = SESSION_COOKIE
PENDING = "__Host-aqueduct-pending"
FLASH = "__Host-aqueduct-flash"
FLOW = "__Host-aqueduct-flow"
"""By which a browser is known that has begun to sign in elsewhere, or with a passkey."""
MAX_FLASH_BYTES = 2000


class Flash(msgspec.Struct, frozen=True):
    """A message that the next page shows once; `kind` is `success` or `error`."""

    message: str
    kind: str = "success"


def keep(response: Response, name: str, value: str, max_age_seconds: float) -> None:
    """Have the browser keep a cookie that only this host's pages get, and no script reads.

    `__Host-` says that it came from this very host, over a connection that nobody listens to (RFC 6265bis, 4.1.3.2).
    Browsers take `localhost` for such a one.
    """
    response.set_cookie(name, value, max_age=int(max_age_seconds), path="/", secure=True, httponly=True, samesite="lax")


def drop(response: Response, name: str) -> None:
    """Have the browser forget a cookie."""
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")


def write_flash(response: Response, flash: Flash) -> None:
    """Leave a message for the next page."""
    shortened = Flash(flash.message[:500], flash.kind)
    text = base64.urlsafe_b64encode(msgspec.json.encode(shortened)).decode().rstrip("=")
    keep(response, FLASH, text, 60)


def read_flash(request: Request) -> Flash | None:
    """Return the message that the page before has left."""
    text = request.cookies.get(FLASH, "")
    if not text or len(text) > MAX_FLASH_BYTES:
        return None
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Flash)
    except (binascii.Error, msgspec.MsgspecError, ValueError):
        return None
