"""Who may do what: one table of standings and kinds of objects.

An actor stands to an object in none, one or several ways; he may do what any of them allows, within his scopes. There
is no way from one organisation into another but for the installation's administrators.
"""

import enum

import msgspec

from aqueduct.domain.actor import Actor
from aqueduct.domain.identity import Rank, Role
from aqueduct.domain.scopes import Kind, covers, includes


class Action(enum.StrEnum):
    """What can be done with an object; the letters of the table."""

    CREATE = "c"
    READ = "r"
    UPDATE = "u"
    DELETE = "d"
    ACCEPT = "a"


class Standing(enum.IntEnum):
    """How an actor stands to an object; the columns of the table."""

    ADMIN = 0
    """He administers the installation."""
    ORGANISATION_ADMIN = 1
    """He administers the object's organisation."""
    TEAM_ADMIN = 2
    """He administers a team that the object belongs to."""
    TEAM_MEMBER = 3
    """He is in a team that the object belongs to."""
    COLLEAGUE = 4
    """He is in the object's organisation."""
    ONESELF = 5
    """The object is himself or belongs to him."""


TABLE: dict[Kind, tuple[str, str, str, str, str, str]] = {
    # what                  admin   org     team    in the  in the  one's
    #                               admin   admin   team    org     own
    Kind.ORGANISATION: ("crud", "ru", "", "", "r", ""),
    Kind.TEAM: ("crud", "crud", "r", "r", "", ""),
    Kind.USER: ("crud", "crud", "r", "", "", "r"),
    Kind.MEMBERSHIP: ("crud", "crud", "crud", "r", "", "r"),
    Kind.SERVICE_ACCOUNT: ("crud", "crud", "crud", "r", "", ""),
    Kind.API_TOKEN: ("crud", "crud", "crud", "", "", "crud"),
    Kind.MODEL_RULE: ("crud", "crud", "r", "r", "", "r"),
    Kind.LIMIT: ("crud", "crud", "crud", "r", "", "crud"),
    Kind.BUDGET: ("crud", "crud", "crud", "r", "", "crud"),
    Kind.TERMS: ("cr", "cr", "", "", "r", "ra"),
    Kind.WEBHOOK: ("crud", "crud", "", "", "", ""),
    Kind.AUDIT: ("r", "r", "", "", "", ""),
    Kind.USAGE: ("r", "r", "r", "", "", "r"),
    Kind.CAPTURE: ("rud", "rud", "", "", "", "r"),
    Kind.TARGET: ("r", "", "", "", "", ""),
    Kind.CACHE: ("d", "d", "", "", "", ""),
}

RANKS = {
    Standing.ADMIN: Rank.ADMIN,
    Standing.ORGANISATION_ADMIN: Rank.ORGANISATION_ADMIN,
    Standing.TEAM_ADMIN: Rank.TEAM_ADMIN,
}
"""The rank that a standing lends; every other lends that of a member."""

MASTERED = frozenset({Kind.API_TOKEN, Kind.TERMS})
"""What is one's own whatever its rank: a user's tokens have the rank of the user himself."""


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """An object as far as permissions go: its kind, where it is, and the rank it takes to change it.

    Where it is: its organisation (None: the installation), the teams it belongs to, the user whose it is.
    """

    kind: Kind
    organisation_id: str | None = None
    team_ids: frozenset[str] = frozenset()
    user_id: str | None = None
    rank: Rank = Rank.MEMBER


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Which objects of a kind an actor may see: all, or those in any of these places."""

    everything: bool = False
    organisation_id: str | None = None
    team_ids: frozenset[str] = frozenset()
    user_id: str | None = None


EVERYWHERE = Reach(everything=True)


def standings(actor: Actor, resource: Resource) -> set[Standing]:
    """Return every way in which the actor stands to the object."""
    found: set[Standing] = set()
    if actor.role is Role.ADMIN:
        found.add(Standing.ADMIN)
    if actor.organisation_id is None or actor.organisation_id != resource.organisation_id:
        return found
    found.add(Standing.COLLEAGUE)
    if actor.role is Role.ORGANISATION_ADMIN:
        found.add(Standing.ORGANISATION_ADMIN)
    if actor.led_team_ids & resource.team_ids:
        found.add(Standing.TEAM_ADMIN)
    if actor.team_ids & resource.team_ids:
        found.add(Standing.TEAM_MEMBER)
    if actor.user_id is not None and actor.user_id == resource.user_id:
        found.add(Standing.ONESELF)
    return found


def may(actor: Actor, action: Action, resource: Resource) -> bool:
    """Whether the actor may do this to the object."""
    if not is_in_scope(actor, action, resource.kind):
        return False
    return any(
        action.value in TABLE[resource.kind][standing] and is_high_enough(standing, action, resource)
        for standing in standings(actor, resource)
    )


def is_in_scope(actor: Actor, action: Action, kind: Kind) -> bool:
    """Whether the actor's API token opens this kind of object at all."""
    return actor.scopes is None or covers(actor.scopes, kind, writes=action is not Action.READ)


def is_high_enough(standing: Standing, action: Action, resource: Resource) -> bool:
    """Whether the standing lends the rank that the object takes; reading takes none."""
    if action is Action.READ or (standing is Standing.ONESELF and resource.kind in MASTERED):
        return True
    return RANKS.get(standing, Rank.MEMBER) >= resource.rank


def rank_on(actor: Actor, resource: Resource) -> Rank:
    """Return the highest rank that the actor has on an object: what he sets there has it."""
    return max((RANKS.get(standing, Rank.MEMBER) for standing in standings(actor, resource)), default=Rank.MEMBER)


def may_hand_out(actor: Actor, scopes: frozenset[str]) -> bool:
    """Whether the actor has these scopes himself."""
    return actor.scopes is None or includes(actor.scopes, scopes)


def reach(actor: Actor, kind: Kind) -> Reach:
    """Return which objects of the kind the actor may read; nothing is a reach without any place."""
    if not is_in_scope(actor, Action.READ, kind):
        return Reach()
    readable = {standing for standing in Standing if Action.READ.value in TABLE[kind][standing]}
    if actor.role is Role.ADMIN and Standing.ADMIN in readable:
        return Reach(everything=True)
    everyone = Standing.COLLEAGUE in readable
    administered = actor.role is Role.ORGANISATION_ADMIN and Standing.ORGANISATION_ADMIN in readable
    team_ids: frozenset[str] = frozenset()
    if Standing.TEAM_ADMIN in readable:
        team_ids |= actor.led_team_ids
    if Standing.TEAM_MEMBER in readable:
        team_ids |= actor.team_ids
    return Reach(
        organisation_id=actor.organisation_id if everyone or administered else None,
        team_ids=team_ids,
        user_id=actor.user_id if Standing.ONESELF in readable else None,
    )
