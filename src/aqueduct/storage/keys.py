"""The server keys that API tokens are hashed with, and those that secrets are encrypted with: rings, to be rotated.

The first key of a ring makes what is new; every other one still knows what was made with it. Keys from the settings
come before those of `keys.json` in the data directory, which only `serve` makes.
"""

import hmac
import secrets
from collections.abc import Sequence

import msgspec

from aqueduct.errors import ConfigurationError
from aqueduct.settings import KEY_BYTES, ServerKey
from aqueduct.storage.directory import DataDirectory, exclusive_lock, write_private
from aqueduct.storage.vault import Vault

Digest = tuple[str, bytes]
"""The id of a server key and the hash under it."""


class StoredKey(msgspec.Struct):
    """One key as `keys.json` holds it."""

    id: str
    key: str


class KeyFile(msgspec.Struct):
    """The content of `keys.json`, the newest keys first."""

    hash: list[StoredKey]
    encryption: list[StoredKey] = []


class KeyRing:
    """The keys in use, the one for new tokens first."""

    def __init__(self, keys: Sequence[ServerKey]) -> None:
        by_id: dict[str, ServerKey] = {}
        for key in keys:
            by_id.setdefault(key.id, key)
        self._keys = tuple(by_id.values())

    @property
    def ids(self) -> frozenset[str]:
        """The ids of the keys in use."""
        return frozenset(key.id for key in self._keys)

    def digest(self, value: str) -> Digest:
        """Return the id of the first key and the hash under it: what is stored of a new token."""
        key = self._keys[0]
        return key.id, hmac.digest(key.key, value.encode(), "sha256")

    def candidates(self, value: str) -> list[Digest]:
        """Return the (key id, hash) pairs that a stored token with this value may have."""
        return [(key.id, hmac.digest(key.key, value.encode(), "sha256")) for key in self._keys]


def create_keys(directory: DataDirectory, *, hashes: bool = True, encrypts: bool = True) -> None:
    """Put a random key of each use that is wanted into `keys.json`, unless it has one."""
    with exclusive_lock(directory.lock_file):
        stored = read_keys(directory)
        hash_keys = stored.hash or [new_key("k")] * hashes
        encryption_keys = stored.encryption or [new_key("e")] * encrypts
        if hash_keys != stored.hash or encryption_keys != stored.encryption:
            write_private(directory.keys, msgspec.json.encode(KeyFile(hash_keys, encryption_keys)))


def new_key(prefix: str) -> StoredKey:
    """Return a random key."""
    return StoredKey(id=f"{prefix}{secrets.token_hex(4)}", key=secrets.token_hex(KEY_BYTES))


def load_keys(directory: DataDirectory, from_settings: Sequence[ServerKey]) -> KeyRing:
    """Read the ring for hashing; raises `ConfigurationError` where there is no key."""
    keys = [*from_settings, *as_server_keys(directory, read_keys(directory).hash)]
    if not keys:
        raise ConfigurationError(f"{directory.keys} is missing. Restore it from a backup, or set AQUEDUCT_HASH_KEYS.")
    return KeyRing(keys)


def load_vault(directory: DataDirectory, from_settings: Sequence[ServerKey]) -> Vault:
    """Read the ring for encrypting; it may be empty where no secret was kept yet."""
    return Vault([*from_settings, *as_server_keys(directory, read_keys(directory).encryption)])


def read_keys(directory: DataDirectory) -> KeyFile:
    """Read `keys.json`, if it is there; raises `ConfigurationError` where it cannot be understood."""
    try:
        return msgspec.json.decode(directory.keys.read_bytes(), type=KeyFile)
    except FileNotFoundError:
        return KeyFile([])
    except OSError as error:
        raise ConfigurationError(f"{directory.keys} cannot be read: {error.strerror}. Run as its owner.") from None
    except ValueError:
        raise ConfigurationError(f"{directory.keys} is damaged. Restore it from a backup.") from None


def as_server_keys(directory: DataDirectory, stored: Sequence[StoredKey]) -> list[ServerKey]:
    """Return keys of the file as they are used; raises `ConfigurationError` for one that is none."""
    try:
        return [ServerKey(entry.id, bytes.fromhex(entry.key)) for entry in stored]
    except ValueError:
        raise ConfigurationError(f"{directory.keys} is damaged. Restore it from a backup.") from None
