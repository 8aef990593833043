"""Secrets at rest: AES-256-GCM under a ring of keys, each ciphertext bound to the row that it is of."""

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from aqueduct.errors import ConfigurationError
from aqueduct.settings import ServerKey

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES = 12
"""What GCM takes as it is (NIST SP 800-38D, 8.2); random ones do for some billion secrets a key."""


class Sealed(NamedTuple):
    """A ciphertext, its nonce before it, and the id of the key it was made with."""

    key_id: str
    content: bytes


class CannotOpen(ConfigurationError):
    """A ciphertext was made with a key that is not here, or it is not what was made."""


class Vault:
    """The keys in use, the one for new secrets first."""

    def __init__(self, keys: Sequence[ServerKey]) -> None:
        self._newest = keys[0].id if keys else None
        # From the last on, since the first of an id counts.
        self._keys = {key.id: key.key for key in reversed(keys)}

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the keys in use."""
        return frozenset(self._keys)

    def seal(self, plain: bytes, row_id: str) -> Sealed:
        """Encrypt what belongs to a row; raises `ConfigurationError` where there is no key."""
        if self._newest is None:
            raise ConfigurationError(
                "There is no key to encrypt secrets with. Start `aqueduct serve` once, or set AQUEDUCT_ENCRYPTION_KEYS."
            )
        nonce = secrets.token_bytes(NONCE_BYTES)
        content = cipher(self._keys[self._newest]).encrypt(nonce, plain, row_id.encode())
        return Sealed(self._newest, nonce + content)

    def open(self, sealed: Sealed, row_id: str) -> bytes:
        """Decrypt what belongs to a row; raises `CannotOpen`."""
        if sealed.key_id not in self._keys:
            raise CannotOpen(
                f"A secret is encrypted with the key `{sealed.key_id}`. Add it to AQUEDUCT_ENCRYPTION_KEYS."
            )
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see `cipher`

        nonce, content = sealed.content[:NONCE_BYTES], sealed.content[NONCE_BYTES:]
        try:
            return cipher(self._keys[sealed.key_id]).decrypt(nonce, content, row_id.encode())
        except (InvalidTag, ValueError):
            raise CannotOpen(f"A secret of `{row_id}` is damaged. Make a new one.") from None


def cipher(key: bytes) -> "AESGCM":
    """Return the cipher under a key."""
    # 100 ms and 9 MB, which only those pay who have secrets.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - see above

    return AESGCM(key)
