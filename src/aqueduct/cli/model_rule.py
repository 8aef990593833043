"""`aqueduct model-rule`: which models a subject may use."""

from dataclasses import dataclass
from typing import Annotated

import typer

from aqueduct.cli.filters import Names, SubjectFilters, naming, read_list
from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import AsJson, SubjectOptions, parse_list, spread
from aqueduct.cli.printing import show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.allowances import ModelRules, NewModelRule
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.model_rules import ModelRule

commands = typer.Typer(help="Model rules: which models may be used, by whom.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The rule's id.")]
Allow = Annotated[str | None, typer.Option(help="Only these models: a,b or gpt-*; all if left out.")]
Deny = Annotated[str | None, typer.Option(help="None of these, whatever is allowed.")]
CLEARABLE: Clearable = {"allow": ("allow", None), "deny": ("deny", ())}


@dataclass(frozen=True, kw_only=True)
class RuleOptions(SubjectOptions):
    """Who may use what."""

    allow: Allow = None
    deny: Deny = None
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


@dataclass(frozen=True, kw_only=True)
class RuleFilters(SubjectFilters):
    """Which rules are listed."""

    as_json: AsJson = False


@commands.command("list")
@spread
def list_all(wanted: RuleFilters) -> None:
    """Show the rules."""

    async def read(workspace: Workspace) -> tuple[list[ModelRule], Names]:
        return await read_list(workspace, ModelRules, await wanted.columns(workspace))

    found, names = in_workspace(read)
    named = naming(names)
    columns = {
        "Id": lambda each: each.id,
        "Of": lambda each: each.subject_type,
        "Which": lambda each: named(each.subject_id),
        "Allowed": lambda each: "all" if each.allow is None else each.allow,
        "Denied": lambda each: each.deny,
        "Inherits": lambda each: each.inherits,
    }
    show_list(found, columns, as_json=wanted.as_json)


commands.command("show")(show_one(ModelRules, "ID"))


@commands.command("change")
def change(
    rule_id: Id,
    allow: Allow = None,
    deny: Deny = None,
    alone: Annotated[
        bool | None, typer.Option("--alone/--inherit", help="Leave out of account what holds above, or not.")
    ] = None,
    clear: Annotated[str | None, clearing(CLEARABLE)] = None,
) -> None:
    """Change what is given of a rule; the lists are replaced as a whole."""
    given = {
        "allow": None if allow is None else parse_list(allow, "models"),
        "deny": None if deny is None else parse_list(deny, "models"),
        "inherits": None if alone is None else not alone,
    }
    changes = changes_of(given, clear, CLEARABLE)
    changed = in_workspace(lambda workspace: ModelRules(workspace.registry).change(SYSTEM, rule_id, changes))
    note(f"Changed {changed.id}.")


@commands.command("delete")
def delete(rule_id: Id) -> None:
    """Take a rule away."""
    gone = in_workspace(lambda workspace: ModelRules(workspace.registry).delete(SYSTEM, rule_id))
    note(f"Deleted {gone.id}.")
