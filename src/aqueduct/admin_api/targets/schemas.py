"""Targets as they are shown."""

from typing import Literal

from aqueduct.admin_api.schemas import ShownInstant, View


class TargetView(View):
    """One target, as the gateway that answers sees it."""

    target: str
    provider: str
    key: int
    models: list[str]
    routes: list[str]
    state: Literal["closed", "open", "half_open"]
    reason: str | None
    open_until: ShownInstant | None
    in_flight: int
    attempts: int
    failures: int
    first_content_median_ms: float | None
    first_content_p95_ms: float | None
    answer_median_ms: float | None
    answer_p95_ms: float | None
