"""A gateway to administer, and tenants in it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.admin_client import AdminClient, unique
from tests.gateway_process import GatewayProcess


@pytest.fixture(scope="session")
def administered(tmp_path_factory: pytest.TempPathFactory, config: str) -> Iterator[GatewayProcess]:
    """A gateway in front of the scripted upstreams that only these tests administer."""
    settings = {"AQUEDUCT_WEBHOOK_NETWORKS": "127.0.0.0/8"}
    with GatewayProcess(tmp_path_factory.mktemp("administered"), config, settings) as process:
        yield process


@pytest.fixture
def admin(administered: GatewayProcess) -> AdminClient:
    """The administrator whom the first start made."""
    return AdminClient(administered.port, administered.token)


@dataclass(frozen=True)
class Tenant:
    """An organisation with an administrator, and a team with its own, a member and a service account; all are ids."""

    organisation: str
    team: str
    boss: str
    lead: str
    member: str
    account: str


def make_tenant(admin: AdminClient) -> Tenant:
    """Make a tenant of its own."""
    organisation: str = admin.post("/organisations", {"name": unique("tenant")})["id"]
    team: str = admin.post("/teams", {"name": "core", "organisation": organisation})["id"]

    def user(name: str, role: str = "member") -> str:
        made: dict[str, Any] = admin.post("/users", {"name": name, "role": role, "organisation": organisation})
        return str(made["id"])

    boss, lead, member = user("boss", "organisation_admin"), user("lead"), user("member")
    admin.post("/memberships", {"team": team, "user": lead, "role": "admin"})
    admin.post("/memberships", {"team": team, "user": member})
    account: str = admin.post("/service_accounts", {"name": "ci", "team": team})["id"]
    return Tenant(organisation, team, boss, lead, member, account)


@pytest.fixture
def tenant(admin: AdminClient) -> Tenant:
    """A fresh tenant."""
    return make_tenant(admin)


@pytest.fixture
def other_tenant(admin: AdminClient) -> Tenant:
    """Another fresh tenant, alike in everything but its ids."""
    return make_tenant(admin)
