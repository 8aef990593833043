"""`aqueduct budget`: how much money a subject may spend in a period."""

from dataclasses import dataclass
from typing import Annotated

import msgspec
import typer

from aqueduct.cli.filters import Names, SubjectFilters, naming, read_list
from aqueduct.cli.objects import Clearable, changes_of, clearing
from aqueduct.cli.options import AsJson, SubjectOptions, parse_list, spread
from aqueduct.cli.printing import print_one, show_list
from aqueduct.cli.session import in_workspace, note
from aqueduct.control.allowances import Budgets, NewBudget, parse_budget
from aqueduct.control.workspace import Workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.budget import Budget, Period, SpentBudget
from aqueduct.errors import InvalidValue

commands = typer.Typer(help="Budgets: how much money may be spent in a period.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The budget's id.")]
Alerts = Annotated[str | None, typer.Option(help="Percentages at which to tell: 50,80,100.")]
CLEARABLE: Clearable = {"alerts": ("alert_thresholds", ())}


@dataclass(frozen=True, kw_only=True)
class BudgetOptions(SubjectOptions):
    """Whose budget it is, and what happens when it is used up."""

    amount: Annotated[str, typer.Argument(metavar="AMOUNT/PERIOD", help="Such as 5.00/month; day, week, total.")]
    currency: Annotated[str | None, typer.Option(help="The currency's three letters; USD if left out.")] = None
    time_zone: Annotated[str, typer.Option(help="Where its days, weeks and months begin.")] = "UTC"
    soft: Annotated[bool, typer.Option("--soft", help="Only tell when it is used up, refuse nothing.")] = False
    alerts: Alerts = None

    def budget(self) -> NewBudget:
        """Return the budget that is wanted."""
        budget = parse_budget(self.amount)
        return msgspec.structs.replace(
            budget,
            currency=self.currency or budget.currency,
            time_zone=self.time_zone,
            is_hard=not self.soft,
            alert_thresholds=() if self.alerts is None else parse_percentages(self.alerts),
        )


@commands.command("create")
@spread
def create(wanted: BudgetOptions) -> None:
    """Give a subject a budget and print its id."""
    kind, reference = wanted.subject()
    budget = wanted.budget()
    made = in_workspace(lambda workspace: Budgets(workspace.registry).create(SYSTEM, kind, reference, budget))
    print(made.id)


@dataclass(frozen=True, kw_only=True)
class BudgetFilters(SubjectFilters):
    """Which budgets are listed."""

    period: Annotated[Period | None, typer.Option(help="Only those of this period.")] = None
    currency: Annotated[str | None, typer.Option(help="Only those in this currency.")] = None
    hard: Annotated[bool | None, typer.Option("--hard/--soft", help="Only those that refuse, or only tell.")] = None
    as_json: AsJson = False

    async def read(self, workspace: Workspace) -> tuple[list[SpentBudget], Names]:
        """Read the budgets with what was spent of them."""
        own = {"period": self.period and self.period.value, "currency": self.currency, "is_hard": self.hard}
        filters = {name: value for name, value in own.items() if value is not None}
        found, names = await read_list(workspace, Budgets, await self.columns(workspace) | filters)
        return await Budgets(workspace.registry).with_spending(found), names


@commands.command("list")
@spread
def list_all(wanted: BudgetFilters) -> None:
    """Show the budgets, with what was spent of them."""
    found, names = in_workspace(wanted.read)
    named = naming(names)
    columns = {
        "Id": lambda each: each.id,
        "Of": lambda each: each.subject_type,
        "Which": lambda each: named(each.subject_id),
        "Amount": lambda each: f"{each.amount.normalize():f} {each.currency}",
        "Spent": lambda each: f"{each.spent.normalize():f}",
        "Period": lambda each: each.period,
        "Time zone": lambda each: each.time_zone,
        "When used up": lambda each: "refuses" if each.is_hard else "tells",
        "Alerts": lambda each: [f"{threshold} %" for threshold in each.alert_thresholds],
    }
    show_list(found, columns, as_json=wanted.as_json)


@commands.command("show")
def show(budget_id: Id) -> None:
    """Print one budget as JSON, with what was spent of it."""

    async def read(workspace: Workspace) -> SpentBudget:
        budgets = Budgets(workspace.registry)
        (spent,) = await budgets.with_spending([await budgets.read(SYSTEM, budget_id)])
        return spent

    print_one(in_workspace(read))


@commands.command("change")
def change(
    budget_id: Id,
    amount: Annotated[
        str | None, typer.Argument(metavar="AMOUNT", help="The new amount, such as 12.50 or 12.50/month.")
    ] = None,
    time_zone: Annotated[str | None, typer.Option(help="Where its days, weeks and months begin.")] = None,
    hard: Annotated[bool | None, typer.Option("--hard/--soft", help="Refuse when it is used up, or only tell.")] = None,
    alerts: Alerts = None,
    clear: Annotated[str | None, clearing(CLEARABLE)] = None,
) -> None:
    """Change what is given of a budget."""
    thresholds = None if alerts is None else parse_percentages(alerts)
    given = {"amount": amount, "time_zone": time_zone, "is_hard": hard, "alert_thresholds": thresholds}
    changes = changes_of(given, clear, CLEARABLE)

    async def work(workspace: Workspace) -> Budget:
        budgets = Budgets(workspace.registry)
        if amount is not None:
            changes["amount"] = amount_for(amount, await budgets.read(SYSTEM, budget_id))
        return await budgets.change(SYSTEM, budget_id, changes)

    changed = in_workspace(work)
    note(f"Changed {changed.id}: {changed.amount.normalize():f} {changed.currency}/{changed.period}.")


@commands.command("delete")
def delete(budget_id: Id) -> None:
    """Take a budget away: nothing is refused for it any more."""
    gone = in_workspace(lambda workspace: Budgets(workspace.registry).delete(SYSTEM, budget_id))
    note(f"Deleted {gone.id}.")


def amount_for(text: str, budget: Budget) -> str:
    """Return the amount in `12.50`, `12.50 EUR` or `12.50/month`; another period or currency is an `InvalidValue`."""
    money, slash, period = text.partition("/")
    amount, _, currency = money.strip().partition(" ")
    if (slash and period.strip() != budget.period) or currency.strip() not in ("", budget.currency):
        kind = f"{budget.currency}/{budget.period}"
        raise InvalidValue(
            f"`{text[:50]}` is no amount of a budget in {kind}, which stays that: delete it and create one."
        )
    return amount


def parse_percentages(text: str) -> tuple[int, ...]:
    """Read `50,80,100`; raises `InvalidValue` for anything else."""
    parts = parse_list(text, "percentages")
    if not all(part.isascii() and part.isdigit() and len(part) <= 4 for part in parts):
        raise InvalidValue(f"`{text}` is not a list of percentages. Write whole numbers, parted by commas.")
    return tuple(map(int, parts))
