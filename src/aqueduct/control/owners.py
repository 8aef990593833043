"""Whose a new API token is to be, and whether he may have one more."""

from dataclasses import dataclass

import msgspec

from aqueduct.control.registry import Change, Registry
from aqueduct.control.service_accounts import ServiceAccounts
from aqueduct.control.teams import Teams
from aqueduct.control.users import Users
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Team, User
from aqueduct.errors import InvalidValue
from aqueduct.storage.aggregates import MEMBERSHIPS, ORGANISATIONS, USERS
from aqueduct.storage.api_tokens import API_TOKENS


class NewApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a token that is to be made.

    `user`, `service_account` and `team` are ids or names; a token without a user or service account belongs to the
    installation itself. The team is one of the user's.
    """

    name: str
    user: str | None = None
    service_account: str | None = None
    team: str | None = None
    expires_at: float | None = None
    allowed_models: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    ip_allow_list: tuple[str, ...] | None = None
    capture: CapturePolicy | None = None


@dataclass(frozen=True)
class Owners:
    """The ids of those whose a token is; all None is the installation itself."""

    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None


async def find_owners(registry: Registry, change: Change, wanted: NewApiToken) -> Owners:
    """Find whose the token is to be; raises `InvalidValue` for owners that do not go together."""
    connection, actor = change.connection, change.actor.unscoped
    if wanted.user is not None and wanted.service_account is not None:
        raise InvalidValue("A token belongs to a user or to a service account, not to both.")
    if wanted.service_account is not None:
        account = await ServiceAccounts(registry).find(connection, actor, wanted.service_account)
        if wanted.team is not None:
            team = await Teams(registry).find(connection, actor, wanted.team)
            if team.id != account.team_id:
                raise InvalidValue("A service account's token is of the account's own team.")
        return Owners(account.organisation_id, account.team_id, None, account.id)
    if wanted.user is not None:
        user = await Users(registry).find(connection, actor, wanted.user)
        team_id = None if wanted.team is None else await find_team(registry, change, user, wanted.team)
        return Owners(user.organisation_id, team_id, user.id, None)
    if wanted.team is not None:
        raise InvalidValue("A team's token belongs to one of its users or service accounts. Say which.")
    return Owners()


async def find_team(registry: Registry, change: Change, user: User, reference: str) -> str:
    """Return the id of a team that the user is in."""
    actor = change.actor.unscoped
    team = await Teams(registry).find(change.connection, actor, reference, organisation_id=user.organisation_id)
    if await MEMBERSHIPS.find(change.connection, team.id, user.id) is None:
        raise InvalidValue(not_in_team(user, team))
    return team.id


def not_in_team(user: User, team: Team) -> str:
    """Return what is said of a token for a team that its user is not in."""
    return f"The user `{user.name}` is not in the team `{team.name}`."


async def require_quota(change: Change, user_id: str) -> None:
    """Raise `InvalidValue` when the user has as many live tokens as he may have."""
    # Locked, so that two tokens made at the same moment are counted one after the other.
    user = await USERS.lock(change.connection, user_id)
    quota = user.max_api_tokens
    if quota is None:
        organisation = await ORGANISATIONS.find(change.connection, user.organisation_id)
        quota = None if organisation is None else organisation.max_api_tokens_per_user
    if quota is None:
        return
    live = await API_TOKENS.select(change.connection, user_id=user_id, revoked_at=None)
    if sum(each.is_usable(change.now) for each in live) >= quota:
        raise InvalidValue(over_quota(user, quota))


def over_quota(user: User, quota: int) -> str:
    """Return what is said of one token more than a user may have."""
    return f"The user `{user.name}` may have {quota} tokens, and has as many. Revoke one first."
