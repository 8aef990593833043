"""The shape of `aqueduct.yaml`, as structs: what is not named here is refused."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from aqueduct.config.sign_in import SignInNode
from aqueduct.config.steering_nodes import By, GroupName, MirrorNode, Percent, RuleNode
from aqueduct.domain.model import StructuredOutput
from aqueduct.domain.routing import Stickiness, Strategy

Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
Window = Count | Literal["unknown"]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class _Node(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mapping of the file."""


class TimeoutsNode(_Node, frozen=True):
    """How long targets may take, in seconds; what is left out is inherited (target, then model, then the default).

    `first_byte` holds until the answer's first byte, or a stream's first event; `first_content` until a stream's first
    event that has content.
    """

    connect: Seconds | None = None
    first_byte: Seconds | None = None
    first_content: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None


class BreakerNode(_Node, frozen=True):
    """When a target is taken out of use."""

    failures: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 5
    error_rate: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    cooling: Seconds = 5.0


class HealthCheckNode(_Node, frozen=True):
    """How often a provider is asked whether it is well."""

    interval: Annotated[float, msgspec.Meta(ge=1, le=86_400)]


class TargetLimitsNode(_Node, frozen=True):
    """What the provider allows us at a target."""

    requests_per_minute: Count | None = None
    tokens_per_minute: Count | None = None
    concurrency: Count | None = None


class HedgeNode(_Node, frozen=True):
    """When a second target is asked beside the first."""

    after: Literal["p95"] | Seconds = "p95"


class RetriesNode(_Node, frozen=True):
    """What a model may spend on attempts after the first."""

    extra_load: Annotated[float, msgspec.Meta(ge=0, le=10)] = 0.2
    reserve: Annotated[int, msgspec.Meta(ge=0, le=100_000)] = 20


class CacheNode(_Node, frozen=True):
    """How a model's answers are kept, to be given again to whoever asks the same."""

    ttl: Annotated[float, msgspec.Meta(gt=0, le=31_536_000)] = 3600.0
    when: Literal["always", "asked"] = "always"
    max_bytes: Annotated[int, msgspec.Meta(ge=1, le=16_777_216)] = 262_144


class ProviderNode(_Node, frozen=True):
    """A place that serves models."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    kind: str
    base_url: str | None = None
    api_key: str | None = None
    api_keys: list[str] = []
    breaker: BreakerNode | bool = True
    health_check: HealthCheckNode | None = None
    headers: dict[str, str] = {}
    allow_fields: list[str] = []
    drop_fields: list[str] = []
    options: dict[str, str] = {}
    credentials: dict[str, str] = {}
    structured_output: StructuredOutput | None = None


Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class PriceNode(_Node, frozen=True):
    """What a model costs, from the beginning of one day (UTC) to that of another.

    What is within another unit and has no price of its own costs what that one does.
    """

    currency: Currency = "USD"
    input_per_million: Decimal | None = None
    cached_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    input_audio_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    reasoning_per_million: Decimal | None = None
    output_audio_per_million: Decimal | None = None
    per_image: Decimal | None = None
    per_request: Decimal | None = None
    valid_from: date | None = None
    valid_until: date | None = None


class TargetNode(_Node, frozen=True):
    """One model at one provider."""

    provider: Name
    model: Name | None = None
    model_path: str | None = None
    label: Name | None = None
    priority: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 1
    weight: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 1.0
    limits: TargetLimitsNode | None = None
    context_window: Window | None = None
    structured_output: StructuredOutput | None = None
    reads_images: bool | None = None
    reads_files: bool | None = None
    price: PriceNode | list[PriceNode] | None = None
    timeouts: TimeoutsNode = TimeoutsNode()


class ModelNode(_Node, frozen=True):
    """A public name with the targets behind it."""

    name: Name
    targets: Annotated[list[TargetNode], msgspec.Meta(min_length=1)]
    aliases: list[Name] = []
    description: str | None = None
    hidden: bool = False
    rules: list[RuleNode] = []
    split: dict[Name, Percent] | None = None
    split_by: By = GroupName.TOKEN
    mirror: MirrorNode | None = None
    strategy: Strategy = Strategy.PRIORITY
    sticky: Stickiness | None = None
    fallbacks: list[Name] = []
    context_overflow_fallbacks: list[Name] = []
    content_policy_fallbacks: list[Name] = []
    hedge: HedgeNode | None = None
    retries: RetriesNode = RetriesNode()
    cache: CacheNode | None = None
    deadline: Seconds | None = None
    queue: Annotated[float, msgspec.Meta(ge=0, le=600)] = 5.0
    context_window: Window | None = None
    price: PriceNode | list[PriceNode] | None = None
    timeouts: TimeoutsNode = TimeoutsNode()


DECLARED_SECTIONS = ("organisations", "webhooks")
"""The sections that `aqueduct apply` reads (see `declared.py`), and the gateway does not."""


class Document(_Node, frozen=True):
    """The whole file."""

    organisations: Any = None
    webhooks: Any = None
    sign_in: SignInNode = SignInNode()
    providers: list[ProviderNode] = []
    models: list[ModelNode] = []
