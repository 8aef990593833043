"""What the resources' schemas are made of."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from aqueduct.domain.capture import DEFAULT_MAX_BYTES, MAX_BYTES, MAX_RETENTION_DAYS, CapturePolicy
from aqueduct.domain.identity import Rank
from aqueduct.domain.redaction import MAX_PATTERNS
from aqueduct.domain.subject import SubjectType
from aqueduct.storage.pages import MAX_SIZE, Listing

PREFIX = "/api/admin"
MAX_QUOTA = 1_000_000


def require_printable(text: str) -> str:
    """Return the text; raises `ValueError` where it holds what is not shown on a line."""
    if not text.isprintable():
        raise ValueError("must be printable characters on one line")
    return text


def require_rfc_3339(value: object) -> object:
    """Return the text; raises `ValueError` for a number, of which nobody knows whether it counts milliseconds."""
    if not isinstance(value, str) or re.match(r"\d{4}-\d\d-\d\d[Tt ]", value) is None:
        raise ValueError("must be an instant such as 2026-12-31T00:00:00Z")
    return value


def require_storable(at: datetime) -> datetime:
    """Return the instant; raises `ValueError` where arithmetic on it would fail."""
    if not 1970 <= at.year <= 9000:
        raise ValueError("must be an instant between the years 1970 and 9000")
    return at


def as_datetime(at: object) -> object:
    """Return the domain's seconds since the epoch as they are shown; pydantic takes large ones for milliseconds."""
    return EPOCH + timedelta(seconds=at) if isinstance(at, float | int) else at


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ShownInstant = Annotated[datetime, BeforeValidator(as_datetime)]
"""An instant as it is shown: UTC, as RFC 3339 writes it."""


def as_word(rank: object) -> object:
    """Return a rank as it is shown."""
    return rank.name.lower() if isinstance(rank, Rank) else rank


ShownRank = Annotated[Literal["team_admin", "organisation_admin", "admin"], BeforeValidator(as_word)]
"""How high somebody stands."""

Text = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(require_printable)]
"""A name, an id, or either."""

Texts = Annotated[list[Text], Field(max_length=1000)]
Quota = Annotated[int, Field(ge=0, le=MAX_QUOTA)]
Instant = Annotated[AwareDatetime, BeforeValidator(require_rfc_3339), AfterValidator(require_storable)]
"""An instant as RFC 3339 writes it; the domain has seconds since the epoch."""

Money = Annotated[Decimal, Field(ge=0, le=1_000_000_000, max_digits=19, decimal_places=9)]
"""An amount in units of the currency, as a text such as `12.50`."""


def omitted_default(schema: dict[str, Any]) -> None:
    """Take the default out of a schema: a member that is not there says nothing, and null is a value."""
    schema.pop("default", None)


OMITTED: Any = Field(default=None, json_schema_extra=omitted_default)
"""The default of a member that may be left out, but may not be null unless its type says so."""


class Body(BaseModel):
    """What a request says; a member that nobody knows is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Changes(Body):
    """What is to change; what is left out stays."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    def given(self) -> dict[str, Any]:
        """Return the members that were sent, as the domain has them."""
        return {name: as_builtin(getattr(self, name)) for name in sorted(self.model_fields_set)}


def as_builtin(value: object) -> object:
    """Return a value as use cases take it: instants in seconds, amounts as text."""
    match value:
        case datetime():
            return round(value.timestamp(), 6)
        case Decimal():
            return f"{value:f}"
        case BaseModel():
            return value.model_dump()
        case _:
            return value


class View(BaseModel):
    """What is shown of an object, read off the domain's value."""

    model_config = ConfigDict(from_attributes=True)


class VersionedView(View):
    """An object that can be changed: `version` is its ETag."""

    created_at: ShownInstant
    version: int


Shown = TypeVar("Shown", bound=View)


class ListOf(BaseModel, Generic[Shown]):
    """A page of a list; the next one is asked for with `next_cursor`, null on the last."""

    data: Sequence[Shown]
    next_cursor: str | None


class PageQuery(Body):
    """How much of a list, and from where."""

    limit: Annotated[int, Field(ge=1, le=MAX_SIZE, description="How many entries at most.")] = 100
    cursor: Annotated[str | None, Field(max_length=1000, description="The `next_cursor` of the page before.")] = None

    sort: str = "created_at"

    def listing(self) -> Listing:
        """Return what is wanted, as use cases take it: what the subclasses add are filters on columns."""
        own = {*PageQuery.model_fields, *NamedQuery.model_fields, *EndedQuery.model_fields}
        names = sorted(self.model_fields_set - own)
        return Listing(
            filters={name: value for name in names if (value := getattr(self, name)) is not None},
            search=getattr(self, "search", None),
            sort=self.sort,
            size=self.limit,
            cursor=self.cursor,
            with_ended=getattr(self, "include_ended", False),
        )


class NamedQuery(PageQuery):
    """A list of what has a name."""

    search: Annotated[Text | None, Field(description="A part of the name, in any case.")] = None


class EndedQuery(PageQuery):
    """A list of what keeps its row after its end."""

    include_ended: Annotated[bool, Field(description="Whether deleted and revoked ones are listed too.")] = False


class CapturePolicyValues(Body):
    """What is kept of prompts and answers, and how long.

    `redacted` are members of the JSON bodies: names (`user`, wherever it is) or paths (`messages[*].content`).
    """

    model_config = ConfigDict(from_attributes=True)

    is_on: bool
    retention_days: Annotated[int, Field(ge=1, le=MAX_RETENTION_DAYS)] = 30
    redacted: Annotated[list[Text], Field(max_length=MAX_PATTERNS)] = Field(default_factory=list)
    max_bytes: Annotated[int, Field(ge=1, le=MAX_BYTES, description="Of each body.")] = DEFAULT_MAX_BYTES
    prompts: bool = True
    answers: bool = True

    @property
    def wanted(self) -> CapturePolicy:
        """Return the policy, as use cases take it."""
        return CapturePolicy(**(self.model_dump() | {"redacted": tuple(self.redacted)}))


class SubjectQuery(PageQuery):
    """A list of what is about a subject."""

    subject_type: SubjectType | None = None
    subject_id: Text | None = None
    organisation_id: Text | None = None
    team_id: Text | None = None
    user_id: Text | None = None


class SubjectBody(Body):
    """What is about a subject: its kind, and its id or name.

    An end user is written `ORGANISATION/NAME`, or `ORGANISATION/*` for each one by himself.
    """

    subject_type: SubjectType
    subject: Text


class SubjectView(VersionedView):
    """What is about a subject, with the organisation, team and user that it belongs to."""

    id: str
    subject_type: SubjectType
    subject_id: str
    organisation_id: str | None
    team_id: str | None
    user_id: str | None
