"""What a rule, a limit or a budget is about."""

import enum

import msgspec

from aqueduct.domain.identity import Rank
from aqueduct.domain.versioned import Versioned


class SubjectType(enum.StrEnum):
    """The kinds of subjects, the widest first; an end user is what a client names in `user`."""

    ORGANISATION = "organisation"
    TEAM = "team"
    USER = "user"
    SERVICE_ACCOUNT = "service_account"
    API_TOKEN = "api_token"  # noqa: S105 - the name of a kind
    END_USER = "end_user"


EVERY_END_USER = "*"
"""The id of a subject that stands for each end user of an organisation, every one by himself."""


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A subject, and where it is: the organisation, team and user it belongs to, for whoever asks who may touch it."""

    type: SubjectType
    id: str
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None


class Subjected(Versioned, frozen=True, kw_only=True):
    """What rules, limits and budgets share: their subject with its place, and the rank of who set them."""

    id: str
    subject_type: SubjectType
    subject_id: str
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    rank: Rank = Rank.ADMIN
