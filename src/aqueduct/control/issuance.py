"""Makes a token together with limits and budgets of its own: all of it, or nothing."""

from collections.abc import Sequence

from aqueduct.control.allowances import Budgets, Limits, NewBudget, NewLimit
from aqueduct.control.api_tokens import ApiTokens, CreatedToken, taken
from aqueduct.control.owners import NewApiToken
from aqueduct.control.registry import Change, Registry
from aqueduct.control.subjects import place
from aqueduct.domain.actor import Actor
from aqueduct.domain.subject import SubjectType


async def issue(
    registry: Registry,
    actor: Actor,
    wanted: NewApiToken,
    *,
    limits: Sequence[NewLimit] = (),
    budgets: Sequence[NewBudget] = (),
) -> CreatedToken:
    """Make a token that is limited by itself, beside what its owners are; raises as `ApiTokens.issue` does."""
    async with registry.changing(actor, taken=taken(wanted.name)) as change:
        return await issue_in(registry, change, wanted, limits=limits, budgets=budgets)


async def issue_in(
    registry: Registry,
    change: Change,
    wanted: NewApiToken,
    *,
    limits: Sequence[NewLimit] = (),
    budgets: Sequence[NewBudget] = (),
) -> CreatedToken:
    """Make it in a transaction that is open."""
    created = await ApiTokens(registry).add_new(change, wanted)
    subject = place(SubjectType.API_TOKEN, created.api_token)
    for limit in limits:
        await Limits(registry).add_new(change, subject, limit)
    for budget in budgets:
        await Budgets(registry).add_new(change, subject, budget)
    return created
