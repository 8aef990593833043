"""Events: which happenings are one, what is told of them, and how a receiver checks a message."""

import base64
import hashlib
import hmac

import msgspec
import pytest

from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.budget import Budget, Period
from aqueduct.domain.event import (
    DAY_SECONDS,
    Event,
    EventKind,
    budget_events,
    config_refused_event,
    expiry_event,
    target_down_event,
)
from aqueduct.domain.money import NANO, plain
from aqueduct.domain.subject import SubjectType
from aqueduct.domain.webhook import SECRET_PREFIX, Webhook, payload, signature

BUDGET = Budget(
    id="bud_1",
    subject_type=SubjectType.TEAM,
    subject_id="team_1",
    organisation_id="org_1",
    amount_nano=10 * NANO,
    period=Period.MONTH,
    alert_thresholds=(50, 80, 100),
    created_at=0.0,
)
WEEK = 7 * DAY_SECONDS
TOKEN = ApiToken(id="tok_1", name="ci", hint="aq-x", created_at=0.0, expires_at=float(30 * DAY_SECONDS))


def thresholds(before: int, after: int, budget: Budget = BUDGET, period_started_at: float = 0.0) -> list[Event]:
    return list(
        budget_events(
            budget,
            period_started_at=period_started_at,
            spent_before_nano=before,
            spent_after_nano=after,
            now=1.0,
        )
    )


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0, 5 * NANO - 1, []),
        (0, 5 * NANO, [50]),
        (5 * NANO, 8 * NANO - 1, []),
        (5 * NANO - 1, 12 * NANO, [50, 80, 100]),
        (12 * NANO, 13 * NANO, []),
        (8 * NANO, 5 * NANO, []),
    ],
)
def test_each_threshold_that_is_come_to_from_below_is_told(before: int, after: int, told: list[int]) -> None:
    assert [event.data["threshold_percent"] for event in thresholds(before, after)] == told


def test_a_threshold_is_one_event_a_period_whoever_notices_it() -> None:
    first, again = thresholds(0, 5 * NANO), thresholds(NANO, 6 * NANO)
    assert [event.id for event in first] == [event.id for event in again]
    (next_period,) = thresholds(0, 5 * NANO, period_started_at=86_400.0)
    (other_budget,) = thresholds(0, 5 * NANO, msgspec.structs.replace(BUDGET, id="bud_2"))
    assert len({first[0].id, next_period.id, other_budget.id}) == 3


def test_a_budget_of_nothing_has_no_thresholds() -> None:
    assert thresholds(0, NANO, msgspec.structs.replace(BUDGET, amount_nano=0)) == []


@pytest.mark.parametrize(
    ("nano", "text"), [(0, "0"), (NANO, "1"), (12_500_000_000, "12.5"), (1, "0.000000001"), (100 * NANO, "100")]
)
def test_money_is_written_exactly(nano: int, text: str) -> None:
    assert plain(nano) == text


@pytest.mark.parametrize(
    ("left_seconds", "days"),
    [(WEEK + 1, None), (WEEK, 7), (DAY_SECONDS + 1, 7), (DAY_SECONDS, 1), (1, 1), (0, None), (-1, None)],
)
def test_a_token_is_told_of_a_week_and_a_day_before_its_end(left_seconds: int, days: int | None) -> None:
    assert TOKEN.expires_at is not None
    event = expiry_event(TOKEN, TOKEN.expires_at - left_seconds)
    assert (None if event is None else event.data["days_left"]) == days


def test_a_token_made_for_less_than_the_notice_is_not_told_of() -> None:
    short = msgspec.structs.replace(TOKEN, expires_at=float(2 * DAY_SECONDS))
    assert expiry_event(short, 3600.0) is None
    last_day = expiry_event(short, DAY_SECONDS + 1.0)
    assert last_day is not None
    assert last_day.data["days_left"] == 1
    assert expiry_event(msgspec.structs.replace(TOKEN, revoked_at=1.0), 29.5 * DAY_SECONDS) is None
    assert expiry_event(msgspec.structs.replace(TOKEN, expires_at=None), 29.5 * DAY_SECONDS) is None


def test_what_several_processes_notice_within_minutes_is_one_event() -> None:
    one = target_down_event("a", "openai", "gpt", code="upstream_timeout", now=1200.0)
    other = target_down_event("a", "openai", "gpt", code="upstream_unreachable", now=1799.0)
    later = target_down_event("a", "openai", "gpt", code="upstream_timeout", now=1800.0)
    assert one.id == other.id != later.id
    refused = config_refused_event("aqueduct.yaml", 3, now=1200.0)
    assert refused.id == config_refused_event("aqueduct.yaml", 3, now=1201.0).id
    assert refused.id != config_refused_event("aqueduct.yaml", 4, now=1200.0).id


@pytest.mark.parametrize(
    ("organisation_id", "kinds", "is_active", "told"),
    [
        (None, ("*",), True, True),
        ("org_1", ("*",), True, True),
        ("org_2", ("*",), True, False),
        (None, ("target.down",), True, False),
        (None, ("target.down", "budget.threshold_reached"), True, True),
        (None, ("*",), False, False),
    ],
)
def test_a_webhook_is_told_of_its_events_in_its_organisation(
    organisation_id: str | None, kinds: tuple[str, ...], is_active: bool, told: bool
) -> None:
    webhook = Webhook(
        id="whk_1",
        organisation_id=organisation_id,
        name="x",
        url="https://example.com/",
        events=kinds,
        is_active=is_active,
        created_at=0.0,
    )
    (event,) = thresholds(0, 5 * NANO)
    assert webhook.is_told_of(event) == told


def test_an_organisation_is_not_told_of_the_installation() -> None:
    webhook = Webhook(id="whk_1", organisation_id="org_1", name="x", url="https://example.com/", created_at=0.0)
    assert not webhook.is_told_of(target_down_event("a", "openai", "gpt", code="x", now=0.0))


def test_a_signature_is_the_one_of_standard_webhooks() -> None:
    # The example of the specification's reference libraries.
    secret = SECRET_PREFIX + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    found = signature([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    both = signature([secret, SECRET_PREFIX + base64.b64encode(b"x" * 32).decode()], "m", 1, body).split(" ")
    assert len(both) == 2
    assert both[1] == "v1," + base64.b64encode(hmac.new(b"x" * 32, b"m.1." + body, hashlib.sha256).digest()).decode()


def test_a_message_says_what_happened_and_when() -> None:
    event = Event(id="evt_1", kind=EventKind.TARGET_DOWN, happened_at=1_800_000_000.25, data={"target": "a"})
    assert msgspec.json.decode(payload(event)) == {
        "type": "target.down",
        "timestamp": "2027-01-15T08:00:00.250Z",
        "organisation_id": None,
        "data": {"target": "a"},
    }
