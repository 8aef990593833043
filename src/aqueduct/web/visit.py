"""A visit: one request of a browser, with who it is, and the answers that pages give."""

import re
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import quote

from jinja2 import Environment
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from aqueduct.control.registry import Registry
from aqueduct.control.sessions import SignedIn
from aqueduct.domain.actor import Actor
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.session import Client
from aqueduct.storage import session_principals
from aqueduct.web.cookies import FLASH, SESSION, Flash, drop, read_flash, write_flash
from aqueduct.web.forms import Form
from aqueduct.web.navigation import visible
from aqueduct.web.rendering import render
from aqueduct.web.services import Services

HOME = "/ui/"
SIGN_IN = "/ui/sign-in"
HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")
LOOPBACK = re.compile(r"(localhost|[a-z0-9-]+\.localhost|127\.[0-9.]+|\[::1\])(:[0-9]+)?")
MAX_FIELDS = 2000
MAX_PATH_CHARACTERS = 2000


@dataclass
class Visit:
    """What a page is given of a request; `signed_in` is None only where anybody may come."""

    request: Request
    services: Services
    templates: Environment
    signed_in: SignedIn | None = None
    _form: Form | None = field(default=None, init=False)

    @property
    def registry(self) -> Registry:
        """Where everything that is administered is kept."""
        return self.services.registry

    async def recognise(self) -> None:
        """Find out who is signed in, by the session's cookie."""
        value = self.request.cookies.get(SESSION)
        if value is not None:
            self.signed_in = await self.services.sessions.resume(value, self.client)

    @property
    def me(self) -> SignedIn:
        """Who is signed in."""
        if self.signed_in is None:
            raise RuntimeError("this page is for anybody, so there may be nobody")
        return self.signed_in

    @property
    def actor(self) -> Actor:
        """Who asks for something to be done."""
        return self.me.actor

    @property
    def client(self) -> Client:
        """Where the browser is."""
        address = None if self.request.client is None else self.request.client.host
        return Client(address, self.request.headers.get("user-agent"))

    @cached_property
    def base_url(self) -> str:
        """The address of the gateway as the browser has it, without a path."""
        host = self.request.headers.get("host", "")
        return f"{self.request.url.scheme}://{host if HOST.fullmatch(host) else 'localhost'}"

    @property
    def is_insecure(self) -> bool:
        """Whether a browser would not keep our cookies: over plain HTTP they are for this machine only.

        A browser that trusts the connection says so by headers that it would not send otherwise, whatever a proxy
        before us forgets to say.
        """
        is_trusted = "sec-fetch-site" in self.request.headers or self.request.url.scheme == "https"
        return not is_trusted and LOOPBACK.fullmatch(self.request.headers.get("host", "")) is None

    @property
    def is_partial(self) -> bool:
        """Whether htmx asks for a part of the page; only to leave out what would be thrown away."""
        return "hx-request" in self.request.headers

    def query(self, name: str, default: str = "") -> str:
        """Return a parameter of the address."""
        return self.request.query_params.get(name, default)

    def path(self, name: str) -> str:
        """Return a part of the path that its pattern names."""
        return str(self.request.path_params[name])

    async def principal(self) -> Principal:
        """Return who is signed in as the data plane knows him: with the models, limits and budgets that are his."""
        async with self.registry.database.reading() as connection:
            return await session_principals.load(connection, self.me.session, self.me.user)

    async def models(self) -> list[tuple[str, Model]]:
        """Return the models that he may use, by every name that they have."""
        return list(self.services.list_models(await self.principal()))

    async def form(self) -> Form:
        """Return what was typed."""
        if self._form is None:
            fields = await self.request.form(max_files=0, max_fields=MAX_FIELDS)
            self._form = Form({name: each for name, each in fields.items() if not isinstance(each, UploadFile)})
        return self._form

    def render(self, template: str, *, status: int = 200, **context: object) -> Response:
        """Answer with a page."""
        flash = read_flash(self.request)
        common = {
            "visit": self,
            "me": self.signed_in,
            "sections": [] if self.signed_in is None else visible(self.signed_in.actor),
            "here": self.request.url.path,
            "flash": flash,
            "form": Form(),
        }
        response = HTMLResponse(render(self.templates, template, common | context), status)
        if flash is not None:
            drop(response, FLASH)
        return response

    def redirect(self, path: str, message: str | None = None, kind: str = "success") -> Response:
        """Lead to another page, which shows the message."""
        if "hx-request" in self.request.headers:
            response = Response(headers={"hx-redirect": path})
        else:
            response = RedirectResponse(path, 303)
        if message is not None:
            write_flash(response, Flash(message, kind))
        return response

    def to_sign_in(self) -> Response:
        """Lead to the sign-in page, and back here afterwards."""
        here = self.request.url.path
        if self.request.url.query:
            here += f"?{self.request.url.query}"
        is_worth_it = self.request.method == "GET" and not self.is_partial and here not in ("/", HOME)
        return self.redirect(f"{SIGN_IN}?next={quote(here, safe='')}" if is_worth_it else SIGN_IN)


def local_path(text: str) -> str:
    """Return a path that somebody wants to be led to, if it is one of our pages; else the first page.

    What browsers take for another host, by two slashes or a backslash, is none.
    """
    is_short = len(text) <= MAX_PATH_CHARACTERS
    is_ours = is_short and re.fullmatch(r"/ui/[\w\-./?=&%~+:,]*", text, re.ASCII) and "//" not in text
    return text if is_ours else HOME
