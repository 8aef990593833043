"""One gateway with people in it, and whoever of them is signed in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.admin_client import AdminClient
from tests.gateway_process import GatewayProcess
from tests.integration.web.browsing import Browser
from tests.scripted_upstream import ScriptedUpstream

CONFIG = """
providers:
  - {{name: lab, kind: openai, base_url: "{lab}", api_key: sk-of-the-lab}}
models:
  - {{name: one, aliases: [uno], targets: [{{provider: lab, model: upstream-one}}],
      price: {{currency: USD, input_per_million: 2.00, output_per_million: 8.00}}}}
  - {{name: secret-model, targets: [{{provider: lab, model: upstream-two}}]}}
"""


@dataclass(frozen=True)
class House:
    """A gateway with two organisations in it; each person is a browser that is signed in."""

    gateway: GatewayProcess
    lab: ScriptedUpstream
    client: AdminClient
    admin: Browser
    boss: Browser
    lead: Browser
    member: Browser
    stranger: Browser
    """A member of another organisation."""
    links: dict[str, str]
    """One-time links of those who are yet to sign in: a command of its own for each takes too long."""

    @property
    def nobody(self) -> Browser:
        """A browser that is not signed in."""
        return Browser(self.gateway.port)


@pytest.fixture(scope="package")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway that all tests of the pages share."""
    folder: Path = tmp_path_factory.mktemp("pages")
    with ScriptedUpstream() as lab, GatewayProcess(folder, CONFIG.format(lab=lab.base_url)) as gateway:
        yield furnish(gateway, lab)


def furnish(gateway: GatewayProcess, lab: ScriptedUpstream) -> House:
    """Make the people, and sign them in by links of theirs."""
    client = AdminClient(gateway.port, gateway.token)
    admin = Browser(gateway.port).follow((gateway.data_dir / "first-sign-in-link").read_text().strip())
    tenant = client.post("/organisations", {"name": "tenant"})["id"]
    other = client.post("/organisations", {"name": "other"})["id"]
    team = client.post("/teams", {"name": "core", "organisation": tenant})["id"]

    def person(name: str, role: str = "member", organisation: str = tenant) -> str:
        wanted = {"name": name, "email": f"{name}@example.org", "role": role, "organisation": organisation}
        made: str = client.post("/users", wanted)["id"]
        return made

    people = {"boss": person("boss", "organisation_admin"), "lead": person("lead"), "member": person("member")}
    people["stranger"] = person("stranger", organisation=other)
    for name, role in (("lead", "admin"), ("member", "member")):
        client.post("/memberships", {"team": team, "user": people[name], "role": role})
    client.post("/model_rules", {"subject_type": "organisation", "subject": tenant, "allow": ["one"]})
    client.post("/budgets", {"subject_type": "user", "subject": people["member"], "amount": "10", "period": "month"})
    everybody = people | {name: person(name) for name in ("changer", "leaver", "newcomer")}
    printed = gateway.run("user", "sign-in-link", "--url", "https://gateway.example", *everybody.values())
    links = dict(zip(everybody, printed.split(), strict=True))
    browsers = {name: Browser(gateway.port).follow(links[name]) for name in people}
    return House(gateway, lab, client, admin, **browsers, links=links)
