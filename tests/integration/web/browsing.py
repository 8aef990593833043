"""A browser without a window: cookies, forms and their tokens, as a page of ours would send them."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode

from tests.raw_http import RawCall
from typing_extensions import override

PASSWORD = "correct horse battery staple"
SESSION = "__Host-aqueduct-session"


@dataclass(frozen=True)
class Shown:
    """A page as it was answered."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def location(self) -> str:
        """Where it leads."""
        return self.headers.get("location", "")

    @property
    def text(self) -> str:
        """What a person reads of it."""
        return " ".join(" ".join(self._read().parts).split())

    @property
    def inline(self) -> list[str]:
        """What of it is script or style that the policy refuses."""
        return self._read().inline

    def _read(self) -> "TextReader":
        reader = TextReader()
        reader.feed(self.body)
        return reader

    @property
    def csrf(self) -> str:
        """What its forms bring along."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.body)
        assert found is not None, self.body
        return found[1]


class TextReader(HTMLParser):
    """Collects the text of a page, and what is script or style within it."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.inline: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        self.inline += [f"<{tag} {name}>" for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.inline.append(f"<{tag}>")

    @override
    def handle_data(self, data: str) -> None:
        self.parts.append(data)


@dataclass
class Browser:
    """Visits pages, and keeps cookies."""

    port: int
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def origin(self) -> str:
        """Where its pages are from."""
        return f"http://localhost:{self.port}"

    def visit(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> Shown:
        """Send one request; `headers` are written with `_` for `-`, and take the place of a browser's own."""
        fields = {"sec-fetch-site": "same-origin", "accept": "text/html"}
        if self.cookies:
            fields["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        body = None
        if form is not None:
            body = urlencode(form).encode()
            fields["content-type"] = "application/x-www-form-urlencoded"
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        call = CookieCall(self.port).request(method, path, [each for each in fields.items() if each[1]], body)
        call.read_all()
        for line in call.cookies:
            name, _, rest = line.partition("=")
            value = rest.partition(";")[0]
            assert "Secure" in line, line
            assert "HttpOnly" in line, line
            if value and value != '""':
                self.cookies[name] = value
            else:
                self.cookies.pop(name, None)
        return Shown(call.status, call.headers, call.body.decode())

    def get(self, path: str, **headers: str) -> Shown:
        """Visit a page."""
        return self.visit("GET", path, None, **headers)

    def post(self, path: str, form: dict[str, str] | None = None, **headers: str) -> Shown:
        """Send a form of a page that is open."""
        return self.visit("POST", path, {"csrf": self.csrf} | (form or {}), **headers)

    @property
    def csrf(self) -> str:
        """What a form of this session brings along."""
        return self.get("/ui/account").csrf if SESSION in self.cookies else ""

    def sign_in(self, name: str, password: str = PASSWORD) -> "Browser":
        """Sign in by password."""
        shown = self.visit("POST", "/ui/sign-in", {"name": name, "password": password})
        assert shown.status == 303, shown
        return self

    def follow(self, link: str, password: str = PASSWORD) -> "Browser":
        """Use a one-time link, and choose a password."""
        shown = self.visit("POST", "/ui/sign-in/link", {"code": link.partition("#")[2]})
        assert shown.location == "/ui/account/password", shown
        shown = self.post("/ui/account/password", {"password": password, "again": password})
        assert shown.location == "/ui/", shown
        return self


class CookieCall(RawCall):
    """A call whose answer may set several cookies."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.cookies: list[str] = []

    @override
    def _receive(self) -> bool:
        is_more = super()._receive()
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not self.status and end:
            lines = head.split(b"\r\n")
            self.cookies += [each[12:].decode() for each in lines if each.lower().startswith(b"set-cookie: ")]
            kept = [each for each in lines if not each.lower().startswith(b"set-cookie: ")]
            self._buffer = b"\r\n".join(kept) + end + rest
        return is_more
