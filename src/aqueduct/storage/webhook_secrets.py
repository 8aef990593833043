"""The secrets that webhooks' messages are signed with: encrypted in the row of the webhook.

They have to be read again for every message, so a hash will not do. Every gateway that has the key delivers, wherever
the webhook was made.
"""

import base64
import secrets

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.webhook import SECRET_PREFIX
from aqueduct.storage.tables import webhooks
from aqueduct.storage.vault import Sealed, Vault

SECRET_BYTES = 32
OVERLAP_SECONDS = 86_400.0
"""How long messages are signed with a secret's predecessor too."""


class StoredSecret(msgspec.Struct, frozen=True):
    """The secret of one webhook, and the one before it while receivers are still changing over."""

    secret: str
    previous: str | None = None
    previous_expires_at: float = 0.0

    def usable(self, now: float) -> list[str]:
        """Return what messages are signed with, the newest first."""
        return [self.secret, *([self.previous] if self.previous is not None and now < self.previous_expires_at else [])]


class WebhookSecrets:
    """The secrets, as far as the keys of the vault open them."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    @property
    def key_ids(self) -> frozenset[str]:
        """The ids of the keys that secrets may be encrypted with to be read here."""
        return self._vault.ids

    async def make(self, connection: AsyncConnection, webhook_id: str, now: float) -> str:
        """Give a webhook a new secret and return it, once; one that it had goes on signing for a day.

        One that cannot be read any more is gone: whoever makes a new secret may do so because the key is lost.
        """
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        sealed = await read_sealed(connection, webhook_id)
        former = None if sealed is None or sealed.key_id not in self.key_ids else self.open(sealed, webhook_id)
        stored = (
            StoredSecret(secret)
            if former is None
            else StoredSecret(secret, former.secret, previous_expires_at=now + OVERLAP_SECONDS)
        )
        key_id, content = self._vault.seal(msgspec.json.encode(stored), webhook_id)
        changed = sa.update(webhooks).where(webhooks.c.id == webhook_id)
        await connection.execute(changed.values(secret_key_id=key_id, secret=content))
        return secret

    async def find(self, connection: AsyncConnection, webhook_id: str) -> StoredSecret | None:
        """Read a webhook's secret; None where it has none. Raises `CannotOpen`."""
        sealed = await read_sealed(connection, webhook_id)
        return None if sealed is None else self.open(sealed, webhook_id)

    def open(self, sealed: Sealed, webhook_id: str) -> StoredSecret:
        """Return a secret that was read with its row; raises `CannotOpen`."""
        return msgspec.json.decode(self._vault.open(sealed, webhook_id), type=StoredSecret)


async def read_sealed(connection: AsyncConnection, webhook_id: str) -> Sealed | None:
    """Read the secret of a webhook as it is stored."""
    statement = sa.select(webhooks.c.secret_key_id, webhooks.c.secret).where(webhooks.c.id == webhook_id)
    row = (await connection.execute(statement)).first()
    return None if row is None or row[0] is None else Sealed(*row)


async def used_key_ids(connection: AsyncConnection) -> set[str]:
    """Return the ids of the keys that secrets are encrypted with."""
    column = webhooks.c.secret_key_id
    return set(await connection.scalars(sa.select(column).where(column.is_not(None)).distinct()))
