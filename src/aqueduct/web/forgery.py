"""Refuses what another site has a browser send (cross-site request forgery), by two signs that each would do.

Every change must come from a page of this host, as browsers say in `Sec-Fetch-Site` or `Origin`; and of somebody who is
signed in it must bring along what only a page of his session knows.
"""

from urllib.parse import urlsplit

from starlette.requests import Request

from aqueduct.domain.session import CSRF_HEADER, is_csrf_of
from aqueduct.errors import NotAllowed

FIELD = "csrf"
HEADER = CSRF_HEADER
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
STALE = (
    "This page is out of date: you signed in anew since it was loaded. Go back, load it again, and repeat the change."
)


def require_own_origin(request: Request) -> None:
    """Raise `NotAllowed` unless a request that changes something comes from a page of this host."""
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        is_own = site == "same-origin"
    else:
        # Browsers that have not the one header, and those at addresses that they trust less, have the other.
        is_own = urlsplit(request.headers.get("origin", "")).netloc == request.headers.get("host", "?")
    if not is_own:
        raise NotAllowed("This request came from another site, so it was not done.")


def require_csrf(value: str, given: str | None) -> None:
    """Raise `NotAllowed` unless a request brought along what belongs to the session's value."""
    if given is None or not is_csrf_of(value, given):
        raise NotAllowed(STALE)
