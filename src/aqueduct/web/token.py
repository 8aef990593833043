"""One API token: what it may, what it used, and how it gets another value or ends."""

from starlette.responses import Response

from aqueduct.control.allowances import Budgets, Limits
from aqueduct.control.api_tokens import ApiTokens
from aqueduct.control.names import names_of
from aqueduct.domain.api_token import ApiToken
from aqueduct.errors import InvalidValue
from aqueduct.storage.pages import Listing
from aqueduct.web.forms import Form
from aqueduct.web.month import read_month
from aqueduct.web.routing import get, post
from aqueduct.web.tokens import DIMENSIONS, PERIODS, TOKENS, show_value, state
from aqueduct.web.visit import Visit

GRACES = {"3600": "1 hour", "86400": "1 day", "604800": "7 days", "2592000": "30 days"}
MAX_SHOWN = 100


async def show(visit: Visit) -> Response:
    """Show it."""
    return await show_token(visit, await find(visit))


async def find(visit: Visit) -> ApiToken:
    """Find the token of the path; one that was revoked is shown as well."""
    tokens = ApiTokens(visit.registry)
    listing = Listing(filters={"id": visit.path("token_id")}, size=1, with_ended=True)
    found = (await tokens.page(visit.actor, listing)).items
    return found[0] if found else await tokens.read(visit.actor, visit.path("token_id"))


async def show_token(visit: Visit, item: ApiToken, form: Form | None = None, status: int = 200) -> Response:
    """Show it, with what was typed."""
    about = Listing(filters={"subject_type": "api_token", "subject_id": item.id}, size=MAX_SHOWN)
    budgets = Budgets(visit.registry)
    owners = (item.user_id, item.service_account_id, item.team_id, item.organisation_id, item.created_by)
    return visit.render(
        "token.html",
        status=status,
        token=item,
        state=state(item),
        form=form or Form(written(item)),
        names=await names_of(visit.registry, owners),
        month=await read_month(visit, {"api_token_id": item.id}),
        limits=(await Limits(visit.registry).page(visit.actor, about)).items,
        budgets=await budgets.with_spending((await budgets.page(visit.actor, about)).items),
        dimensions=DIMENSIONS,
        periods=PERIODS,
        graces=GRACES,
    )


def written(item: ApiToken) -> dict[str, str]:
    """Return what the form begins with."""
    return {
        "name": item.name,
        "models": ", ".join(item.allowed_models or ()),
        "networks": ", ".join(item.ip_allow_list or ()),
        "version": str(item.version),
    }


async def change(visit: Visit) -> Response:
    """Change its name, models and networks."""
    item, form = await find(visit), await visit.form()
    version = form.integer("version")
    changes = {
        "name": form.text("name", required=True),
        "allowed_models": form.words("models") or None,
        "ip_allow_list": form.words("networks") or None,
    }
    if form.is_valid:
        with form.refusals():
            await ApiTokens(visit.registry).change(visit.actor, item.id, changes, version=version)
            return visit.redirect(f"{TOKENS}/{item.id}", "Saved. It acts on the next request.")
    return await show_token(visit, item, form, 422)


async def rotate(visit: Visit) -> Response:
    """Give it another value; the one before works a while longer."""
    form = await visit.form()
    grace = form.choice("grace", GRACES, "86400")
    tokens = ApiTokens(visit.registry)
    rotated = await tokens.rotate(visit.actor, visit.path("token_id"), grace_seconds=float(grace))
    return await show_value(visit, rotated.api_token, rotated.value, GRACES[grace])


async def regenerate(visit: Visit) -> Response:
    """Give it another value, and end the one before at once."""
    renewed = await ApiTokens(visit.registry).regenerate(visit.actor, visit.path("token_id"))
    return await show_value(visit, renewed.api_token, renewed.value)


async def revoke(visit: Visit) -> Response:
    """End it, where its name was typed to confirm that."""
    item, form = await find(visit), await visit.form()
    if form.text("confirm") != item.name:
        raise InvalidValue(f"Type the token's name, {item.name}, to confirm. It was not revoked.")
    await ApiTokens(visit.registry).revoke(visit.actor, item.id)
    return visit.redirect(TOKENS, f"{item.name} is revoked. Nothing gets in with it any more.")


PAGES = (
    get("/ui/tokens/{token_id}", show),
    post("/ui/tokens/{token_id}", change),
    post("/ui/tokens/{token_id}/rotate", rotate),
    post("/ui/tokens/{token_id}/regenerate", regenerate),
    post("/ui/tokens/{token_id}/revoke", revoke),
)
