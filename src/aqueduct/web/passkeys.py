"""Signing in with a passkey: alone, or as the second step after the password.

`static/passkeys.js` asks for the options, has the browser answer them, and sends the form with the answer.
"""

from typing import Any

import msgspec
from starlette.responses import JSONResponse, Response

from aqueduct.control.flows import FLOW_SECONDS, browser_value
from aqueduct.errors import NotAllowed, NotFound, SignInRefused
from aqueduct.web import cookies
from aqueduct.web.forms import Form
from aqueduct.web.routing import get, post
from aqueduct.web.sign_in import INSECURE, SECOND, awaits_second_factor, finish, finish_second_factor
from aqueduct.web.visit import SIGN_IN, Visit, local_path

ALONE = "passkey"
AFTER_PASSWORD = "password and passkey"  # noqa: S105 - the name of a way of signing in


def answer_options(visit: Visit, browser: str, options: dict[str, Any]) -> Response:
    """Answer with options, and have the browser keep by what it is known."""
    response = JSONResponse(options)
    cookies.keep(response, cookies.FLOW, browser, FLOW_SECONDS)
    return response


def begin(visit: Visit) -> str:
    """Return by what the browser is known; raises where passkeys do not work."""
    if not visit.services.ways.offered().passkeys:
        raise NotFound("Passkeys are not in use here.")
    if visit.is_insecure:
        raise NotAllowed(INSECURE)
    return browser_value(visit.request.cookies.get(cookies.FLOW))


def read_answer(form: Form) -> dict[str, Any]:
    """Return what the browser answered; an empty one is refused by whoever checks it."""
    try:
        return msgspec.json.decode(form.secret("answer"), type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return {}


async def ask(visit: Visit) -> Response:
    """Give the options for signing in with a passkey alone."""
    browser = begin(visit)
    return answer_options(visit, browser, await visit.services.ways.passkeys.begin(browser))


async def sign_in(visit: Visit) -> Response:
    """Let in who has shown his passkey."""
    begin(visit)
    form = await visit.form()
    browser = visit.request.cookies.get(cookies.FLOW)
    user = await visit.services.ways.passkeys.finish(browser, read_answer(form))
    return await finish(visit, user, ALONE, local_path(form.value("next")))


async def show_second(visit: Visit) -> Response:
    """Ask for the passkey after the password."""
    try:
        await awaits_second_factor(visit)
    except SignInRefused as error:
        return visit.redirect(SIGN_IN, str(error), "error")
    can_ask = visit.services.ways.takes_passkeys(visit.base_url)
    return visit.render("sign_in_second.html", can_ask=can_ask, origin=visit.services.ways.origin)


async def ask_second(visit: Visit) -> Response:
    """Give the options for the second step."""
    user = await awaits_second_factor(visit)
    browser = begin(visit)
    return answer_options(visit, browser, await visit.services.ways.passkeys.begin(browser, user_id=user.id))


async def sign_in_second(visit: Visit) -> Response:
    """Let in who has shown his passkey after his password."""
    user = await awaits_second_factor(visit)
    form = await visit.form()
    browser = visit.request.cookies.get(cookies.FLOW)
    await visit.services.ways.passkeys.finish(browser, read_answer(form), user_id=user.id)
    return await finish_second_factor(visit, AFTER_PASSWORD)


PAGES = (
    post("/ui/sign-in/passkey/options", ask, None),
    post("/ui/sign-in/passkey", sign_in, None),
    get(SECOND, show_second, None),
    post(f"{SECOND}/options", ask_second, None),
    post(SECOND, sign_in_second, None),
)
