"""Who asks for something to be administered: a person, a program, or the installation's own command line."""

import msgspec

from aqueduct.domain.identity import RANK_OF_ROLE, Role
from aqueduct.domain.principal import Principal


class Authority(msgspec.Struct, frozen=True, kw_only=True):
    """What an actor is, as far as it decides what he may do: his role, and where he has it."""

    role: Role
    organisation_id: str | None = None
    team_ids: frozenset[str] = frozenset()
    led_team_ids: frozenset[str] = frozenset()

    def includes(self, other: "Authority") -> bool:
        """Whether whoever has this may do all that somebody with the other may.

        Teams matter to members alone: an administrator stands above all of his organisation.
        """
        if self.role is Role.ADMIN:
            return True
        if RANK_OF_ROLE[self.role] < RANK_OF_ROLE[other.role] or self.organisation_id != other.organisation_id:
            return False
        if self.role is Role.ORGANISATION_ADMIN:
            return True
        return self.team_ids >= other.team_ids and self.led_team_ids >= other.led_team_ids


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Whoever asks, with all that decides what he may do.

    `scopes` of None narrow nothing. `address` is where he came from, for the audit log.
    """

    kind: str
    name: str
    id: str | None = None
    role: Role = Role.MEMBER
    organisation_id: str | None = None
    user_id: str | None = None
    team_ids: frozenset[str] = frozenset()
    led_team_ids: frozenset[str] = frozenset()
    scopes: frozenset[str] | None = None
    address: str | None = None

    @property
    def authority(self) -> Authority:
        """What he is, apart from what his API token narrows it to."""
        return Authority(
            role=self.role,
            organisation_id=self.organisation_id,
            team_ids=self.team_ids,
            led_team_ids=self.led_team_ids,
        )

    @property
    def unscoped(self) -> "Actor":
        """The same, as far as his role goes: for finding what an object is to be made of, not for touching it."""
        return self if self.scopes is None else msgspec.structs.replace(self, scopes=None)


SYSTEM = Actor(kind="system", name="command line", role=Role.ADMIN)
"""The command line: whoever can read the data directory can change it anyway."""


def actor_of(principal: Principal, *, address: str | None = None) -> Actor:
    """Return the actor behind an API token.

    A token of a user acts as he does, one of a service account as a member of its team, and one that belongs to nobody
    as the installation; each within the token's scopes.
    """
    if principal.user_id is not None:
        kind, actor_id, role = "user", principal.user_id, principal.role or Role.MEMBER
    elif principal.service_account_id is not None:
        kind, actor_id, role = "service_account", principal.service_account_id, Role.MEMBER
    else:
        kind, actor_id = "api_token", principal.id
        role = Role.ADMIN if principal.organisation_id is None else Role.MEMBER
    return Actor(
        kind=kind,
        name=principal.name,
        id=actor_id,
        role=role,
        organisation_id=principal.organisation_id,
        user_id=principal.user_id,
        team_ids=principal.team_ids,
        led_team_ids=principal.led_team_ids,
        scopes=principal.scopes,
        address=address,
    )
