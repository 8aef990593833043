"""`aqueduct terms`: what an organisation's users accept before their tokens work."""

from typing import Annotated

import typer

from aqueduct.cli.options import AsJson, WithinOrganisation
from aqueduct.cli.printing import show_instant, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.terms import TermsOfService
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.terms import Terms

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


@commands.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show the versions of every organisation, the newest first."""
    found = in_workspace(lambda workspace: TermsOfService(workspace.registry).everything(SYSTEM))
    columns = {
        "Organisation": lambda each: each.organisation_id,
        "Version": lambda each: each.number,
        "Id": lambda each: each.id,
        "Published": lambda each: show_instant(each.published_at),
        "Characters": lambda each: len(each.text),
    }
    show_list(found, columns, as_json=as_json)


@commands.command("show")
def show(
    terms_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="A version's id; else what is in force.")
    ] = None,
    organisation: WithinOrganisation = None,
) -> None:
    """Print the text in force, or of a version."""

    async def read(workspace: Workspace) -> Terms:
        use_cases = TermsOfService(workspace.registry)
        if terms_id is not None:
            return await use_cases.read(SYSTEM, terms_id)
        return await use_cases.in_force(SYSTEM, organisation=organisation)

    found = in_workspace(read)
    print(found.text.rstrip("\n"))
