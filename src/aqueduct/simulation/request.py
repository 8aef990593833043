"""Requests as simulated clients make them: real ones to the router, of a size that their targets know."""

from typing import Any, Self

import msgspec
from typing_extensions import override

from aqueduct.wire.chat import ChatRequest, parse_chat

_FILLER = " the"
"""Four characters: about what a token is."""


class SimulatedRequest(ChatRequest):
    """A chat of which it is known what it will use."""

    input_tokens = 0
    output_tokens = 0

    @property
    def tokens_used(self) -> int:
        """What it counts for in a limit on tokens."""
        return self.input_tokens + self.output_tokens

    def sized(self, input_tokens: int, output_tokens: int) -> Self:
        """Say how large it and its answer are; return it."""
        self.input_tokens = input_tokens
        self.output_tokens = output_tokens
        return self

    @override
    def with_fields(self, **changes: Any) -> Self:
        """Return the same request with top-level members replaced."""
        return super().with_fields(**changes).sized(self.input_tokens, self.output_tokens)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What one client asks for; `caller` is its number."""

    model: str
    caller: int
    input_tokens: int
    output_tokens: int
    max_tokens: int | None
    is_stream: bool


def request_of(wish: Wish) -> SimulatedRequest:
    """Return the request: as many bytes as it would have, from a caller who always begins alike."""
    who = f"caller-{wish.caller}"
    body: dict[str, Any] = {
        "model": wish.model,
        "messages": [
            {"role": "system", "content": f"You answer {who}."},
            {"role": "user", "content": _FILLER * wish.input_tokens},
        ],
        "user": who,
        "prompt_cache_key": who,
        "stream": wish.is_stream,
    }
    if wish.max_tokens is not None:
        body["max_tokens"] = wish.max_tokens
    read = parse_chat(msgspec.json.encode(body))
    output_tokens = wish.output_tokens if wish.max_tokens is None else min(wish.output_tokens, wish.max_tokens)
    return SimulatedRequest(read.fields, read.parameters, None).sized(wish.input_tokens, output_tokens)
