"""Sessions: somebody who is signed in to the pages, with a browser of his."""

import base64
import enum
import hmac

import msgspec

PREFIX = "aqs-"
"""What the value of a session begins with; that of an API token begins otherwise."""
MAX_IDLE_SECONDS = 2 * 86_400.0
"""How long a session may go unused."""
SESSION_COOKIE = "__Host-aqueduct-session"
CSRF_HEADER = "x-aqueduct-csrf"


class Client(msgspec.Struct, frozen=True):
    """Where somebody signs in from, as far as it is known."""

    address: str | None = None
    user_agent: str | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session; its value is only in the browser's cookie.

    Instants are in seconds since the epoch. `method` is how he showed who he is: `password`, `link`, `oidc` and so on.
    """

    id: str
    user_id: str
    method: str
    created_at: float
    last_seen_at: float
    expires_at: float
    address: str | None = None
    user_agent: str | None = None

    def is_over(self, now: float) -> bool:
        """Whether it may no longer be used: for its age, or for having gone unused."""
        return now >= self.expires_at or now - self.last_seen_at > MAX_IDLE_SECONDS


class Purpose(enum.StrEnum):
    """What a one-time link is for."""

    SIGN_IN = "sign_in"
    """Whoever has it is signed in, and may set a password."""
    INVITATION = "invitation"
    """The same, sent to somebody new."""
    SECOND_FACTOR = "second_factor"
    """Whoever has it gave the right password, and is asked for something more: it is in a cookie, not in a link."""


class OneTimeLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that signs its user in, once; its value is kept nowhere."""

    id: str
    user_id: str
    purpose: Purpose
    created_at: float
    expires_at: float
    created_by: str | None = None


def csrf_of(value: str) -> str:
    """Return what a request that changes something must bring along, beside the cookie with the session's value.

    Made of the value, so that it is as secret and ends with it; the value cannot be found from it.
    """
    digest = hmac.digest(value.encode(), b"aqueduct csrf", "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_csrf_of(value: str, given: str) -> bool:
    """Whether a request brought along what belongs to the session's value."""
    return hmac.compare_digest(csrf_of(value).encode(), given.encode())
