"""`aqueduct cache`: answers that are kept to be given again."""

from typing import Annotated

import typer

from aqueduct.cli.session import in_workspace, note
from aqueduct.control.cache import ResponseCache
from aqueduct.domain.actor import SYSTEM

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
    whose = "every organisation" if organisation is None else organisation
    note(f"Cleared the cached answers of {'every model' if model is None else model} for {whose}.")
