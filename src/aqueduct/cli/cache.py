"""`aqueduct cache`: answers that are kept to be given again."""

from typing import Annotated

import typer

from aqueduct.cli.session import in_workspace, note, settings_with_config
from aqueduct.config.choices import likely
from aqueduct.config.file import ConfigFile
from aqueduct.control.cache import ResponseCache
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS
from aqueduct.settings import environment

commands = typer.Typer(help="Answers that are kept to be given again.", no_args_is_help=True)


@commands.callback()
def cache() -> None:
    """Answers that are kept to be given again."""


@commands.command("clear")
def clear(
    organisation: Annotated[
        str | None, typer.Option(help="Only what is kept for this organisation, by its name or id.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Only answers of this model, by its own name.")] = None,
) -> None:
    """Let no answer be given again that is kept now, from the next request on."""
    in_workspace(
        lambda workspace: ResponseCache(workspace.registry).clear(SYSTEM, organisation=organisation, model=model)
    )
    if model is not None and (doubt := _doubt_of(model)) is not None:
        note(f"warning: {doubt}")
        return
    whose = "every organisation" if organisation is None else organisation
    note(f"Cleared the cached answers of {'every model' if model is None else model} for {whose}.")


def _doubt_of(name: str) -> str | None:
    """Say why nothing can have been kept under a name, by the config: no model has it, or it is another one's alias."""
    settings = settings_with_config(None)
    try:
        snapshot = ConfigFile(settings.config_file, environment(), KINDS).load()
    except ConfigurationError:
        return None  # a variable of the gateway's environment may be missing here: nothing is known
    model = snapshot.find(name)
    if model is None and snapshot.wildcard is None:
        meant = likely(name, [each.name for each in snapshot.models])
        hint = f" Did you mean `{meant}`?" if meant else ""
        return f"the config has no model `{name}`, so that nothing is kept under that name.{hint}"
    if model is not None and model.name != name:
        return f"`{name}` is another name of `{model.name}`, under which answers are kept: nothing was cleared of that."
    return None
