"""The data directory: where each file is, and who may make it."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aqueduct.errors import ConfigurationError

PRIVATE_DIRECTORY = 0o700
PRIVATE_FILE = 0o600


class DataDirectory:
    """A directory that holds everything Aqueduct keeps; the database too, unless that is elsewhere."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.database = self.path / "aqueduct.db"
        self.keys = self.path / "keys.json"
        self.revision = self.path / "revision"
        self.journal = self.path / "journal"
        self.first_token = self.path / "first-token"
        self.first_link = self.path / "first-sign-in-link"
        self.config_note = self.path / "config-file"
        self.lock_file = self.path / "lock"

    def create(self) -> None:
        """Make the directory, private to its owner, unless it is there; only `serve` and a restore may call this.

        Raises `ConfigurationError` when it cannot be made or written.
        """
        try:
            self.path.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
            self.journal.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
            with exclusive_lock(self.lock_file):
                pass
        except OSError as error:
            raise ConfigurationError(
                f"The data directory {self.path} cannot be written: {error.strerror}. "
                "Set AQUEDUCT_DATA_DIR to a directory that this user may write."
            ) from None

    def require(self) -> None:
        """Raise `ConfigurationError` unless a gateway has made the directory.

        A command that made one by itself would mint tokens into a database that nobody serves.
        """
        if not self.lock_file.exists():
            raise ConfigurationError(
                f"There is no data directory at {self.path}. Start `aqueduct serve` once, "
                "or set AQUEDUCT_DATA_DIR to the directory that the gateway uses."
            )


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold the lock file at `path`, across processes, waiting for it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all, and onto the disk."""
    draft = path.with_name(f"{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
