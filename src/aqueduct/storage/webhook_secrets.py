"""The secrets that webhooks' messages are signed with: in a private file, as the server keys are.

They have to be read again for every message, so a hash will not do, and the database holds no secret in the clear. A
gateway delivers to the webhooks whose secrets its data directory has.
"""

import base64
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from aqueduct.domain.webhook import SECRET_PREFIX
from aqueduct.errors import ConfigurationError
from aqueduct.storage.directory import DataDirectory, exclusive_lock, write_private

SECRET_BYTES = 32
OVERLAP_SECONDS = 86_400.0
"""How long messages are signed with a secret's predecessor too."""


class StoredSecret(msgspec.Struct):
    """The secret of one webhook, and the one before it while receivers are still changing over."""

    secret: str
    previous: str | None = None
    previous_expires_at: float = 0.0

    def usable(self, now: float) -> list[str]:
        """Return what messages are signed with, the newest first."""
        return [self.secret, *([self.previous] if self.previous is not None and now < self.previous_expires_at else [])]


class WebhookSecrets:
    """The file; read anew whenever it has changed, since commands change it beside the gateway."""

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._read_at: tuple[int, int] | None = None
        self._known: dict[str, StoredSecret] = {}

    def make(self, webhook_id: str) -> str:
        """Make a new secret and return it, once; one that there was goes on signing for a day."""
        secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
        with self._changing() as known:
            former = known.get(webhook_id)
            until = time.time() + OVERLAP_SECONDS
            known[webhook_id] = (
                StoredSecret(secret)
                if former is None
                else StoredSecret(secret, former.secret, previous_expires_at=until)
            )
        return secret

    def forget(self, webhook_id: str) -> None:
        """Remove the secret of a webhook that is gone."""
        with self._changing() as known:
            known.pop(webhook_id, None)

    def known(self) -> dict[str, StoredSecret]:
        """Return the secrets by the ids of their webhooks."""
        try:
            found = self._directory.webhook_secrets.stat()
            if self._read_at != (found.st_mtime_ns, found.st_ino):
                content = self._directory.webhook_secrets.read_bytes()
                self._known = msgspec.json.decode(content, type=dict[str, StoredSecret])
                self._read_at = (found.st_mtime_ns, found.st_ino)
        except FileNotFoundError:
            self._known, self._read_at = {}, None
        except (OSError, ValueError):
            raise ConfigurationError(
                f"{self._directory.webhook_secrets} is damaged or cannot be read. Restore it from a backup, "
                "or remove it and give every webhook a new secret with `aqueduct webhook rotate`."
            ) from None
        return self._known

    @contextmanager
    def _changing(self) -> Iterator[dict[str, StoredSecret]]:
        with exclusive_lock(self._directory.lock_file):
            changed = dict(self.known())
            yield changed
            write_private(self._directory.webhook_secrets, msgspec.json.encode(changed))
