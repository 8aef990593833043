"""One's own account: who one is, the password, and where one is signed in."""

from starlette.responses import Response

from aqueduct.control.names import names_of
from aqueduct.errors import SignInRefused
from aqueduct.web import cookies
from aqueduct.web.forms import Form
from aqueduct.web.routing import get, post
from aqueduct.web.visit import HOME, SIGN_IN, Visit

ACCOUNT = "/ui/account"


async def show(visit: Visit) -> Response:
    """Show the account."""
    me = visit.me
    names = await names_of(visit.registry, [me.user.organisation_id, *me.actor.team_ids])
    return visit.render(
        "account.html",
        sessions=await visit.services.sessions.list_own(me),
        organisation=names.get(me.user.organisation_id),
        teams=sorted(names[each] for each in me.actor.team_ids if each in names),
        has_password=await visit.services.passwords.has_one(me.user.id),
    )


async def show_password(visit: Visit) -> Response:
    """Show the form for another password."""
    return await show_password_form(visit, Form())


async def show_password_form(visit: Visit, form: Form, status: int = 200) -> Response:
    """Show the form."""
    services = visit.services
    return visit.render(
        "account_password.html",
        status=status,
        form=form,
        needs_present=await services.passwords.needs_present_one(visit.me.session),
        has_password=await services.passwords.has_one(visit.me.user.id),
    )


async def set_password(visit: Visit) -> Response:
    """Set another password."""
    form = await visit.form()
    present, wanted, again = form.secret("present"), form.secret("password"), form.secret("again")
    if wanted != again:
        form.fail("again", "The two are not the same.")
    if form.is_valid:
        try:
            with form.refusals("password"):
                await visit.services.passwords.set_own(visit.actor, visit.me.session, present, wanted)
        except SignInRefused as error:
            form.fail("present", str(error))
    if not form.is_valid:
        return await show_password_form(visit, form, 422)
    is_first = visit.me.session.method == "link"
    message = "Your password is set. Sessions elsewhere were ended."
    return visit.redirect(HOME if is_first else ACCOUNT, message)


async def end_session(visit: Visit) -> Response:
    """End one of one's own sessions."""
    session_id = visit.path("session_id")
    await visit.services.sessions.end_own(visit.me, session_id)
    if session_id == visit.me.session.id:
        response = visit.redirect(SIGN_IN, "You are signed out.")
        cookies.drop(response, cookies.SESSION)
        return response
    return visit.redirect(ACCOUNT, "The session was ended.")


async def end_other_sessions(visit: Visit) -> Response:
    """End all of one's own sessions but this one."""
    ended = await visit.services.sessions.end_others(visit.me)
    return visit.redirect(ACCOUNT, f"{ended} other session{'s were' if ended != 1 else ' was'} ended.")


PAGES = (
    get(ACCOUNT, show),
    get("/ui/account/password", show_password),
    post("/ui/account/password", set_password),
    post("/ui/account/sessions/others", end_other_sessions),
    post("/ui/account/sessions/{session_id}/end", end_session),
)
