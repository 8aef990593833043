"""A data directory with a fresh database on each engine, and people in it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.migrated import lay_out

from aqueduct.control.api_tokens import CreatedToken
from aqueduct.control.organisations import Organisations
from aqueduct.control.owners import NewApiToken
from aqueduct.control.registry import Registry
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Memberships, Teams
from aqueduct.control.users import NewUser, Users
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM, Actor, actor_of
from aqueduct.domain.identity import Organisation, Role, ServiceAccount, Team, TeamRole, User
from aqueduct.domain.principal import Principal
from aqueduct.settings import Settings
from aqueduct.storage.api_tokens import ApiTokenStore


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    values = {"data_dir": tmp_path / "data", "database_url": database_url, "webhook_networks": "127.0.0.0/8"}
    return Settings.model_validate(values)


@pytest.fixture
async def workspace(settings: Settings, sqlite_template: Path) -> AsyncIterator[Workspace]:
    lay_out(settings, sqlite_template)
    async with create_workspace(settings) as opened:
        yield opened


@dataclass(frozen=True)
class Tenant:
    """An organisation with an administrator, and a team with its own, a member and a service account."""

    organisation: Organisation
    team: Team
    boss: User
    lead: User
    member: User
    account: ServiceAccount


@dataclass(frozen=True)
class World:
    """Two tenants, alike in everything but their ids."""

    workspace: Workspace
    ours: Tenant
    theirs: Tenant

    @property
    def registry(self) -> Registry:
        return self.workspace.registry

    async def issue(self, **wanted: object) -> CreatedToken:
        return await self.workspace.api_tokens.issue(SYSTEM, NewApiToken(**wanted))  # type: ignore[arg-type]

    async def look_up(self, value: str) -> Principal:
        found = await ApiTokenStore(self.workspace.database, self.workspace.keys).find(value)
        assert found is not None
        return found

    async def act_as(self, user: User, *scopes: str) -> Actor:
        """Return the actor behind a token of the user's, as the admin API would find it."""
        created = await self.issue(name=f"of {user.id} {scopes}", user=user.id, scopes=scopes or ("admin",))
        return actor_of(await self.look_up(created.value), address="192.0.2.1")


async def make_tenant(registry: Registry, name: str) -> Tenant:
    organisation = await Organisations(registry).create(SYSTEM, name)
    team = await Teams(registry).create(SYSTEM, "core", organisation=organisation.id)
    users = Users(registry)
    roles = {"boss": Role.ORGANISATION_ADMIN, "lead": Role.MEMBER, "member": Role.MEMBER}
    people = {
        each: await users.create(SYSTEM, NewUser(name=each, role=role), organisation=organisation.id)
        for each, role in roles.items()
    }
    await Memberships(registry).create(SYSTEM, team.id, people["lead"].id, role=TeamRole.ADMIN)
    await Memberships(registry).create(SYSTEM, team.id, people["member"].id)
    account = await ServiceAccounts(registry).create(SYSTEM, "ci", team=team.id)
    return Tenant(organisation, team, people["boss"], people["lead"], people["member"], account)


@pytest.fixture
async def world(workspace: Workspace) -> World:
    registry = workspace.registry
    return World(workspace, await make_tenant(registry, "ours"), await make_tenant(registry, "theirs"))
