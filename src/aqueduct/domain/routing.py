"""How a model's targets are chosen among, and what becomes of a request that none of them answers. No I/O."""

import enum

import msgspec

from aqueduct.domain.steering import Mirror, Rule, Split


class Strategy(enum.Enum):
    """What orders the targets of one priority."""

    PRIORITY = "priority"
    WEIGHTED = "weighted"
    LEAST_BUSY = "least-busy"
    LOWEST_COST = "lowest-cost"
    LOWEST_LATENCY = "lowest-latency"


class Stickiness(enum.Enum):
    """What requests have in common that go to the same target, so that its caches hit."""

    TOKEN = "token"  # noqa: S105 - the name of a choice
    USER = "user"
    PROMPT_CACHE_KEY = "prompt_cache_key"
    PREFIX = "prefix"


class FallbackKind(enum.Enum):
    """Why another model is asked."""

    FAILURE = "fallbacks"
    CONTEXT_OVERFLOW = "context_overflow_fallbacks"
    CONTENT_POLICY = "content_policy_fallbacks"


class TargetLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider allows us at one target; None: no limit is known."""

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int | None = None


class BreakerRules(msgspec.Struct, frozen=True, kw_only=True):
    """When a target is taken out of use: after so many failures in a row, or so large a share of failures."""

    is_enabled: bool = True
    failures: int = 5
    error_rate: float = 0.5
    cooling_seconds: float = 5.0


class Hedge(msgspec.Struct, frozen=True, kw_only=True):
    """When a second target is asked beside the first; None: after its own 95th percentile."""

    after_seconds: float | None = None


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """How one model's requests find their target; `fallbacks` are names of models, by why they are asked.

    `deadline_seconds` is how long all attempts together may take until the answer begins; None: as long as each may.
    """

    strategy: Strategy = Strategy.PRIORITY
    sticky: Stickiness | None = None
    fallbacks: tuple[str, ...] = ()
    context_overflow_fallbacks: tuple[str, ...] = ()
    content_policy_fallbacks: tuple[str, ...] = ()
    deadline_seconds: float | None = None
    queue_seconds: float = 5.0
    hedge: Hedge | None = None
    extra_load: float = 0.2
    """How many more attempts than requests there may be, in the long run."""
    retry_reserve: float = 20.0
    """How many there may be beside those, so that the few requests of a quiet model can be tried again at all."""

    rules: tuple[Rule, ...] = ()
    split: Split | None = None
    mirror: Mirror | None = None

    takes_first: bool = True
    """Whether nothing but its health decides that the first target is asked first; set by `compiled`."""
    is_steered: bool = False
    """Whether rules or a split decide which targets there are to choose among; set by `compiled`."""

    def fallbacks_of(self, kind: FallbackKind) -> tuple[str, ...]:
        """Return the names of the models to ask for a reason."""
        names: tuple[str, ...] = getattr(self, kind.value)
        return names

    @property
    def destinations(self) -> tuple[str, ...]:
        """The names of the other models that rules and the split send requests to."""
        ruled = [rule.model for rule in self.rules if rule.model is not None]
        return (*ruled, *(side.name for side in (self.split.sides if self.split else ()) if side.is_model))

    def compiled(self) -> "Routing":
        """Return the same, having found out once whether there is anything to decide."""
        is_plain = self.strategy is Strategy.PRIORITY and self.sticky is None
        return msgspec.structs.replace(
            self,
            takes_first=is_plain and self.hedge is None and self.deadline_seconds is None,
            is_steered=bool(self.rules) or self.split is not None,
        )
