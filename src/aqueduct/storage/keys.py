"""The server keys that API tokens are hashed with: a ring, so that they can be rotated.

The first key hashes new tokens; every other one still recognises the tokens hashed with it. Keys from the settings come
before those of `keys.json` in the data directory, which only `serve` makes.
"""

import hmac
import secrets
from collections.abc import Sequence

import msgspec

from aqueduct.errors import ConfigurationError
from aqueduct.settings import KEY_BYTES, HashKey
from aqueduct.storage.directory import DataDirectory, exclusive_lock, write_private

Digest = tuple[str, bytes]
"""The id of a server key and the hash under it."""


class StoredKey(msgspec.Struct):
    """One key as `keys.json` holds it."""

    id: str
    key: str


class KeyFile(msgspec.Struct):
    """The content of `keys.json`; `hash` has the newest key first."""

    hash: list[StoredKey]


class KeyRing:
    """The keys in use, the one for new tokens first."""

    def __init__(self, keys: Sequence[HashKey]) -> None:
        by_id: dict[str, HashKey] = {}
        for key in keys:
            by_id.setdefault(key.id, key)
        self._keys = tuple(by_id.values())

    def digest(self, value: str) -> Digest:
        """Return the id of the first key and the hash under it: what is stored of a new token."""
        key = self._keys[0]
        return key.id, hmac.digest(key.key, value.encode(), "sha256")

    def candidates(self, value: str) -> list[Digest]:
        """Return the (key id, hash) pairs that a stored token with this value may have."""
        return [(key.id, hmac.digest(key.key, value.encode(), "sha256")) for key in self._keys]


def create_keys(directory: DataDirectory) -> None:
    """Make `keys.json` with one random key, unless it is there."""
    with exclusive_lock(directory.lock_file):
        if directory.keys.exists():
            return
        stored = StoredKey(id=f"k{secrets.token_hex(4)}", key=secrets.token_hex(KEY_BYTES))
        write_private(directory.keys, msgspec.json.encode(KeyFile(hash=[stored])))


def load_keys(directory: DataDirectory, from_settings: Sequence[HashKey]) -> KeyRing:
    """Read the ring; raises `ConfigurationError` where there is no key or the file cannot be understood."""
    keys = list(from_settings)
    try:
        content = directory.keys.read_bytes()
        stored = msgspec.json.decode(content, type=KeyFile)
        keys += [HashKey(entry.id, bytes.fromhex(entry.key)) for entry in stored.hash]
    except FileNotFoundError:
        pass
    except OSError as error:
        raise ConfigurationError(f"{directory.keys} cannot be read: {error.strerror}. Run as its owner.") from None
    except ValueError:
        raise ConfigurationError(f"{directory.keys} is damaged. Restore it from a backup.") from None
    if not keys:
        raise ConfigurationError(f"{directory.keys} is missing. Restore it from a backup, or set AQUEDUCT_HASH_KEYS.")
    return KeyRing(keys)
