"""`aqueduct limit`: how much a subject may use at a time."""

from dataclasses import dataclass
from typing import Annotated

import typer

from aqueduct.cli.filters import Names, SubjectFilters, naming, read_list
from aqueduct.cli.objects import Clearable, changes_of, clearing, show_one
from aqueduct.cli.options import AsJson, LimitOptions, SubjectOptions, one_of, parse_multipliers, spread
from aqueduct.cli.printing import show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.allowances import Limits
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.limit import Dimension, Limit
from aqueduct.domain.subject import SubjectType
from aqueduct.errors import InvalidValue

commands = typer.Typer(help="Limits: how much may be used at a time; the tightest wins.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The limit's id.")]
Model = Annotated[str | None, typer.Option(help="Only for these models: gpt-4.1 or gpt-*.")]
Multipliers = Annotated[str | None, typer.Option(help="How many times a model counts: gpt-5=2,gpt-4*=0.5.")]
CLEARABLE: Clearable = {"model": ("model_pattern", None), "multipliers": ("multipliers", {})}


@dataclass(frozen=True, kw_only=True)
class NewLimits(SubjectOptions, LimitOptions):
    """Whom to limit, and how."""

    end_user: Annotated[str | None, typer.Option(help="An end user of the organisation; * for each one.")] = None
    model: Model = None

    multipliers: Multipliers = None

    def whom(self) -> tuple[SubjectType, str]:
        """Return the subject; an end user is one of an organisation."""
        if self.end_user is None:
            return self.subject()
        return one_of({SubjectType.END_USER: f"{self.organisation or ''}/{self.end_user}"})


@commands.command("create")
@spread
def create(wanted: NewLimits) -> None:
    """Limit a subject, a limit for each option given, and print their ids."""
    kind, reference = wanted.whom()
    limits = wanted.limits(wanted.model, wanted.multipliers)
    if not limits:
        raise InvalidValue("Say what is limited: --requests-per-minute, or another.")

    async def run(workspace: Workspace) -> list[str]:
        made = await Limits(workspace.registry).create_all(SYSTEM, kind, reference, limits)
        return [limit.id for limit in made]

    for limit_id in in_workspace(run):
        print(limit_id)


@dataclass(frozen=True, kw_only=True)
class LimitFilters(SubjectFilters):
    """Which limits are listed."""

    dimension: Annotated[Dimension | None, typer.Option(help="Only those of this dimension.")] = None
    as_json: AsJson = False


@commands.command("list")
@spread
def list_all(wanted: LimitFilters) -> None:
    """Show the limits."""

    async def read(workspace: Workspace) -> tuple[list[Limit], Names]:
        filters = await wanted.columns(workspace)
        if wanted.dimension is not None:
            filters["dimension"] = wanted.dimension.value
        return await read_list(workspace, Limits, filters)

    found, names = in_workspace(read)
    named = naming(names)
    columns = {
        "Id": lambda each: each.id,
        "Of": lambda each: each.subject_type,
        "Which": lambda each: named(each.subject_id),
        "What": lambda each: each.dimension,
        "Amount": lambda each: f"{each.amount:,}",
        "Models": lambda each: each.model_pattern or "all",
        "Multipliers": lambda each: [f"{model}={times:g}" for model, times in each.multipliers.items()],
    }
    show_list(found, columns, as_json=wanted.as_json)


commands.command("show")(show_one(Limits, "ID"))


@commands.command("change")
def change(
    limit_id: Id,
    amount: Annotated[int | None, typer.Option(help="How much there may be from now on.")] = None,
    model: Model = None,
    multipliers: Multipliers = None,
    clear: Annotated[str | None, clearing(CLEARABLE)] = None,
) -> None:
    """Change what is given of a limit."""
    weights = None if multipliers is None else parse_multipliers(multipliers)
    changes = changes_of({"amount": amount, "model_pattern": model, "multipliers": weights}, clear, CLEARABLE)
    changed = in_workspace(lambda workspace: Limits(workspace.registry).change(SYSTEM, limit_id, changes))
    note(f"Changed {changed.id}.")


@commands.command("delete")
def delete(limit_id: Id) -> None:
    """Lift a limit."""
    gone = in_workspace(lambda workspace: Limits(workspace.registry).delete(SYSTEM, limit_id))
    note(f"Deleted {gone.id}.")
