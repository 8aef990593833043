"""`aqueduct database`: moving, backing up and restoring what the gateway keeps."""

import asyncio
import getpass
import os
from pathlib import Path
from socket import gethostname
from typing import Annotated

import msgspec
import typer

from aqueduct.cli.session import in_workspace, note, settings_for
from aqueduct.control import databases
from aqueduct.control.workspace import prepared_workspace
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.storage.directory import DataDirectory

commands = typer.Typer(help="Move, back up and restore the database.", no_args_is_help=True)

Replace = Annotated[bool, typer.Option("--replace", help="Remove what that database has.")]
SHOWN_EVERY = 100_000


@commands.command("copy")
def copy(
    to: Annotated[str, typer.Option(help="Where: postgresql://user:password@host/name or sqlite:////path/to/file.")],
    replace: Replace = False,
) -> None:
    """Copy everything to another database, of either engine."""
    counts = in_workspace(lambda workspace: databases.copy_to(workspace, to, show_progress, replaces=replace))
    show_counts(counts)
    note("Set AQUEDUCT_DATABASE_URL to it and start the gateway again; what it recorded since is not in the copy.")


@commands.command("backup")
def backup(file: Annotated[Path, typer.Argument(help="The file to write; it must not exist.")]) -> None:
    """Write everything into one file, while the gateway serves."""
    in_workspace(lambda workspace: databases.back_up(workspace, file, show_progress))
    note(f"Written to {file}. It lacks the keys that tokens are hashed with: keep keys.json of the data directory too.")
    note("Keep aqueduct.yaml as well, and the secrets that it takes from the environment: neither is in the database.")


@commands.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    replace: Replace = False,
) -> None:
    """Put back what a backup holds, into either engine; a data directory that is not there yet is made."""
    settings = settings_for()
    databases.require_backup(file)

    async def run() -> tuple[dict[str, int], set[str]]:
        async with prepared_workspace(settings) as workspace:
            counts = await databases.restore(workspace, whoever_types(), file, show_progress, replaces=replace)
            return counts, await databases.unusable_keys(workspace)

    counts, unknown = asyncio.run(run())
    show_counts(counts)
    if unknown:
        keys = DataDirectory(settings.data_dir).keys
        note(
            f"API tokens of the backup are hashed with keys that are not here ({', '.join(sorted(unknown))}): "
            f"put the keys.json that belongs to it at {keys}, or they will not work."
        )


def whoever_types() -> Actor:
    """Return the command line with the names of the person and the machine: a restore replaces others' work."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        user = f"user {os.getuid()}"
    return msgspec.structs.replace(SYSTEM, name=f"command line, {user}", address=gethostname())


def show_progress(table: str, rows: int) -> None:
    """Say now and then how far it is."""
    if rows % SHOWN_EVERY == 0:
        note(f"{table}: {rows:,} rows so far")


def show_counts(counts: dict[str, int]) -> None:
    """Print what was copied, table by table; the counts were compared with what arrived."""
    for table, rows in counts.items():
        print(f"{table}\t{rows}")
