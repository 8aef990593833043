"""How one signs in: one's passkeys, and one's accounts at issuers."""

from starlette.responses import Response

from aqueduct.errors import AlreadyExists, InvalidValue
from aqueduct.web import cookies
from aqueduct.web.forms import Form
from aqueduct.web.issuers import WAYS
from aqueduct.web.passkeys import answer_options, begin, read_answer
from aqueduct.web.routing import get, post
from aqueduct.web.visit import Visit


async def show(visit: Visit) -> Response:
    """Show them."""
    return await show_page(visit, Form())


async def show_page(visit: Visit, form: Form, status: int = 200) -> Response:
    """Show the page, with what was typed."""
    ways = visit.services.ways
    identities = await ways.identities.own(visit.actor)
    issuers = ways.offered().issuers
    known = {each.issuer for each in identities}
    return visit.render(
        "account_ways.html",
        status=status,
        form=form,
        passkeys=await ways.passkeys.registered(visit.actor, visit.me.user.id),
        takes_passkeys=ways.takes_passkeys(visit.base_url),
        origin=ways.origin,
        identities=identities,
        labels={each.url: each.label for each in issuers},
        connectable=[each for each in issuers if each.url not in known],
    )


async def ask(visit: Visit) -> Response:
    """Give the options for making a passkey."""
    browser = begin(visit)
    return answer_options(visit, browser, await visit.services.ways.passkeys.begin_registration(visit.actor, browser))


async def register(visit: Visit) -> Response:
    """Keep a passkey that was made."""
    begin(visit)
    form = await visit.form()
    answer, name = read_answer(form), form.text("name", required=True)
    if form.is_valid:
        browser = visit.request.cookies.get(cookies.FLOW)
        try:
            await visit.services.ways.passkeys.finish_registration(visit.actor, browser, answer, name=name)
        except (InvalidValue, AlreadyExists) as error:
            form.fail("name", str(error))
    if not form.is_valid:
        return await show_page(visit, form, 422)
    return visit.redirect(WAYS, f"The passkey {name} is registered. It is asked for after your password from now on.")


async def rename(visit: Visit) -> Response:
    """Give a passkey another name."""
    form = await visit.form()
    await visit.services.ways.passkeys.rename(visit.actor, visit.path("id"), form.text("name"))
    return visit.redirect(WAYS, "The passkey has another name.")


async def remove(visit: Visit) -> Response:
    """Remove a passkey."""
    await visit.services.ways.passkeys.remove(visit.actor, visit.path("id"))
    return visit.redirect(WAYS, "The passkey is removed.")


async def unlink(visit: Visit) -> Response:
    """Take an account at an issuer away."""
    await visit.services.ways.identities.unlink(visit.actor, visit.path("id"))
    return visit.redirect(WAYS, "The account is no longer connected.")


PAGES = (
    get(WAYS, show),
    post(f"{WAYS}/passkeys/options", ask),
    post(f"{WAYS}/passkeys", register),
    post(f"{WAYS}/passkeys/{{id}}/name", rename),
    post(f"{WAYS}/passkeys/{{id}}/remove", remove),
    post(f"{WAYS}/identities/{{id}}/remove", unlink),
)
