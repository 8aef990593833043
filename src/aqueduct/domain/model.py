"""What is served: providers, and models made of targets.

Providers and targets are compared by identity: a reload makes new ones, and what is cached by them goes with them.
"""

import enum

import msgspec
from typing_extensions import override

from aqueduct.domain.http import PLAIN_TIMEOUTS, STREAM_TIMEOUTS, Origin, Timeouts
from aqueduct.domain.price import Price

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

    `governed_fields` are the request fields choosing a model, a price or a retention that this provider may be sent.
    """

    name: str
    kind: str
    origin: Origin | None = None
    base_path: str = ""
    api_key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    governed_fields: frozenset[str] = frozenset()

    @property
    def confidential(self) -> tuple[str, ...]:
        """What no client may read: the credential, the values of headers and the host; not the shortest ones."""
        texts = (self.api_key or "", *(value for _, value in self.headers), self.origin.host if self.origin else "")
        return tuple(text for text in texts if len(text) >= LEAST_CONFIDENTIAL_CHARACTERS)

    @override
    def __repr__(self) -> str:
        return f"Provider({self.name!r}, kind={self.kind!r})"


class Target(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One model at one provider with one credential.

    `model` is the name the provider knows; `*` hands on the one that was asked for. `prices` are what it costs, the
    last one that holds at the time; empty if none was given.
    """

    provider: Provider
    model: str
    priority: int = 1
    structured_output: StructuredOutput = StructuredOutput.NATIVE
    plain_timeouts: Timeouts = PLAIN_TIMEOUTS
    stream_timeouts: Timeouts = STREAM_TIMEOUTS
    model_path: str | None = None
    prices: tuple[Price, ...] = ()

    @property
    def name(self) -> str:
        """How the target is called in headers, logs and records."""
        return f"{self.provider.name}/{self.model}"


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """A public name with the targets behind it, in the order they are tried.

    `created_at` is when it came into force, in seconds since the epoch.
    """

    name: str
    targets: tuple[Target, ...]
    aliases: tuple[str, ...] = ()
    description: str | None = None
    created_at: int = 0
