"""Where a model sends requests by what they are: rules, splits by percentage, and copies to a shadow. No I/O."""

import enum

import msgspec


class GroupKind(enum.Enum):
    """What requests have in common that a percentage takes, or leaves, together."""

    TOKEN = "token"  # noqa: S105 - the name of a choice
    END_USER = "end_user"
    TEAM = "team"
    ORGANISATION = "organisation"
    PROMPT_CACHE_KEY = "prompt_cache_key"
    PREFIX = "prefix"
    REQUEST = "request"
    """Nothing: every request is drawn for itself."""
    HEADER = "header"


class Grouping(msgspec.Struct, frozen=True):
    """What a percentage counts: requests of one group go the same way; `header` names one, in lower case."""

    kind: GroupKind = GroupKind.TOKEN
    header: str = ""


class TextSource(enum.Enum):
    """Which text of a request, or of its caller, is looked at."""

    HEADER = "headers"
    METADATA = "metadata"
    REASONING_EFFORT = "reasoning_effort"
    END_USER = "end_user"
    USER = "user"
    TEAM = "team"
    ORGANISATION = "organisation"
    SERVICE_ACCOUNT = "service_account"
    TOKEN = "token"  # noqa: S105 - the name of a choice


class Flag(msgspec.Struct, frozen=True):
    """Something that is so or not; the names, each with its words, are `FLAGS` in `steering_words.py`."""

    name: str
    is_wanted: bool


class Length(msgspec.Struct, frozen=True, kw_only=True):
    """How long the input is, in tokens, estimated; None: no bound."""

    longer_than: int | None = None
    shorter_than: int | None = None


class Choices(msgspec.Struct, frozen=True):
    """How many choices are asked for, at least."""

    at_least: int


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """What a text is: one of `values`, or all of it matched by `pattern`, or there at all (`is_present`).

    `key` names the header (in lower case) or the member of the metadata.
    """

    source: TextSource
    key: str = ""
    values: tuple[str, ...] = ()
    pattern: str | None = None
    is_present: bool | None = None


class Percentage(msgspec.Struct, frozen=True, kw_only=True):
    """A share of the groups of requests, always the same ones; growing it only adds to them."""

    value: float
    by: Grouping = Grouping()


class AllOf(msgspec.Struct, frozen=True):
    """All of these hold; of none, always."""

    conditions: tuple["Condition", ...] = ()


class AnyOf(msgspec.Struct, frozen=True):
    """One of these holds."""

    conditions: tuple["Condition", ...]


class Not(msgspec.Struct, frozen=True):
    """Something that must not hold."""

    condition: "Condition"


Condition = Flag | Length | Choices | Text | Percentage | AllOf | AnyOf | Not


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Sends the requests of which `when` holds to another model, or to some of the model's own targets.

    `targets` are labels or names of targets; `model` of None means those.
    """

    name: str
    when: AllOf
    model: str | None = None
    targets: tuple[str, ...] = ()


class Side(msgspec.Struct, frozen=True):
    """One part of a split: the own targets of that label, or else another model of that name."""

    name: str
    percentage: float
    is_model: bool = False


class Split(msgspec.Struct, frozen=True):
    """Parts requests between sides, whose percentages make 100; a group stays on its side while they stay."""

    sides: tuple[Side, ...]
    by: Grouping = Grouping()


class Mirror(msgspec.Struct, frozen=True, kw_only=True):
    """Sends a copy of a share of the answered requests to a shadow, whose answers nobody gets.

    The shadow is another model, or the model's own targets of that label or name; `model` of None means those.
    `concurrency` is how many copies may be under way at once, `is_captured` whether a shadow's answer is kept too where
    the caller's policy keeps the client's.
    """

    model: str | None = None
    target: str = ""
    share: float
    concurrency: int = 10
    timeout_seconds: float = 120.0
    is_captured: bool = False
