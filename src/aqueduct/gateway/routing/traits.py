"""What of a request decides where it goes; found out only where it is asked for."""

import time

from aqueduct.domain.routing import Stickiness
from aqueduct.gateway.input_size import estimate_input_tokens
from aqueduct.gateway.routing.context_window import raw_bytes
from aqueduct.gateway.routing.stickiness import sticky_key
from aqueduct.wire.request import Request

_GUESSED_OUTPUT_TOKENS = 256


class Traits:
    """One request, as far as routing goes; `at` is in seconds since the epoch, for prices."""

    __slots__ = ("_api_token_id", "_estimate", "at", "is_stream", "request")

    def __init__(self, request: Request, api_token_id: str, at: float | None = None) -> None:
        self.request = request
        self.is_stream = request.is_stream
        self.at = time.time() if at is None else at
        self._api_token_id = api_token_id
        self._estimate: tuple[int, int] | None = None

    def sticky_key(self, kind: Stickiness) -> bytes | None:
        """Return what it has in common with those that belong to it; None where it does not say."""
        return sticky_key(kind, self.request, self._api_token_id)

    @property
    def size(self) -> tuple[int, int]:
        """Input and output tokens, estimated."""
        if self._estimate is None:
            each = self.request.max_output_tokens
            output = (_GUESSED_OUTPUT_TOKENS if each is None else each) * self.request.choices
            self._estimate = estimate_input_tokens(self.request, raw_bytes(self.request)), output
        return self._estimate

    @property
    def tokens_used(self) -> int:
        """What it may use of a provider's tokens a minute, estimated."""
        return sum(self.size)
