"""Events: what administrators are told of, each happening once.

An event's id is made of what happened, so that whoever notices it again, in another process or after a restart, makes
the same event. Neither a secret nor a prompt is ever part of one.
"""

import enum
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.budget import Budget
from aqueduct.domain.money import plain

DAY_SECONDS = 86_400
EXPIRY_NOTICE_DAYS = (1, 7)
"""How many days before its end a token's owner is told, the latest first."""
REPEAT_SECONDS = 600
"""How long a happening that several processes notice, or that comes and goes, is told of once."""


class EventKind(enum.StrEnum):
    """What can happen; a webhook names the kinds it is told of."""

    BUDGET_THRESHOLD = "budget.threshold_reached"
    TOKEN_EXPIRING = "api_token.expiring"  # noqa: S105 - the name of a kind
    TARGET_DOWN = "target.down"
    TARGET_UP = "target.up"
    CONFIG_REFUSED = "config.refused"
    TEST = "webhook.test"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One happening. Of no organisation is what concerns the whole installation; `data` is what a receiver reads."""

    id: str
    kind: EventKind
    happened_at: float
    organisation_id: str | None = None
    data: dict[str, Any] = {}


Emit = Callable[[Event], None]
"""How an event is told: cheap, and never waits, so that the data plane may call it."""


def event_id(kind: EventKind, *parts: object) -> str:
    """Return the id of the one happening that the parts name."""
    digest = hashlib.sha256(msgspec.json.encode([kind, *parts])).hexdigest()
    return f"evt_{digest[:32]}"


def budget_events(
    budget: Budget, *, period_started_at: float, spent_before_nano: int, spent_after_nano: int, now: float
) -> Iterator[Event]:
    """Yield an event for each alert threshold that what was spent has come to, from below it.

    Whoever does not know what was spent before gives 0: a threshold of a budget is one event a period, however often it
    is noticed. A budget of nothing has no thresholds.
    """
    for threshold in budget.alert_thresholds:
        mark = threshold * budget.amount_nano
        if not spent_before_nano * 100 < mark <= spent_after_nano * 100:
            continue
        yield Event(
            id=event_id(EventKind.BUDGET_THRESHOLD, budget.id, round(period_started_at), threshold),
            kind=EventKind.BUDGET_THRESHOLD,
            happened_at=now,
            organisation_id=budget.organisation_id,
            data={
                "budget_id": budget.id,
                "subject_type": budget.subject_type.value,
                "subject_id": budget.subject_id,
                "threshold_percent": threshold,
                "amount": plain(budget.amount_nano),
                "spent": plain(spent_after_nano),
                "currency": budget.currency,
                "period": budget.period.value,
                "period_started_at": round(period_started_at),
                "is_hard": budget.is_hard,
            },
        )


def expiry_event(api_token: ApiToken, now: float) -> Event | None:
    """Return the event of a token that ends within a day or a week; None for one that is not to be told of.

    A token that was made for less than the notice ends as planned: nobody is told.
    """
    if api_token.expires_at is None or api_token.revoked_at is not None or api_token.expires_at <= now:
        return None
    for days in EXPIRY_NOTICE_DAYS:
        notice_at = api_token.expires_at - days * DAY_SECONDS
        if api_token.created_at < notice_at <= now:
            return Event(
                id=event_id(EventKind.TOKEN_EXPIRING, api_token.id, round(api_token.expires_at), days),
                kind=EventKind.TOKEN_EXPIRING,
                happened_at=now,
                organisation_id=api_token.organisation_id,
                data={
                    "api_token_id": api_token.id,
                    "name": api_token.name,
                    "team_id": api_token.team_id,
                    "user_id": api_token.user_id,
                    "service_account_id": api_token.service_account_id,
                    "expires_at": round(api_token.expires_at),
                    "days_left": days,
                },
            )
    return None


def target_down_event(target: str, provider: str, model: str, *, key: int = 1, code: str, now: float) -> Event:
    """Return the event of a target that is out of use; `code` is that of the error which decided it.

    `model` is what the provider calls it, for any number of public names may lead there; `key` numbers its keys.
    """
    return Event(
        id=event_id(EventKind.TARGET_DOWN, target, key, now // REPEAT_SECONDS),
        kind=EventKind.TARGET_DOWN,
        happened_at=now,
        data={"target": target, "provider": provider, "model": model, "key": key, "code": code},
    )


def target_up_event(down: Event, *, now: float) -> Event:
    """Return the event of a target that answers again, after the one that told that it is down."""
    data = {name: value for name, value in down.data.items() if name != "code"}
    return Event(id=event_id(EventKind.TARGET_UP, down.id), kind=EventKind.TARGET_UP, happened_at=now, data=data)


def config_refused_event(file: str, line: int | None, *, now: float) -> Event:
    """Return the event of a config file that was refused.

    Why is in the log alone: the reason may quote a value that came from the environment.
    """
    return Event(
        id=event_id(EventKind.CONFIG_REFUSED, file, line, now // REPEAT_SECONDS),
        kind=EventKind.CONFIG_REFUSED,
        happened_at=now,
        data={"file": file, "line": line},
    )
