"""`aqueduct terms`: what an organisation's users accept before their tokens work."""

from typing import Annotated

import typer

from aqueduct.cli.options import WithinOrganisation
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.terms import TermsOfService
from aqueduct.domain.actor import SYSTEM

commands = typer.Typer(help="Terms of service, which users accept before their tokens work.", no_args_is_help=True)


@commands.command("publish")
def publish(
    file: Annotated[typer.FileText, typer.Argument(help="The text; - reads it from standard input.")],
    organisation: WithinOrganisation = None,
) -> None:
    """Put a new version in force, and print its id; from now on it must be accepted."""
    text = file.read()
    made = in_workspace(
        lambda workspace: TermsOfService(workspace.registry).publish(SYSTEM, text, organisation=organisation)
    )
    print(made.id)
    note(f"Version {made.number} is in force.")


@commands.command("show")
def show(organisation: WithinOrganisation = None) -> None:
    """Print the text in force."""
    found = in_workspace(
        lambda workspace: TermsOfService(workspace.registry).in_force(SYSTEM, organisation=organisation)
    )
    print(found.text.rstrip("\n"))
