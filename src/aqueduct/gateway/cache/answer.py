"""An answer as it is kept: a whole completion, whichever way it was asked for first. No I/O.

Only what is whole and would be said again is kept: every choice ended in `stop`, in calls of tools, or at the length
that the request itself sets. What a filter took out, a refusal and spoken answers are not.
"""

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.domain.cache import CacheOutcome
from aqueduct.domain.usage import Units, UsageRecord, sum_units
from aqueduct.errors import UpstreamInvalidResponse
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.wire.assembly import assemble
from aqueduct.wire.chat_answer import read_answer
from aqueduct.wire.usage import usage_object

KEPT_REASONS = frozenset({"stop", "length", "tool_calls", "function_call"})
CHAT = "chat"


class StoredAnswer(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """A kept answer with what making it took; `stored_at` is in seconds since the epoch, `cost_nano` None if unknown.

    `dropped` are the members of the request that its target was not sent, which each client is to be told.
    """

    body: bytes
    stored_at: float
    finish_reason: str | None
    response_model: str | None
    input_tokens: int
    output_tokens: int
    is_estimated: bool
    cost_nano: int | None
    currency: str | None
    dropped: tuple[str, ...]

    def age_seconds(self) -> float:
        """Return how old it is; clocks of several machines may differ."""
        return max(0.0, time.time() - self.stored_at)


encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(StoredAnswer)


def decode(data: bytes) -> StoredAnswer | None:
    """Return the answer in `data`; None where it is none, or of another version."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return None


class CacheUse:
    """What the cache did for one request, for its headers and its record."""

    __slots__ = ("answer", "outcome")

    def __init__(self, outcome: CacheOutcome, answer: StoredAnswer | None = None) -> None:
        self.outcome = outcome
        self.answer = answer

    def lines(self) -> HeaderLines:
        """Return the headers that say so (`age`: RFC 9111, 5.1)."""
        lines = b"x-aqueduct-cache: %b\r\n" % self.outcome.encode()
        return lines if self.answer is None else lines + b"age: %d\r\n" % self.answer.age_seconds()

    def describe(self, record: UsageRecord) -> None:
        """Write it into a record: what a kept answer costs is nothing, what making it took is saved."""
        record.cache = self.outcome.value
        answer = self.answer
        if answer is None:
            return
        record.units = {
            "cache_hits": 1,
            "saved_input_tokens": answer.input_tokens,
            "saved_output_tokens": answer.output_tokens,
        }
        record.response_model = answer.response_model
        record.is_estimated = answer.is_estimated
        record.cost_nano, record.saved_nano, record.currency = 0, answer.cost_nano, answer.currency


class _Message(msgspec.Struct):
    refusal: Any = None
    audio: Any = None


class _Choice(msgspec.Struct):
    message: _Message | None = None
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


_completion_decoder = msgspec.json.Decoder(_Completion)


def is_worth_keeping(body: bytes, operation: str) -> bool:
    """Whether a completion may be given again, in either way."""
    try:
        choices = _completion_decoder.decode(body).choices
        if operation == CHAT:
            read_answer(body)
    except (msgspec.MsgspecError, UpstreamInvalidResponse, ValueError, RecursionError):
        return False
    return bool(choices) and all(
        choice.finish_reason in KEPT_REASONS
        and not (choice.message is not None and (choice.message.refusal or choice.message.audio))
        for choice in choices
    )


def completion_of(stream: bytes, units: Sequence[Units]) -> bytes:
    """Return the completion that a whole stream's events make up, with the sum of what its calls used.

    Raises `ValueError` or `RecursionError` for events that make up none.
    """
    document = assemble(stream)
    document.pop("obfuscation", None)
    for choice in document.get("choices", ()):
        message = choice.get("message")
        if not isinstance(message, dict):
            continue
        # Only chunks number their calls.
        if calls := message.get("tool_calls"):
            message["tool_calls"] = [{name: value for name, value in call.items() if name != "index"} for call in calls]
        message.setdefault("content", None)
    if document.get("usage") is None:
        document.pop("usage", None)
        if units:
            document["usage"] = usage_object(sum_units(units))
    return msgspec.json.encode(document)
