"""The door: who asks is known before anything is read of what he asks."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from aqueduct.domain.actor import actor_of
from aqueduct.domain.principal import Principal
from aqueduct.errors import PermissionDenied

ACTOR = "aqueduct.actor"
API_TOKEN_ID = "aqueduct.api_token_id"  # noqa: S105 - the name of a member

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
"""An application as ASGI has it."""

Authenticate = Callable[[Scope], Awaitable[Principal]]
"""Tells whose request it is, from its scope; raises `RequestError` for a stranger."""


class Door:
    """Lets principals in whose API tokens open the control plane at all.

    Anybody comes to the `open_paths`, and whoever has a token at all to what is below the `free_paths`.
    """

    def __init__(
        self, app: Application, authenticate: Authenticate, open_paths: frozenset[str], free_paths: tuple[str, ...]
    ) -> None:
        self._app = app
        self._authenticate = authenticate
        self._open_paths = open_paths
        self._free_paths = free_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of somebody who is known, or refuse it."""
        if scope["path"] not in self._open_paths:
            principal = await self._authenticate(scope)
            if not principal.scopes and not scope["path"].startswith(self._free_paths):
                raise PermissionDenied("This API token has no scope that lets it administer anything.")
            client = scope["client"]
            scope[ACTOR] = actor_of(principal, address=None if client is None else client[0])
            scope[API_TOKEN_ID] = principal.id
        await self._app(scope, receive, send)
