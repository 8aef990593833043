"""Answers a request that is sent twice under one key only once: the first answer is kept and given again.

A key belongs to one API token. What was answered is given again only to somebody who may still do what he did: who has
lost his role, a team or a scope meanwhile is refused, and learns nothing. Only what succeeded is kept: a refusal has
changed nothing, and may be asked again. The
values of new API tokens are kept in this process's memory alone and for minutes, never in the database; after that the
answer is given again without them.
"""

import time
from collections.abc import Callable

import msgspec
from sqlalchemy.exc import IntegrityError

from aqueduct.domain.actor import Authority
from aqueduct.errors import IdempotencyKeyReused, NotAllowed, RequestInProgress
from aqueduct.storage import idempotency
from aqueduct.storage.database import Database
from aqueduct.storage.idempotency import KeptAnswer, Key

KEEP_SECONDS = 24 * 3600.0
WORK_SECONDS = 120.0
"""How long a request may take until its key is free again: its process must have died."""
SECRET_SECONDS = 600.0
MAX_SECRETS = 1000


class Idempotency:
    """What was answered under which key."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._secret_bodies: dict[Key, tuple[float, bytes]] = {}

    async def begin(self, key: Key, fingerprint: bytes, authority: Authority) -> KeptAnswer | None:
        """Take a key for a request, or return what was answered to the same one before.

        Raises `IdempotencyKeyReused` for another request, `RequestInProgress` while the first is not answered, and
        `NotAllowed` for whoever was more when he was answered than he is now.
        """
        now = self._clock()
        try:
            async with self._database.writing() as connection:
                await idempotency.remove_expired(connection, now)
                kept = await idempotency.find(connection, key)
                if kept is None:
                    await idempotency.reserve(connection, key, fingerprint, expires_at=now + WORK_SECONDS)
                    return None
        except IntegrityError:
            kept = None
        if kept is not None and kept.fingerprint != fingerprint:
            raise IdempotencyKeyReused("This idempotency key came with another request before. Use a new one.")
        if kept is None or kept.status is None:
            raise RequestInProgress("The first request with this idempotency key is still being answered.")
        if kept.authority is not None and not authority.includes(kept.authority):
            raise NotAllowed(
                "You may no longer see what this request was answered with: your role or team has changed."
            )
        return self._whole(key, kept)

    async def finish(self, key: Key, answer: KeptAnswer, secret_body: bytes | None = None) -> None:
        """Keep an answer; `secret_body` is the body that was really sent, where it holds what must not be stored."""
        now = self._clock()
        if secret_body is not None:
            self._forget(now)
            self._secret_bodies[key] = (now + SECRET_SECONDS, secret_body)
        async with self._database.writing() as connection:
            await idempotency.keep(connection, key, answer, expires_at=now + KEEP_SECONDS)

    async def release(self, key: Key) -> None:
        """Give a key back whose request was refused."""
        async with self._database.writing() as connection:
            await idempotency.release(connection, key)

    def _whole(self, key: Key, kept: KeptAnswer) -> KeptAnswer:
        self._forget(self._clock())
        if key not in self._secret_bodies:
            return kept
        return msgspec.structs.replace(kept, body=self._secret_bodies[key][1])

    def _forget(self, now: float) -> None:
        oldest_first = list(self._secret_bodies.items())
        for key, (expires_at, _) in oldest_first:
            if expires_at <= now or len(self._secret_bodies) >= MAX_SECRETS:
                del self._secret_bodies[key]
