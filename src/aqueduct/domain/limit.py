"""Limits: how much of something a subject may use at a time."""

import enum

import msgspec

from aqueduct.domain.model_rules import matches
from aqueduct.domain.subject import Subjected


class Dimension(enum.StrEnum):
    """What is limited."""

    REQUESTS_PER_MINUTE = "requests_per_minute"
    INPUT_TOKENS_PER_MINUTE = "input_tokens_per_minute"
    OUTPUT_TOKENS_PER_MINUTE = "output_tokens_per_minute"
    CONCURRENT_REQUESTS = "concurrent_requests"


class Limit(Subjected, frozen=True, kw_only=True):
    """An amount of one dimension.

    `model_pattern` narrows it to the models of that name or pattern, counted together; None counts every model.
    `multipliers` weigh models: what is used of a model that a name or pattern means counts so many times (the first
    that fits, exact names before patterns). Requests of every end user are counted apart where the subject is one.
    """

    dimension: Dimension
    amount: int
    model_pattern: str | None = None
    multipliers: dict[str, float] = msgspec.field(default_factory=dict)

    def applies_to(self, model: str) -> bool:
        """Whether what is used of the model counts."""
        return self.model_pattern is None or matches(self.model_pattern, model)

    def multiplier(self, model: str) -> float:
        """Return how many times what is used of the model counts."""
        if not self.multipliers:
            return 1.0
        exact = self.multipliers.get(model)
        if exact is not None:
            return exact
        return next((times for name, times in self.multipliers.items() if matches(name, model)), 1.0)
