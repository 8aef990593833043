"""Signing in at an issuer: there, back, and what the issuer tells us without a browser."""

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from aqueduct.control.flows import FLOW_SECONDS, browser_value
from aqueduct.errors import ControlError, NotAllowed
from aqueduct.web import cookies
from aqueduct.web.routing import get
from aqueduct.web.services import Services
from aqueduct.web.sign_in import INSECURE, begin_session
from aqueduct.web.visit import Visit, local_path

OIDC = "oidc"
WAYS = "/ui/account/ways"
MAX_LOGOUT_BYTES = 64 * 1024


async def leave(visit: Visit) -> Response:
    """Send the browser to the issuer."""
    return await send(visit, None)


async def connect(visit: Visit) -> Response:
    """Send somebody who is signed in there, to add this way in to those he has."""
    # It changes nothing yet, but no other site is to begin it.
    if visit.request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise NotAllowed("This was begun on another site. Begin it on your account's page.")
    return await send(visit, visit.me.user.id)


async def send(visit: Visit, link_to: str | None) -> Response:
    """Begin, and lead there."""
    if visit.is_insecure:
        raise NotAllowed(INSECURE)
    browser = browser_value(visit.request.cookies.get(cookies.FLOW))
    url = await visit.services.ways.oidc.begin(
        visit.path("name"), browser, return_path=local_path(visit.query("next")), link_to=link_to
    )
    response = RedirectResponse(url, 303)
    cookies.keep(response, cookies.FLOW, browser, FLOW_SECONDS)
    return response


async def come_back(visit: Visit) -> Response:
    """Let in who comes back from the issuer."""
    ways = visit.services.ways
    answer = dict(visit.request.query_params)
    arrival = await ways.oidc.finish(
        visit.path("name"), answer, visit.request.cookies.get(cookies.FLOW), address=visit.client.address
    )
    if arrival.is_link:
        if visit.signed_in is None or visit.me.user.id != arrival.user.id:
            raise NotAllowed("The account is connected. Sign in again to see it.")
        return visit.redirect(WAYS, "The account is connected: you can sign in with it.")
    response, session = await begin_session(visit, arrival.user, OIDC, local_path(arrival.return_path))
    await ways.logout.remember(session.id, arrival, expires_at=session.expires_at)
    return response


def back_channel(services: Services) -> Route:
    """Return where issuers say that a session has ended there (Back-Channel Logout 1.0, 2.5); no browser comes here."""

    async def hear(request: Request) -> Response:
        headers = {"cache-control": "no-store"}
        if int(request.headers.get("content-length", "0")) > MAX_LOGOUT_BYTES:
            return Response(status_code=413, headers=headers)
        said = (await request.form(max_files=0, max_fields=10)).get("logout_token")
        try:
            await services.ways.logout.end_for(request.path_params["name"], said if isinstance(said, str) else "")
        except ControlError:
            return Response(status_code=400, headers=headers)
        return Response(status_code=200, headers=headers)

    return Route("/ui/sign-in/oidc/{name}/logout", hear, methods=["POST"])


PAGES = (
    get("/ui/sign-in/oidc/{name}", leave, None),
    get("/ui/sign-in/oidc/{name}/callback", come_back, None),
    get("/ui/account/ways/oidc/{name}", connect),
)
