"""Who there is: organisations, their teams, users and service accounts, and what each may be.

What was deleted keeps its row, for the usage that names it. Instants are in seconds since the epoch.
"""

import enum

from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.versioned import Versioned


class Role(enum.StrEnum):
    """What a user is in the whole installation or in his organisation."""

    ADMIN = "admin"
    ORGANISATION_ADMIN = "organisation_admin"
    MEMBER = "member"


class TeamRole(enum.StrEnum):
    """What a user is in one team."""

    ADMIN = "admin"
    MEMBER = "member"


class Rank(enum.IntEnum):
    """How high somebody stands, for comparing: what a higher rank has set, a lower one does not undo."""

    MEMBER = 0
    TEAM_ADMIN = 1
    ORGANISATION_ADMIN = 2
    ADMIN = 3


RANK_OF_ROLE = {Role.ADMIN: Rank.ADMIN, Role.ORGANISATION_ADMIN: Rank.ORGANISATION_ADMIN, Role.MEMBER: Rank.MEMBER}


class Organisation(Versioned, frozen=True, kw_only=True):
    """A tenant: nothing of one is ever seen by another.

    `max_api_tokens_per_user` of None sets no quota; with `requires_terms` the newest terms of service must be accepted.
    `capture` is what is kept of its prompts and answers; None is nothing.
    """

    id: str
    name: str
    max_api_tokens_per_user: int | None = None
    requires_terms: bool = False
    capture: CapturePolicy | None = None
    deleted_at: float | None = None


class Team(Versioned, frozen=True, kw_only=True):
    """People of one organisation who work, and pay, together."""

    id: str
    organisation_id: str
    name: str
    deleted_at: float | None = None


class User(Versioned, frozen=True, kw_only=True):
    """A person, in one organisation; `max_api_tokens` takes the place of the organisation's quota."""

    id: str
    organisation_id: str
    name: str
    email: str | None = None
    role: Role = Role.MEMBER
    is_active: bool = True
    max_api_tokens: int | None = None
    deleted_at: float | None = None


class Membership(Versioned, frozen=True, kw_only=True):
    """A user in a team; `given_by` is the identity by whose claims a rule gave it, None: somebody did by hand."""

    team_id: str
    user_id: str
    organisation_id: str
    role: TeamRole = TeamRole.MEMBER
    given_by: str | None = None


class ServiceAccount(Versioned, frozen=True, kw_only=True):
    """A program that calls in the name of a team."""

    id: str
    organisation_id: str
    team_id: str
    name: str
    deleted_at: float | None = None
