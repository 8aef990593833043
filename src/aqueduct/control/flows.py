"""Ways in that were begun: each is gone on with once, within minutes, and in the browser that began it.

What a browser is known by is a random value in a cookie of its own; the value that goes through the address (a state, a
challenge) and this one are stored as hashes.
"""

import secrets

import msgspec

from aqueduct.control.registry import Registry
from aqueduct.domain.credential import Flow
from aqueduct.errors import SignInRefused
from aqueduct.storage.aggregates import FLOWS
from aqueduct.storage.sign_in_flows import digest, remove_expired, take

FLOW_SECONDS = 600.0
"""How long somebody may take at the issuer, or before his authenticator."""
RANDOM_BYTES = 32
MAX_BROWSER_CHARACTERS = 100


class FlowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be known when a flow comes back; see `Flow`."""

    purpose: str
    name: str | None = None
    nonce: str | None = None
    verifier: str | None = None
    return_path: str | None = None
    user_id: str | None = None


class Flows:
    """Begins flows, and takes them up again."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def begin(self, value: str, browser: str, plan: FlowPlan) -> None:
        """Store a flow under the random value that it comes back with."""
        now = self._registry.now()
        flow = Flow(
            id=digest(value),
            browser=digest(browser),
            expires_at=now + FLOW_SECONDS,
            **msgspec.structs.asdict(plan),
        )
        async with self._registry.database.writing() as connection:
            await remove_expired(connection, now)
            await FLOWS.add(connection, flow)

    async def take(self, value: str, browser: str | None, purposes: frozenset[str]) -> Flow:
        """Take a flow up; raises `SignInRefused` unless it is there, for this, and this browser's."""
        async with self._registry.database.writing() as connection:
            flow = await take(connection, digest(value), self._registry.now())
        if flow is None or flow.purpose not in purposes:
            raise SignInRefused("This took too long, or was used already. Please start again.", code="flow_unknown")
        if browser is None or not secrets.compare_digest(flow.browser, digest(browser)):
            raise SignInRefused(
                "This was begun in another browser. Please start again in this one, with cookies allowed.",
                code="flow_of_another_browser",
            )
        return flow


def new_value() -> str:
    """Return a random value that nobody guesses."""
    return secrets.token_urlsafe(RANDOM_BYTES)


def browser_value(cookie: str | None) -> str:
    """Return what a browser is known by: what its cookie holds, or something new.

    One that has a value keeps it, so that several pages of it may be on their way in at a time.
    """
    is_ours = cookie is not None and RANDOM_BYTES <= len(cookie) <= MAX_BROWSER_CHARACTERS and cookie.isascii()
    return cookie if is_ours and cookie is not None else new_value()
