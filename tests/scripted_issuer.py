"""An issuer of OpenID Connect that does what a test tells it to, honest by default.

It listens on 127.0.0.1 in a thread of its own. `authorize` is what a person does in his browser.
"""

import base64
import functools
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import msgspec
from joserfc import jwt
from joserfc.jwk import Key, RSAKey
from typing_extensions import override

CLIENT_ID = "aqueduct"
CLIENT_SECRET = "a secret: with & characters"
ALGORITHMS = ["RS256", "HS256", "none"]


@functools.cache
def a_key(key_id: str, number: int = 1) -> RSAKey:
    """Return a key of this name; another number is another key. Making one takes longer than a test."""
    return RSAKey.generate_key(2048, {"kid": key_id})


@dataclass
class ScriptedIssuer:
    """What the issuer says; tests change its fields."""

    url: str = ""
    key: Key = field(default_factory=lambda: a_key("first"))
    published: list[Key] | None = None
    """The keys that it shows; None: the one it signs with."""
    header: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """Laid over the honest claims of the ID token; None takes one out."""
    userinfo: dict[str, Any] | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    """Makes a token of a header and claims, in the place of an honest signature."""
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def authorize(self, url: str) -> dict[str, str]:
        """Sign in at the address that a browser was sent to; return what it comes back with."""
        query = dict(parse_qsl(urlsplit(url).query, strict_parsing=True))
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT_ID
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return {"code": code, "state": query["state"]}

    def id_token(self, **claims: Any) -> str:
        """Sign honest claims with these laid over them."""
        now = int(time.time())
        honest = {"iss": self.url, "aud": CLIENT_ID, "sub": "ann", "iat": now, "exp": now + 300}
        said = {name: value for name, value in {**honest, **claims}.items() if value is not None}
        header = {"alg": "RS256", "kid": self.key.kid, **self.header}
        header = {name: value for name, value in header.items() if value is not None}
        if self.sign is not None:
            return self.sign(header, said)
        return jwt.encode(header, said, self.key, algorithms=ALGORITHMS)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        """Answer one request."""
        self.asked.append(path)
        match path:
            case "/.well-known/openid-configuration":
                return 200, self._metadata()
            case "/jwks":
                keys = [self.key] if self.published is None else self.published
                return 200, {"keys": [key.as_dict(private=False) for key in keys]}
            case "/token":
                return self._exchange(headers, body)
            case "/userinfo" if self.userinfo is not None:
                return 200, self.userinfo
        return 404, {}

    def _metadata(self) -> dict[str, Any]:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/jwks",
            "userinfo_endpoint": None if self.userinfo is None else f"{self.url}/userinfo",
            "end_session_endpoint": f"{self.url}/logout",
            "id_token_signing_alg_values_supported": ["RS256"],
            **self.metadata,
        }

    def _exchange(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(body.decode(), strict_parsing=True).items()}
        asked = self.codes.pop(form["code"], None)
        if asked is None or not self._is_client(headers) or form["redirect_uri"] != asked["redirect_uri"]:
            return 400, {"error": "invalid_grant"}
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return 400, {"error": "invalid_grant"}
        return 200, {
            "access_token": "at",
            "token_type": "Bearer",
            "id_token": self.id_token(**{"nonce": asked["nonce"], **self.claims}),
        }

    def _is_client(self, headers: dict[str, str]) -> bool:
        kind, _, shown = headers.get("authorization", "").partition(" ")
        name, _, secret = base64.b64decode(shown).decode().partition(":")
        quoted = "a%20secret%3A%20with%20%26%20characters"
        return kind == "Basic" and name == CLIENT_ID and secret == quoted


@contextmanager
def running_issuer() -> Iterator[ScriptedIssuer]:
    """Start an issuer and end it."""
    issuer = ScriptedIssuer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            if self.path.startswith("/authorize?"):
                query = dict(parse_qsl(urlsplit(self.path).query))
                self.send_response(302)
                self.send_header("location", f"{query['redirect_uri']}?{urlencode(issuer.authorize(self.path))}")
                self.send_header("content-length", "0")
                self.end_headers()
                return
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, said = issuer.answer(self.command, urlsplit(self.path).path, headers, body)
            data = msgspec.json.encode(said)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        @override
        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
