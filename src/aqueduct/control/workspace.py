"""What every use case needs, opened together and closed together."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import structlog

from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.registry import Registry
from aqueduct.errors import ConfigurationError
from aqueduct.settings import Settings
from aqueduct.storage import api_tokens
from aqueduct.storage.database import Database, open_database
from aqueduct.storage.directory import PRIVATE_FILE, DataDirectory, write_private
from aqueduct.storage.keys import KeyRing, create_keys, load_keys, load_vault
from aqueduct.storage.migrate import migrate
from aqueduct.storage.revision import Revision
from aqueduct.storage.vault import Vault
from aqueduct.storage.webhook_secrets import WebhookSecrets, used_key_ids

logger = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Workspace:
    """A data directory and its database, ready for use."""

    directory: DataDirectory
    database: Database
    keys: KeyRing
    vault: Vault
    revision: Revision
    webhook_networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @property
    def registry(self) -> Registry:
        """Where everything that is administered is kept: each kind's use cases are made with it."""
        return Registry(
            self.database, self.keys, self.revision, WebhookSecrets(self.vault), webhook_networks=self.webhook_networks
        )

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
    async with prepared_workspace(settings) as workspace:
        await require_shared_keys(workspace, time.time())
        note_config_file(workspace.directory, settings.config_file)
        yield workspace


@asynccontextmanager
async def prepared_workspace(settings: Settings) -> AsyncIterator[Workspace]:
    """Open the data directory, making what is missing, for whoever brings what is to be in the database.

    That is `serve`, or a restore; any other command that made one would mint tokens into a database nobody serves.
    """
    directory = DataDirectory(settings.data_dir)
    directory.create()
    create_keys(directory, hashes=not settings.hash_keys, encrypts=not settings.encryption_keys)
    if settings.database_url is None:
        # SQLite would make it readable for everyone; an empty file is a database to it.
        directory.database.touch(PRIVATE_FILE)
    async with _opened(settings, directory) as workspace:
        await migrate(workspace.database, directory)
        yield workspace


def note_config_file(directory: DataDirectory, config_file: Path | None) -> None:
    """Note which config file the gateway was started with, for `aqueduct apply`."""
    if config_file is None:
        directory.config_note.unlink(missing_ok=True)
    else:
        write_private(directory.config_note, str(config_file.absolute()).encode())


def noted_config_file(settings: Settings) -> Path | None:
    """Return the config file that the gateway of the data directory was last started with."""
    try:
        return Path(DataDirectory(settings.data_dir).config_note.read_text())
    except OSError:
        return None


async def require_shared_keys(workspace: Workspace, now: float) -> None:
    """See to it that gateways on one database have their keys in common.

    Raises `ConfigurationError` where none of the live API tokens would be recognised. Where it is only some of them, or
    a webhook's secret, the log says which keys are missing: they may have been taken away on purpose.
    """
    async with workspace.database.reading() as connection:
        hashed_with = await api_tokens.live_key_ids(connection, now)
        encrypted_with = await used_key_ids(connection)
    unknown = hashed_with - workspace.keys.ids
    if unknown and unknown == hashed_with:
        raise ConfigurationError(
            f"No API token in the database would work: they are hashed with other keys ({', '.join(sorted(unknown))}) "
            f"than this gateway has. Gateways that share a database share their keys: copy keys.json of the first one "
            f"to {workspace.directory.keys}, or set AQUEDUCT_HASH_KEYS and AQUEDUCT_ENCRYPTION_KEYS for all of them. "
            "If the keys are lost, close the tokens first: `aqueduct token revoke NAME`."
        )
    if unknown:
        logger.warning("some API tokens cannot work here: add their keys to AQUEDUCT_HASH_KEYS", keys=sorted(unknown))
    if unknown := encrypted_with - workspace.vault.ids:
        logger.warning(
            "some webhooks cannot be sent to from here: add their keys to AQUEDUCT_ENCRYPTION_KEYS",
            keys=sorted(unknown),
        )


@asynccontextmanager
async def _opened(settings: Settings, directory: DataDirectory) -> AsyncIterator[Workspace]:
    keys = load_keys(directory, settings.hash_keys)
    vault = load_vault(directory, settings.encryption_keys)
    database = open_database(settings, directory)
    revision = Revision(directory.revision)
    try:
        await database.require_answer()
        yield Workspace(directory, database, keys, vault, revision, settings.webhook_networks)
    finally:
        revision.close()
        await database.close()
