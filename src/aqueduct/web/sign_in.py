"""Signing in and out: by password, by a one-time link, and by whatever else ends in `finish`.

A way of signing in that has pages of its own (an issuer, a passkey) finds out who it is and calls `finish`. The page
that asks for something more after the password finds whom it is about by `awaits_second_factor`, and calls
`finish_second_factor` in the end.
"""

from starlette.responses import Response

from aqueduct.control.sessions import MAX_AGE_SECONDS
from aqueduct.domain.identity import User
from aqueduct.domain.session import Session
from aqueduct.errors import NotAllowed, SignInRefused, TooManyAttempts
from aqueduct.web import cookies
from aqueduct.web.forms import MISSING, Form
from aqueduct.web.routing import get, post
from aqueduct.web.visit import HOME, SIGN_IN, Visit, local_path

SECOND = "/ui/sign-in/second"
PENDING_SECONDS = 300
PASSWORD = "password"  # noqa: S105 - the name of a way of signing in
LINK = "link"
INSECURE = (
    "Browsers keep nobody signed in over plain HTTP, except on the gateway's own machine. Open it by https://, "
    "or at http://localhost."
)


async def show_root(visit: Visit) -> Response:
    """Lead to the first page, which leads strangers on."""
    return visit.redirect(HOME)


async def show(visit: Visit) -> Response:
    """Ask who it is."""
    if visit.signed_in is not None:
        return visit.redirect(local_path(visit.query("next", HOME)))
    return show_form(visit, Form(), visit.query("next", HOME))


def show_form(visit: Visit, form: Form, following: str, status: int = 200) -> Response:
    """Show the form, with what was typed but the password."""
    return visit.render(
        "sign_in.html",
        status=status,
        form=form,
        following=local_path(following),
        insecure=INSECURE if visit.is_insecure else None,
        offered=visit.services.ways.offered(),
        takes_passkeys=visit.services.ways.takes_passkeys(visit.base_url),
    )


async def sign_in(visit: Visit) -> Response:
    """Check name and password."""
    if not visit.services.ways.offered().passwords:
        raise NotAllowed("Nobody signs in with a password here. Choose one of the other ways.")
    form = await visit.form()
    name, password = form.text("name", required=True), form.secret("password")
    following = form.value("next", HOME)
    if not password:
        form.fail("password", MISSING)
    if visit.is_insecure:
        form.fail("", INSECURE)
    if not form.is_valid:
        return show_form(visit, form, following, 422)
    try:
        user = await visit.services.passwords.check(name, password, visit.client)
    except (SignInRefused, TooManyAttempts) as error:
        form.fail("", str(error))
        return show_form(visit, form, following, 429 if isinstance(error, TooManyAttempts) else 401)
    if await visit.services.ways.needs_passkey(user):
        response = visit.redirect(SECOND)
        value = await visit.services.links.begin_second_factor(user)
        cookies.keep(response, cookies.PENDING, value, PENDING_SECONDS)
        return response
    return await finish(visit, user, PASSWORD, local_path(following))


async def awaits_second_factor(visit: Visit) -> User:
    """Return who gave the right password; raises `SignInRefused` where that is too long ago."""
    value = visit.request.cookies.get(cookies.PENDING)
    user = None if value is None else await visit.services.links.who_awaits_second_factor(value)
    if user is None:
        raise SignInRefused("It took too long. Begin again with your password.")
    return user


async def finish_second_factor(visit: Visit, method: str) -> Response:
    """Sign in who gave the right password and has now shown the second factor."""
    user = await visit.services.links.end_second_factor(visit.request.cookies.get(cookies.PENDING, ""))
    return await finish(visit, user, method)


async def finish(visit: Visit, user: User, method: str, following: str = HOME) -> Response:
    """Start a session for somebody who has shown who he is, and lead on; the browser's earlier session ends."""
    response, _ = await begin_session(visit, user, method, following)
    return response


async def begin_session(visit: Visit, user: User, method: str, following: str) -> tuple[Response, Session]:
    """Do the same, and return the session too."""
    earlier = visit.request.cookies.get(cookies.SESSION)
    started = await visit.services.sessions.start_session(user, method, visit.client, replaces=earlier)
    response = visit.redirect(following)
    cookies.keep(response, cookies.SESSION, started.value, MAX_AGE_SECONDS)
    cookies.drop(response, cookies.PENDING)
    return response, started.session


async def show_link(visit: Visit) -> Response:
    """Show a page whose script takes the code out of the address: no server ever gets it in one."""
    return visit.render("sign_in_link.html", insecure=INSECURE if visit.is_insecure else None)


async def follow_link(visit: Visit) -> Response:
    """Use a link up, and have its user choose a password."""
    form = await visit.form()
    code = form.secret("code").strip()
    if visit.is_insecure:
        raise NotAllowed(INSECURE)
    if not code:
        form.fail("code", MISSING)
    else:
        try:
            user = await visit.services.links.take(code)
        except SignInRefused as error:
            form.fail("code", str(error))
        else:
            return await finish(visit, user, LINK, "/ui/account/password")
    return visit.render("sign_in_link.html", status=422, form=form, insecure=None)


async def sign_out(visit: Visit) -> Response:
    """End the session, and offer to end that at the issuer who brought it."""
    await visit.services.sessions.end_own(visit.me, visit.me.session.id)
    elsewhere = await visit.services.ways.logout.leave(visit.me.session.id)
    if elsewhere is None:
        response = visit.redirect(SIGN_IN, "You are signed out.")
    else:
        # A link, not a redirection: what answers a form may lead to no other site (`form-action` of the policy).
        response = visit.render("signed_out.html", elsewhere=elsewhere)
    cookies.drop(response, cookies.SESSION)
    return response


PAGES = (
    get("/", show_root, None),
    get("/ui", show_root, None),
    get(SIGN_IN, show, None),
    post(SIGN_IN, sign_in, None),
    get("/ui/sign-in/link", show_link, None),
    post("/ui/sign-in/link", follow_link, None),
    post("/ui/sign-out", sign_out),
)
