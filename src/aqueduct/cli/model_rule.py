"""`aqueduct model-rule`: which models a subject may use."""

from dataclasses import dataclass
from typing import Annotated

import typer

from aqueduct.cli.options import AsJson, SubjectOptions, parse_list, spread
from aqueduct.cli.printing import show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.allowances import ModelRules, NewModelRule
from aqueduct.domain.actor import SYSTEM

commands = typer.Typer(help="Model rules: which models may be used, by whom.", no_args_is_help=True)


@dataclass(frozen=True, kw_only=True)
class RuleOptions(SubjectOptions):
    """Who may use what."""

    allow: Annotated[str | None, typer.Option(help="Only these models: a,b or gpt-*; all if left out.")] = None
    deny: Annotated[str | None, typer.Option(help="None of these, whatever is allowed.")] = None
    alone: Annotated[bool, typer.Option("--alone", help="Leave out of account what holds above.")] = False


@commands.command("create")
@spread
def create(wanted: RuleOptions) -> None:
    """Say which models a subject may use, and print the rule's id."""
    kind, reference = wanted.subject()
    rule = NewModelRule(
        allow=None if wanted.allow is None else parse_list(wanted.allow, "models"),
        deny=() if wanted.deny is None else parse_list(wanted.deny, "models"),
        inherits=not wanted.alone,
    )
    made = in_workspace(lambda workspace: ModelRules(workspace.registry).create(SYSTEM, kind, reference, rule))
    print(made.id)


@commands.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Show every rule."""
    found = in_workspace(lambda workspace: ModelRules(workspace.registry).everything(SYSTEM))
    columns = {
        "Id": lambda each: each.id,
        "Of": lambda each: each.subject_type,
        "Which": lambda each: each.subject_id,
        "Allowed": lambda each: "all" if each.allow is None else each.allow,
        "Denied": lambda each: each.deny,
        "Inherits": lambda each: each.inherits,
    }
    show_list(found, columns, as_json=as_json)


@commands.command("delete")
def delete(rule_id: Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")]) -> None:
    """Take a rule away."""
    gone = in_workspace(lambda workspace: ModelRules(workspace.registry).delete(SYSTEM, rule_id))
    note(f"Deleted {gone.id}.")
