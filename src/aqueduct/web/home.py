"""The first page: where the gateway is, a first call, and what was used this month."""

import time

from starlette.responses import Response

from aqueduct.control.allowances import Budgets, Limits
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.names import names_of
from aqueduct.control.owners import NewApiToken
from aqueduct.domain.budget import SpentBudget
from aqueduct.domain.limit import Limit
from aqueduct.errors import AlreadyExists, ControlError
from aqueduct.storage.pages import Listing
from aqueduct.web.examples import example_model, examples
from aqueduct.web.month import read_by, read_month
from aqueduct.web.routing import get, post
from aqueduct.web.tokens import DIMENSIONS
from aqueduct.web.visit import HOME, Visit

MAX_SHOWN = 50
MAX_MODELS = 6


async def show(visit: Visit) -> Response:
    """Show the first page."""
    return await show_home(visit)


async def make_token(visit: Visit) -> Response:
    """Make a token on the spot, and show the first call with it: its value is shown only now."""
    name = f"First call, {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())}"
    try:
        created = await ApiTokens(visit.registry).issue(visit.actor, NewApiToken(name=name, user=visit.me.user.id))
    except AlreadyExists:
        return visit.redirect(HOME, "There is a token of this second already. Try again.", "error")
    except ControlError as error:
        return visit.redirect(HOME, str(error), "error")
    return await show_home(visit, value=created.value)


async def show_home(visit: Visit, value: str | None = None) -> Response:
    """Show the page, with a token's value in the example where one was just made."""
    own = {"user_id": visit.me.user.id}
    by_model = await read_by(visit, "model", own)
    budgets, limits = await read_allowances(visit)
    names = await names_of(visit.registry, [each.subject_id for each in (*budgets, *limits)])
    used_most = sorted(by_model.items(), key=lambda each: each[1].requests, reverse=True)
    return visit.render(
        "home.html",
        value=value,
        examples=examples(visit.base_url, await example_model(visit), value),
        month=await read_month(visit, own),
        models=used_most[:MAX_MODELS],
        budgets=budgets,
        limits=limits,
        names=names,
        dimensions=DIMENSIONS,
    )


async def read_allowances(visit: Visit) -> tuple[list[SpentBudget], list[Limit]]:
    """Return the budgets and limits of the user, his teams and his organisation, as far as he may see them."""
    actor = visit.actor
    subjects = [visit.me.user.id, visit.me.user.organisation_id, *actor.team_ids]
    listing = Listing(filters={"subject_id": subjects}, size=MAX_SHOWN)
    budgets = Budgets(visit.registry)
    spent = await budgets.with_spending((await budgets.page(actor, listing)).items)
    return spent, list((await Limits(visit.registry).page(actor, listing)).items)


PAGES = (
    get(HOME, show),
    post("/ui/home/token", make_token),
)
