"""Admits requests: reserves what they may use of every limit, in one step, and settles it to what they did use."""

from collections.abc import Sequence

from aqueduct.counters.answers import Refusal, Reservation, Standing, Unseeded
from aqueduct.counters.claims import Claim
from aqueduct.counters.contract import Counters
from aqueduct.domain.limit import Dimension
from aqueduct.domain.usage import Units
from aqueduct.errors import RateLimitExceeded
from aqueduct.gateway.account import Entry
from aqueduct.gateway.gauges import Estimate, Gauge, Plans
from aqueduct.gateway.response_head import HeaderLines
from aqueduct.wire.limits import limit_fields
from aqueduct.wire.request import Request

_BYTES_A_TOKEN = 4
_FIRST_GUESS_TOKENS = 256.0
_HISTORY_WEIGHT = 0.1
_MAX_HISTORIES = 10_000

_TYPES = {
    Dimension.REQUESTS_PER_MINUTE: "requests",
    Dimension.INPUT_TOKENS_PER_MINUTE: "tokens",
    Dimension.OUTPUT_TOKENS_PER_MINUTE: "tokens",
    Dimension.CONCURRENT_REQUESTS: "concurrency",
}
_WORDS = {
    Dimension.REQUESTS_PER_MINUTE: "requests per minute",
    Dimension.INPUT_TOKENS_PER_MINUTE: "input tokens per minute",
    Dimension.OUTPUT_TOKENS_PER_MINUTE: "output tokens per minute",
    Dimension.CONCURRENT_REQUESTS: "concurrent requests",
}


class Admission:
    """What one request holds of its caller's limits until it is settled."""

    def __init__(self, limiter: "Limiter", model: str, gauges: Sequence[Gauge], reservation: Reservation) -> None:
        self._limiter = limiter
        self._model = model
        self._gauges = gauges
        self._reservation = reservation

    def settle(self, units: Units) -> None:
        """Replace the estimate by what was used, and give places back; once."""
        self._limiter.note_output(self._model, units)
        self._limiter.counters.settle(self._reservation, [gauge.used(units) for gauge in self._gauges])


class Limiter:
    """Reserves for requests; `queue_seconds` is how long one may wait for a place under a limit on concurrency."""

    def __init__(self, counters: Counters, queue_seconds: float) -> None:
        self.counters = counters
        self._queue_seconds = queue_seconds
        self._plans = Plans()
        self._histories: dict[str, float] = {}

    async def admit(self, entry: Entry, request: Request, model: str, body_bytes: int) -> None:
        """Reserve for the entry, or raise `RateLimitExceeded` or `CountersUnavailable`."""
        end_user = request.end_user
        gauges = self._plans.gauges(entry.principal, model)
        if any(gauge.end_user is not None for gauge in gauges):
            gauges = [gauge for gauge in gauges if gauge.concerns(end_user)]
        estimate = self._estimate(model, request, body_bytes)
        claims = [gauge.claim(estimate, end_user) for gauge in gauges]
        answer = await self.counters.reserve(claims, wait_seconds=self._queue_seconds)
        if isinstance(answer, Unseeded):
            raise AssertionError("only budgets need seeding")
        entry.call.limit_lines = _lines(gauges, answer.standings)
        if isinstance(answer, Refusal):
            raise _refusal(gauges, claims, answer)
        entry.admission = Admission(self, model, gauges, answer)

    def note_output(self, model: str, units: Units) -> None:
        """Learn how much a model tends to answer."""
        if output_tokens := units.get("output_tokens"):
            if len(self._histories) >= _MAX_HISTORIES:
                self._histories.clear()
            before = self._histories.get(model, float(output_tokens))
            self._histories[model] = before + _HISTORY_WEIGHT * (output_tokens - before)

    def _estimate(self, model: str, request: Request, body_bytes: int) -> Estimate:
        asked = request.max_output_tokens
        each = self._histories.get(model, _FIRST_GUESS_TOKENS) if asked is None else asked
        return Estimate(body_bytes // _BYTES_A_TOKEN, int(each) * request.choices, asked is None)


def _lines(gauges: Sequence[Gauge], standings: Sequence[Standing]) -> HeaderLines:
    """Return the `x-ratelimit` lines: of requests and of tokens, the tightest limit each."""
    tightest: dict[str, tuple[float, Gauge, Standing]] = {}
    for gauge, standing in zip(gauges, standings, strict=False):  # there are none while the counters are away
        kind = _TYPES[gauge.dimension]
        share = standing.remaining / max(standing.limit, 1)
        if kind not in tightest or share < tightest[kind][0]:
            tightest[kind] = (share, gauge, standing)
    return b"".join(
        limit_fields(kind, gauge.amount, gauge.shown(standing.remaining), standing.reset_seconds)
        for kind, (_, gauge, standing) in tightest.items()
        if kind != "concurrency"
    )


def _refusal(gauges: Sequence[Gauge], claims: Sequence[Claim], refusal: Refusal) -> RateLimitExceeded:
    """Return the error for the limit that takes longest to have room again."""
    refused = max(refusal.refused, key=lambda each: float("inf") if each.wait_seconds is None else each.wait_seconds)
    gauge = gauges[next(number for number, claim in enumerate(claims) if claim is refused.claim)]
    what = f"{gauge.amount} {_WORDS[gauge.dimension]}"
    if refused.wait_seconds is None:
        message = f"This request alone is over the limit of {what}. Ask for less."
    else:
        message = f"The limit of {what} is used up. Try again in {refused.wait_seconds:.3g} s."
    error = RateLimitExceeded(message)
    error.type = _TYPES[gauge.dimension]
    error.retry_after_seconds = refused.wait_seconds
    if refused.wait_seconds is None:
        error.should_retry = False
    return error
