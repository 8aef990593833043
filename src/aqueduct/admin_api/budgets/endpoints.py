"""The endpoints of budgets."""

from typing import Annotated

from fastapi import Query

from aqueduct.admin_api.budgets.schemas import BudgetChanges, BudgetQuery, BudgetView, NewBudgetBody
from aqueduct.admin_api.desk import Desk, IfMatch, read_etag, reads, writes
from aqueduct.admin_api.routing import new_router
from aqueduct.admin_api.schemas import ListOf
from aqueduct.control.allowances import Budgets
from aqueduct.domain.budget import Budget
from aqueduct.domain.scopes import Kind

router = new_router("budgets")
Reading = Annotated[Desk, reads(Kind.BUDGET)]
Writing = Annotated[Desk, writes(Kind.BUDGET)]


@router.get("")
async def list_budgets(desk: Reading, query: Annotated[BudgetQuery, Query()]) -> ListOf[BudgetView]:
    """List the budgets that you may see, with what was spent of them in their present periods."""
    budgets = Budgets(desk.registry)
    page = await budgets.page(desk.actor, query.listing())
    spent = await budgets.with_spending(page.items)
    return ListOf(data=[BudgetView.model_validate(each) for each in spent], next_cursor=page.next_cursor)


@router.post("", status_code=201)
async def create_budget(desk: Writing, body: NewBudgetBody) -> BudgetView:
    """Give a subject a budget."""
    made = await Budgets(desk.registry).create(desk.actor, body.subject_type, body.subject, body.wanted)
    return await show(desk, made)


@router.get("/{budget}")
async def read_budget(desk: Reading, budget: str) -> BudgetView:
    """Read a budget."""
    return await show(desk, await Budgets(desk.registry).read(desk.actor, budget))


@router.patch("/{budget}")
async def change_budget(desk: Writing, budget: str, body: BudgetChanges, if_match: IfMatch = None) -> BudgetView:
    """Change a budget."""
    return await show(desk, await desk.changed(Budgets, budget, body, if_match))


@router.delete("/{budget}")
async def delete_budget(desk: Writing, budget: str, if_match: IfMatch = None) -> BudgetView:
    """Delete a budget; answers what it was."""
    gone = await Budgets(desk.registry).delete(desk.actor, budget, version=read_etag(if_match))
    return await show(desk, gone)


async def show(desk: Desk, budget: Budget) -> BudgetView:
    """Show a budget with what was spent of it."""
    (spent,) = await Budgets(desk.registry).with_spending([budget])
    return desk.show(spent, BudgetView)
