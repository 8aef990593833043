"""The endpoints of budgets."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.budgets.schemas import BudgetChanges, BudgetQuery, BudgetView, NewBudgetBody
from aqueduct.admin_api.desk import Desk, IfMatch, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.allowances import Budgets
from aqueduct.domain.scopes import Kind

router = new_router("budgets")
Reading = Annotated[Desk, reads(Kind.BUDGET)]
Writing = Annotated[Desk, writes(Kind.BUDGET)]


@router.get("")
async def list_budgets(desk: Reading, query: Annotated[BudgetQuery, Query()]) -> ListOf[BudgetView]:
    """List the budgets that you may see."""
    return await desk.page(Budgets, query.listing(), BudgetView)


@router.post("", status_code=201)
async def create_budget(desk: Writing, body: NewBudgetBody) -> BudgetView:
    """Give a subject a budget."""
    made = await Budgets(desk.registry).create(desk.actor, body.subject_type, body.subject, body.wanted)
    return desk.show(made, BudgetView)


@router.get("/{budget}")
async def read_budget(desk: Reading, budget: str) -> BudgetView:
    """Read a budget."""
    return await desk.read(Budgets, budget, BudgetView)


@router.patch("/{budget}")
async def change_budget(desk: Writing, budget: str, body: BudgetChanges, if_match: IfMatch = None) -> BudgetView:
    """Change a budget."""
    return await desk.change(Budgets, budget, body, if_match, BudgetView)


@router.delete("/{budget}")
async def delete_budget(desk: Writing, budget: str, if_match: IfMatch = None) -> BudgetView:
    """Delete a budget; answers what it was."""
    return await desk.delete(Budgets, budget, if_match, BudgetView)
