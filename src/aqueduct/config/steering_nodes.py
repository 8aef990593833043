"""The shape of a model's `rules`, `split` and `mirror` in `aqueduct.yaml`, as structs."""

from enum import Enum
from typing import Annotated

import msgspec

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
Bound = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Names = Annotated[list[Name], msgspec.Meta(min_length=1)]


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class GroupName(Enum):
    """What goes the same way together."""

    TOKEN = "token"  # noqa: S105 - the name of a choice
    END_USER = "end_user"
    USER = "user"
    """The older name of `end_user`; among conditions it is the one whose API token it is."""
    TEAM = "team"
    ORGANISATION = "organisation"
    PROMPT_CACHE_KEY = "prompt_cache_key"
    PREFIX = "prefix"
    REQUEST = "request"


class HeaderGroupNode(_Node, frozen=True):
    """Requests with the same value of a header go the same way."""

    header: Name


By = GroupName | HeaderGroupNode


class PercentageNode(_Node, frozen=True):
    """A percentage, and what it counts."""

    value: Percent
    by: By = GroupName.TOKEN


class MatchesNode(_Node, frozen=True):
    """A regular expression that all of a text must match."""

    matches: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


TextTest = str | list[str] | bool | MatchesNode
"""What a text is: this, one of these, there (true) or not (false), or matched by an expression."""


class WhenNode(_Node, frozen=True):
    """What holds of the requests that a rule takes: all of what is given here."""

    has_images: bool | None = None
    has_audio: bool | None = None
    has_files: bool | None = None
    needs_tools: bool | None = None
    wants_json: bool | None = None
    stream: bool | None = None
    longer_than: Bound | None = None
    shorter_than: Bound | None = None
    n_at_least: Bound | None = None
    reasoning_effort: TextTest | None = None
    headers: dict[Name, TextTest] = {}
    metadata: dict[Name, TextTest] = {}
    end_user: TextTest | None = None
    user: TextTest | None = None
    service_account: TextTest | None = None
    team: TextTest | None = None
    organisation: TextTest | None = None
    token: TextTest | None = None
    percentage: Percent | PercentageNode | None = None
    any: Annotated[list["WhenNode"], msgspec.Meta(min_length=1)] | None = None
    not_: "WhenNode | None" = msgspec.field(name="not", default=None)


class RuleNode(_Node, frozen=True):
    """Which requests go to another model, or to some of the model's own targets."""

    name: Name | None = None
    when: WhenNode = WhenNode()
    model: Name | None = None
    targets: Names | None = None


class MirrorNode(_Node, frozen=True):
    """Which share of the requests another model, or an own target, gets a copy of."""

    share: Annotated[float, msgspec.Meta(gt=0, le=1)]
    model: Name | None = None
    target: Name | None = None
    concurrency: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 10
    timeout: Annotated[float, msgspec.Meta(gt=0, le=3_600)] = 120.0
    capture: bool = False
