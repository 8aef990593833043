"""What is served: providers, and models made of targets.

Providers and targets are compared by identity: a reload makes new ones, and what is cached by them goes with them.
"""

import enum
from collections.abc import Mapping

import msgspec
from typing_extensions import override

from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.http import PLAIN_TIMEOUTS, STREAM_TIMEOUTS, Origin, Timeouts
from aqueduct.domain.price import Price
from aqueduct.domain.routing import BreakerRules, Routing, TargetLimits

LEAST_CONFIDENTIAL_CHARACTERS = 4
"""Shorter texts are no secrets, and taking them out would tear ordinary words."""


EMBEDDED_MODEL = "smollm2-135m"
"""What the embedded model is called, in the config and in its answers."""


class StructuredOutput(enum.Enum):
    """How a target is held to a JSON schema; whichever it is, the answer is validated."""

    NATIVE = "native"
    TOOL = "tool"
    INSTRUCTION = "instruction"


class Provider(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A place that serves models: where it is, what it speaks and the credential for it.

    `governed_fields` are the request fields choosing a model, a price or a retention that this provider may be sent,
    `drop_fields` those that are left out, though their loss may change the answer. `options` say where in
    the provider it is (region, project, API version), `credentials` are what a signer needs beyond the key; both by
    name, as the kind defines them. A provider with several keys is several of these, told apart by `key_number`.
    `health_check_seconds` is how often it is asked whether it is well, if at all.
    """

    name: str
    kind: str
    origin: Origin | None = None
    base_path: str = ""
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    governed_fields: frozenset[str] = frozenset()
    drop_fields: frozenset[str] = frozenset()
    options: Mapping[str, str] = {}
    credentials: Mapping[str, str] = {}
    key_number: int = 1
    breaker: BreakerRules = BreakerRules()
    health_check_seconds: float | None = None

    @property
    def confidential(self) -> tuple[str, ...]:
        """What no client may read: credentials, the values of headers and options, the host; not the shortest ones."""
        headers = [value for _, value in self.headers]
        texts = (
            self.api_key or "",
            *headers,
            *self.credentials.values(),
            *self.options.values(),
            self.origin.host if self.origin else "",
        )
        return tuple(text for text in texts if len(text) >= LEAST_CONFIDENTIAL_CHARACTERS)

    @override
    def __repr__(self) -> str:
        return f"Provider({self.name!r}, kind={self.kind!r})"


class Target(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One model at one provider with one credential.

    `model` is the name the provider knows; `*` hands on the one that was asked for. `prices` are what it costs, the
    last one that holds at the time; empty if none was given. `weight` is its share among those of its priority,
    `limits` what the provider allows us, `context_window` how many tokens a request may have; None: not known, and to
    be looked up unless `is_window_given` says that this is what the config means. `reads_images` is false of one that
    is known to see none, `reads_files` of one that gets the text of files instead. `label` is what rules and splits
    call it.
    """

    provider: Provider
    model: str
    priority: int = 1
    structured_output: StructuredOutput = StructuredOutput.NATIVE
    plain_timeouts: Timeouts = PLAIN_TIMEOUTS
    stream_timeouts: Timeouts = STREAM_TIMEOUTS
    model_path: str | None = None
    prices: tuple[Price, ...] = ()
    weight: float = 1.0
    limits: TargetLimits | None = None
    context_window: int | None = None
    is_window_given: bool = False
    reads_images: bool = True
    reads_files: bool = True
    label: str | None = None

    @property
    def name(self) -> str:
        """How the target is called in headers, logs and records."""
        return f"{self.provider.name}/{self.model}"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public name with the targets behind it, in the order they are tried.

    `created_at` is when it came into force, in seconds since the epoch. `cache` of None keeps no answers. A hidden one
    is for other models alone.
    """

    name: str
    targets: tuple[Target, ...]
    aliases: tuple[str, ...] = ()
    description: str | None = None
    created_at: int = 0
    routing: Routing = Routing()
    cache: CachePolicy | None = None
    is_hidden: bool = False
