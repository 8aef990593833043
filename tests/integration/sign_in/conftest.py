"""A data directory with an organisation and two teams, and the use cases of signing in on it."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
import yaml
from tests.docs.pages import ROOT
from tests.migrated import lay_out
from tests.scripted_issuer import CLIENT_ID, CLIENT_SECRET, ScriptedIssuer, running_issuer

from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.control.flows import new_value
from aqueduct.control.oidc.logout import OidcLogout
from aqueduct.control.oidc.parties import Parties
from aqueduct.control.oidc.sign_in import Arrival, OidcSignIn
from aqueduct.control.organisations import Organisations
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.domain.identity import Membership
from aqueduct.domain.sign_in import SignIn
from aqueduct.settings import Settings
from aqueduct.upstream.options import TransportOptions
from aqueduct.upstream.transport import Transport

PLAIN_SECRET = "letters-and-digits-2"
"""nanoidp does not decode what RFC 6749, 2.3.1 has clients encode."""
ORIGIN = "https://ai.example.org"
RULES: list[dict[str, Any]] = [
    {"name": "staff", "when": {"groups": "ai-staff"}, "teams": ["physics"]},
    {"name": "leads", "when": {"groups": ["ai-leads"]}, "teams": [{"name": "physics", "role": "admin"}, "chemistry"]},
    {"name": "admins", "when": {"groups": {"matches": "ai-adm.*"}}, "role": "organisation_admin"},
]


@pytest.fixture
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """A test that names `database_url` runs on both engines, any other on SQLite."""
    url = request.getfixturevalue("database_url") if "database_url" in request.fixturenames else None
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": url})


@pytest.fixture
async def workspace(settings: Settings, sqlite_template: Path) -> AsyncIterator[Workspace]:
    lay_out(settings, sqlite_template)
    async with create_workspace(settings) as opened:
        await Organisations(opened.registry).create(SYSTEM, "university")
        for name in ("physics", "chemistry"):
            await Teams(opened.registry).create(SYSTEM, name, organisation="university")
        yield opened


@dataclass
class Door:
    """Signing in as a person does it, at one issuer; `config` is what `aqueduct.yaml` says of it."""

    workspace: Workspace
    transport: Transport
    config: dict[str, Any] = field(default_factory=dict)
    origin: str = ORIGIN

    def __post_init__(self) -> None:
        self.parties = Parties(self.sign_in, self.transport, TransportOptions())
        self.oidc = OidcSignIn(self.workspace.registry, self.parties, self.origin)
        self.logout = OidcLogout(self.workspace.registry, self.workspace.vault, self.parties, self.origin)

    def sign_in(self) -> SignIn:
        text = yaml.safe_dump({"sign_in": {"issuers": [self.config]}})
        return compile_source(parse_source(text.encode(), "aqueduct.yaml", {}), {}).sign_in

    async def teams_of(self, arrival: Arrival) -> dict[str, Membership]:
        memberships = await Memberships(self.workspace.registry).everything(SYSTEM)
        names = {team.id: team.name for team in await Teams(self.workspace.registry).everything(SYSTEM)}
        return {names[each.team_id]: each for each in memberships if each.user_id == arrival.user.id}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    yield opened
    await opened.close()


@pytest.fixture
def issuer() -> Iterator[ScriptedIssuer]:
    with running_issuer() as running:
        yield running


@pytest.fixture
def door(workspace: Workspace, transport: Transport, issuer: ScriptedIssuer) -> Door:
    config = {
        "name": "lab",
        "label": "The lab",
        "issuer": issuer.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "networks": ["127.0.0.0/8"],
        "organisation": "university",
        "rules": RULES,
    }
    return Door(workspace, transport, config)


@dataclass
class NanoIdp:
    """A real identity provider that somebody else wrote; `users` are its people."""

    url: str
    folder: Path
    users: dict[str, Any]

    def tell(self, **users: Any) -> None:
        """Change what it knows of people."""
        self.users |= users
        self.write()
        httpx2.post(f"{self.url}/api/config/reload").raise_for_status()

    def write(self) -> None:
        (self.folder / "users.yaml").write_text(yaml.safe_dump({"config_version": 1, "users": self.users}))

    def authorize(self, url: str, name: str, password: str) -> dict[str, str]:
        """Sign in with a browser's requests; return what it comes back with."""
        with httpx2.Client() as browser:
            page = browser.get(url)
            page.raise_for_status()
            transaction = re.search(r'name="transaction_id" value="([^"]+)"', page.text)
            form = {"username": name, "password": password}
            form |= {} if transaction is None else {"transaction_id": transaction[1]}
            answer = browser.post(url.partition("?")[0], data=form)
        assert answer.status_code == 302, answer.text[:2000]
        return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture(scope="session")
def nanoidp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NanoIdp]:
    program = ROOT / ".venv" / "nanoidp" / "bin" / "nanoidp"
    if not program.exists():
        if "CI" in os.environ:
            pytest.fail("scripts/nanoidp.sh has not installed the identity provider")
        pytest.skip("the identity provider is not installed: see scripts/nanoidp.sh")
    folder = tmp_path_factory.mktemp("nanoidp")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    client = {
        "client_id": CLIENT_ID,
        "client_secret": PLAIN_SECRET,
        "description": "the tests",
        "redirect_uris": [f"{ORIGIN}/ui/sign-in/oidc/nano/callback"],
    }
    settings = {
        "config_version": 1,
        "server": {"host": "127.0.0.1", "port": port},
        "oauth": {"issuer": url, "audience": CLIENT_ID, "clients": [client]},
    }
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    running = NanoIdp(url, folder, {"ann": {"password": "anns", "email": "ann@example.org", "groups": ["ai-staff"]}})
    running.write()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [program, "--config", str(folder), "--profile", "oauth21"],
            stdout=log,
            stderr=log,
            env=environment,
            cwd=folder,
        ) as process,
    ):
        try:
            wait_for(url, process, folder / "log")
            yield running
        finally:
            process.terminate()
    shutil.rmtree(folder)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        try:
            httpx2.get(f"{url}/.well-known/openid-configuration", timeout=5).raise_for_status()
        except httpx2.HTTPError:
            time.sleep(0.05)
        else:
            return
    pytest.fail(log.read_text())


@pytest.fixture
def browser() -> str:
    """What a browser's cookie holds."""
    return new_value()
