"""A breaker opens, lets one request at a time try, and closes; on a clock that only the test moves."""

import pytest

from aqueduct.domain.routing import BreakerRules
from aqueduct.gateway.routing.breaker import LEAST_REQUESTS, LONGEST_WAIT_SECONDS, WINDOW_SECONDS, Breaker, BreakerState
from aqueduct.gateway.routing.policy import Symptom

RULES = BreakerRules(failures=3, error_rate=0.5, cooling_seconds=10.0)


def opened(symptom: Symptom = Symptom.FAILURE) -> Breaker:
    breaker = Breaker(RULES)
    for _ in range(RULES.failures):
        breaker.fail(symptom, 100.0)
    assert breaker.state(100.0) is BreakerState.OPEN
    return breaker


def test_opens_after_so_many_failures_in_a_row_and_no_sooner() -> None:
    breaker = Breaker(RULES)
    for _ in range(5):
        for _ in range(RULES.failures - 1):
            assert not breaker.fail(Symptom.FAILURE, 0.0)
        breaker.succeed()
    assert breaker.is_ready(0.0)
    assert [breaker.fail(Symptom.FAILURE, 0.0) for _ in range(3)] == [False, False, True]
    assert not breaker.is_ready(9.9)


def test_opens_on_the_share_of_failures_of_enough_requests() -> None:
    breaker = Breaker(RULES)
    told = []
    for _ in range(LEAST_REQUESTS):
        breaker.succeed()
        told.append(breaker.fail(Symptom.FAILURE, 1.0))
    assert told.index(True) == LEAST_REQUESTS // 2  # what went well before the first failure does not count


def test_failures_of_long_ago_do_not_count_for_the_share() -> None:
    breaker = Breaker(RULES)
    for _ in range(LEAST_REQUESTS // 2 - 1):
        breaker.succeed()
        breaker.fail(Symptom.FAILURE, 0.0)
    later = 3 * WINDOW_SECONDS
    breaker.succeed()
    assert not breaker.fail(Symptom.FAILURE, later)
    assert breaker.is_closed


def test_half_open_lets_one_request_at_a_time_through() -> None:
    breaker = opened()
    assert not breaker.is_ready(109.9)
    assert breaker.state(110.0) is BreakerState.HALF_OPEN
    assert breaker.is_ready(110.0)
    assert breaker.begin(110.0)
    assert not breaker.is_ready(110.0)
    breaker.end_probe(is_alive=False)  # it came to nothing: its client left
    assert breaker.is_ready(110.0)
    assert breaker.begin(110.0)
    breaker.end_probe(is_alive=True)
    assert breaker.is_closed


def test_a_failed_probe_opens_it_again_for_twice_as_long_up_to_a_minute() -> None:
    breaker, now, waits = opened(), 100.0, []
    for _ in range(5):
        now = breaker.open_until
        assert breaker.begin(now)
        breaker.fail(Symptom.FAILURE, now)
        breaker.end_probe(is_alive=False)
        waits.append(breaker.open_until - now)
    assert waits == [20.0, 40.0, 60.0, 60.0, 60.0]


def test_a_limit_opens_it_until_the_time_that_was_asked_for_and_then_it_is_closed() -> None:
    breaker = Breaker(RULES)
    assert breaker.fail(Symptom.RATE_LIMIT, 0.0, 7.0)
    assert not breaker.is_ready(6.9)
    assert breaker.state(7.0) is BreakerState.CLOSED
    assert not breaker.begin(7.0)
    assert breaker.is_closed


def test_an_overload_that_says_when_to_come_back_opens_it_until_then() -> None:
    breaker = Breaker(RULES)
    assert breaker.fail(Symptom.FAILURE, 0.0, 3.0)
    assert breaker.open_until == 3.0


def test_no_upstream_can_ask_for_more_than_ten_minutes() -> None:
    breaker = Breaker(RULES)
    breaker.fail(Symptom.RATE_LIMIT, 0.0, 86_400.0)
    assert breaker.open_until == LONGEST_WAIT_SECONDS


def test_a_refused_credential_opens_it_at_once_and_for_longer() -> None:
    breaker = Breaker(RULES)
    assert breaker.fail(Symptom.REFUSAL, 0.0)
    assert breaker.open_until == 60.0


def test_a_late_failure_does_not_shorten_the_wait() -> None:
    breaker = Breaker(RULES)
    breaker.fail(Symptom.REFUSAL, 0.0)
    breaker.fail(Symptom.RATE_LIMIT, 1.0, 2.0)
    assert breaker.open_until == 60.0


@pytest.mark.parametrize("symptom", [Symptom.FAILURE, Symptom.REFUSAL, Symptom.RATE_LIMIT])
def test_one_that_is_switched_off_never_opens(symptom: Symptom) -> None:
    breaker = Breaker(BreakerRules(is_enabled=False))
    assert not any(breaker.fail(symptom, 0.0, 5.0) for _ in range(100))
    assert breaker.is_ready(0.0)


def test_one_that_has_too_much_to_do_goes_on_getting_what_it_was_answering() -> None:
    breaker = Breaker(RULES)
    for _ in range(RULES.failures):
        breaker.fail(Symptom.OVERLOAD, 0.0, None, 4)
    assert breaker.state(0.0) is BreakerState.OPEN
    assert (breaker.room, breaker.open_until) == (4, 10.0)
    # A place was free, and somebody else has had it: there is one less, and it is not out for longer.
    assert not breaker.fail(Symptom.OVERLOAD, 5.0, None, 3)
    assert (breaker.room, breaker.open_until) == (3, 10.0)
    breaker.succeed()
    assert not breaker.fail(Symptom.FAILURE, 6.0, None, 3)  # one failure among answers is no outage
    assert breaker.begin(10.0)
    breaker.end_probe(is_alive=True)
    assert breaker.is_closed
    assert breaker.room == 0


def test_one_that_says_when_to_come_back_gets_nothing_until_then() -> None:
    breaker = Breaker(RULES)
    assert breaker.fail(Symptom.RATE_LIMIT, 0.0, 7.0, 4)
    assert breaker.room == 0
    assert breaker.fail(Symptom.OVERLOAD, 0.0, 8.0, 4)
    assert breaker.room == 0
