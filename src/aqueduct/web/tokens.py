"""API tokens: the list, and how one is made."""

import time
from datetime import UTC, datetime

from starlette.responses import Response

from aqueduct.control import issuance
from aqueduct.control.allowances import NewBudget, NewLimit
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.names import names_of
from aqueduct.control.owners import NewApiToken
from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.budget import Period
from aqueduct.domain.limit import Dimension
from aqueduct.storage.pages import Listing
from aqueduct.web.examples import example_model, examples
from aqueduct.web.forms import Form
from aqueduct.web.month import read_by
from aqueduct.web.navigation import leaders
from aqueduct.web.routing import get, post
from aqueduct.web.visit import Visit

TOKENS = "/ui/tokens"
PAGE_SIZE = 25
SORTS = {
    "-created_at": "Newest first",
    "created_at": "Oldest first",
    "name": "Name",
    "-last_used_at": "Last used",
    "expires_at": "Expiry",
}
LIFETIMES = {"30": "30 days", "90": "90 days", "365": "1 year", "never": "Never", "date": "On a day of your choice"}
PERIODS = {Period.MONTH.value: "a month", Period.WEEK.value: "a week", Period.DAY.value: "a day", "total": "in total"}
DIMENSIONS = {
    Dimension.REQUESTS_PER_MINUTE: "Requests a minute",
    Dimension.INPUT_TOKENS_PER_MINUTE: "Input tokens a minute",
    Dimension.OUTPUT_TOKENS_PER_MINUTE: "Output tokens a minute",
    Dimension.CONCURRENT_REQUESTS: "Requests at a time",
}
DAY_SECONDS = 86_400.0


def state(item: ApiToken) -> str:
    """Say how a token is, in one word."""
    if item.revoked_at is not None:
        return "revoked"
    return "active" if item.is_usable(time.time()) else "expired"


async def show(visit: Visit) -> Response:
    """Show the list."""
    whose = visit.query("whose", "mine") if leaders(visit.actor) else "mine"
    sort = visit.query("sort", "-created_at")
    ended, search = visit.query("ended") == "1", visit.query("search").strip()
    listing = Listing(
        filters={"user_id": visit.me.user.id} if whose == "mine" else {},
        search=search or None,
        sort=sort if sort in SORTS else "-created_at",
        size=PAGE_SIZE,
        cursor=visit.query("cursor") or None,
        with_ended=ended,
    )
    page = await ApiTokens(visit.registry).page(visit.actor, listing)
    usage = await read_by(visit, "token", {"user_id": visit.me.user.id}) if whose == "mine" and page.items else {}
    owners = [owner for each in page.items for owner in (each.user_id, each.service_account_id, each.team_id)]
    return visit.render(
        "tokens.html",
        page=page,
        usage=usage,
        names=await names_of(visit.registry, owners),
        sorts=SORTS,
        query={"whose": whose, "sort": listing.sort, "search": search, "ended": "1" if ended else ""},
        is_first=listing.cursor is None,
        is_leader=leaders(visit.actor),
        state=state,
    )


async def show_new(visit: Visit) -> Response:
    """Show the form for a new one."""
    return await show_form(visit, Form())


async def show_form(visit: Visit, form: Form, status: int = 200) -> Response:
    """Show the form, with what was typed."""
    teams = await names_of(visit.registry, visit.actor.team_ids)
    models = sorted(name for name, _ in await visit.models())
    return visit.render(
        "token_new.html",
        status=status,
        form=form,
        lifetimes=LIFETIMES,
        periods=PERIODS,
        dimensions=DIMENSIONS,
        teams=teams,
        models=models,
        today=datetime.now(UTC).date().isoformat(),
    )


async def make(visit: Visit) -> Response:
    """Make one, and show its value, this once."""
    form = await visit.form()
    wanted, limits, budgets = read_token(form, visit.me.user.id), read_limits(form), read_budgets(form)
    if form.is_valid:
        with form.refusals():
            created = await issuance.issue(visit.registry, visit.actor, wanted, limits=limits, budgets=budgets)
            return await show_value(visit, created.api_token, created.value)
    return await show_form(visit, form, 422)


async def show_value(visit: Visit, api_token: ApiToken, value: str, grace: str | None = None) -> Response:
    """Show a value that is shown only once; `grace` says how long the one before still works."""
    return visit.render(
        "token_value.html",
        token=api_token,
        value=value,
        grace=grace,
        examples=examples(visit.base_url, await example_model(visit, api_token.allowed_models), value),
    )


def read_token(form: Form, user_id: str) -> NewApiToken:
    """Read what is wanted of the token itself."""
    models, networks = form.words("models"), form.words("networks")
    return NewApiToken(
        name=form.text("name", required=True),
        user=user_id,
        team=form.text("team") or None,
        expires_at=read_expiry(form),
        allowed_models=models or None,
        ip_allow_list=networks or None,
    )


def read_expiry(form: Form) -> float | None:
    """Read when it ends; None is never."""
    lifetime = form.choice("lifetime", LIFETIMES, "90")
    if lifetime == "date":
        ends_at = form.day_end("expires_on")
        if ends_at is None:
            form.fail("expires_on", "Choose a day.")
        elif ends_at <= time.time():
            form.fail("expires_on", "This day is over. Choose a later one.")
        return ends_at
    return None if lifetime == "never" else time.time() + int(lifetime) * DAY_SECONDS


def read_limits(form: Form) -> list[NewLimit]:
    """Read the token's own limits."""
    amounts = {dimension: form.integer(dimension.value) for dimension in DIMENSIONS}
    return [NewLimit(dimension=each, amount=amount) for each, amount in amounts.items() if amount is not None]


def read_budgets(form: Form) -> list[NewBudget]:
    """Read the token's own budget, if it has one."""
    amount = form.amount("budget")
    period = form.choice("period", PERIODS, Period.MONTH.value)
    currency = form.text("currency").upper() or "USD"
    return [] if amount is None else [NewBudget(amount=amount, period=Period(period), currency=currency)]


PAGES = (
    get(TOKENS, show),
    get("/ui/tokens/new", show_new),
    post(TOKENS, make),
)
