"""A client of the admin API that insists on what holds of every answer."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

from tests.raw_http import RawCall

PREFIX = "/api/admin"


def unique(word: str) -> str:
    """Return a name that no other test gives."""
    return f"{word}-{secrets.token_hex(4)}"


@dataclass(frozen=True)
class Answer:
    """An answer of the admin API."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """The error of the one shape that errors have."""
        document = self.json
        assert set(document) == {"error"}, document
        error: dict[str, Any] = document["error"]
        assert set(error) == {"message", "type", "param", "code"}, document
        assert error["message"]
        assert "Traceback" not in error["message"]
        return error


@dataclass(frozen=True)
class AdminClient:
    """Asks in the name of one API token."""

    port: int
    token: str | None

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Send a request, with a body of JSON or (a text) of CSV; headers are written with `_` for `-`."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token is not None:
            fields["authorization"] = f"Bearer {self.token}"
        data = None
        if isinstance(body, bytes):
            data = body
        elif isinstance(body, str):
            data, fields["content-type"] = body.encode(), fields.get("content-type", "text/csv")
        elif body is not None:
            data, fields["content-type"] = json.dumps(body).encode(), "application/json"
        call = RawCall(self.port).request(method, PREFIX + path, fields.items(), data).read_all()
        answer = Answer(call.status, call.headers, call.body)
        assert answer.status != 500, answer
        assert "x-request-id" in answer.headers
        if answer.status >= 400:
            assert answer.error
        return answer

    def get(self, path: str) -> Any:
        """Return what is at a path."""
        answer = self.ask("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        """Do what a path does, and return what came of it."""
        answer = self.ask("POST", path, body, **headers)
        assert answer.status in (200, 201), answer
        return answer.json

    def status(self, method: str, path: str, body: object = None, **headers: str) -> int:
        """Return how a request is answered."""
        return self.ask(method, path, body, **headers).status

    def everything(self, path: str) -> list[dict[str, Any]]:
        """Return a whole list, page after page."""
        mark = "&" if "?" in path else "?"
        page = self.get(path)
        found: list[dict[str, Any]] = page["data"]
        while page["next_cursor"] is not None:
            page = self.get(f"{path}{mark}cursor={page['next_cursor']}")
            found += page["data"]
        return found

    def acting_as(self, user: str, *scopes: str) -> "AdminClient":
        """Return a client with a token of a user."""
        body = {"name": unique("acting"), "user": user, "scopes": list(scopes or ("admin",))}
        return AdminClient(self.port, self.post("/api_tokens", body)["value"])
