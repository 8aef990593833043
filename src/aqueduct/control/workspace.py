"""What every use case needs, opened together and closed together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.registry import Registry
from aqueduct.settings import Settings
from aqueduct.storage.database import Database, open_database
from aqueduct.storage.directory import PRIVATE_FILE, DataDirectory
from aqueduct.storage.keys import KeyRing, create_keys, load_keys
from aqueduct.storage.migrate import migrate
from aqueduct.storage.revision import Revision
from aqueduct.storage.webhook_secrets import WebhookSecrets


@dataclass(frozen=True)
class Workspace:
    """A data directory and its database, ready for use."""

    directory: DataDirectory
    database: Database
    keys: KeyRing
    revision: Revision

    @property
    def registry(self) -> Registry:
        """Where everything that is administered is kept: each kind's use cases are made with it."""
        return Registry(self.database, self.keys, self.revision, WebhookSecrets(self.directory))

    @property
    def api_tokens(self) -> ApiTokens:
        """The use cases on API tokens."""
        return ApiTokens(self.registry)


@asynccontextmanager
async def open_workspace(settings: Settings) -> AsyncIterator[Workspace]:
    """Open what a running or earlier gateway has made, for a command.

    Raises `ConfigurationError` when there is none, or it is of another version.
    """
    directory = DataDirectory(settings.data_dir)
    directory.require()
    async with _opened(settings, directory) as workspace:
        await workspace.database.require_current_schema()
        yield workspace


@asynccontextmanager
async def create_workspace(settings: Settings) -> AsyncIterator[Workspace]:
    """Open the data directory for `serve`, making what is missing: directory, keys, tables."""
    directory = DataDirectory(settings.data_dir)
    directory.create()
    if not settings.hash_keys:
        create_keys(directory)
    if settings.database_url is None:
        # SQLite would make it readable for everyone; an empty file is a database to it.
        directory.database.touch(PRIVATE_FILE)
    async with _opened(settings, directory) as workspace:
        await migrate(workspace.database, directory)
        yield workspace


@asynccontextmanager
async def _opened(settings: Settings, directory: DataDirectory) -> AsyncIterator[Workspace]:
    keys = load_keys(directory, settings.hash_keys)
    database = open_database(settings, directory)
    revision = Revision(directory.revision)
    try:
        await database.require_answer()
        yield Workspace(directory, database, keys, revision)
    finally:
        revision.close()
        await database.close()
