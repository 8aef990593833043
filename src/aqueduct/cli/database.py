"""`aqueduct database`: moving, backing up and restoring what the gateway keeps."""

from pathlib import Path
from typing import Annotated

import typer

from aqueduct.cli.session import in_workspace, note
from aqueduct.control import databases

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


@commands.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    replace: Replace = False,
) -> None:
    """Put back what a backup holds, into either engine."""
    show_counts(in_workspace(lambda workspace: databases.restore(workspace, file, show_progress, replaces=replace)))


def show_progress(table: str, rows: int) -> None:
    """Say now and then how far it is."""
    if rows % SHOWN_EVERY == 0:
        note(f"{table}: {rows:,} rows so far")


def show_counts(counts: dict[str, int]) -> None:
    """Print what was copied, table by table; the counts were compared with what arrived."""
    for table, rows in counts.items():
        print(f"{table}\t{rows}")
