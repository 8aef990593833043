"""What usage costs: exact, and nothing twice."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.money import to_nano
from aqueduct.domain.price import FREE, Cost, Price, cost, flat_rates, rates, sum_costs
from aqueduct.domain.usage import AttemptRecord

LIST = {"input_tokens": Decimal(2), "cached_tokens": Decimal("0.5"), "output_tokens": Decimal(8)}
PRICE = Price(currency="USD", tiers=((0, rates(LIST)),))


def test_cached_tokens_are_not_paid_for_twice() -> None:
    units = {"input_tokens": 1_000_000, "cached_tokens": 400_000, "output_tokens": 10, "reasoning_tokens": 5}
    assert cost(units, (PRICE,), 0.0) == Cost(1_400_080_000, "USD")


def test_reasoning_has_a_price_of_its_own_where_one_is_given() -> None:
    price = Price(currency="EUR", tiers=((0, rates(LIST | {"reasoning_tokens": Decimal(16)})),))
    assert cost({"output_tokens": 1_000_000, "reasoning_tokens": 1_000_000}, (price,), 0.0) == Cost(16 * 10**9, "EUR")


def test_the_finest_prices_are_exact_and_rounded_once() -> None:
    price = Price(currency="USD", tiers=((0, rates({"input_tokens": Decimal("0.0375")})),))
    assert cost({"input_tokens": 2}, (price,), 0.0) == Cost(75, "USD")
    assert cost({"input_tokens": 3}, (price,), 0.0) == Cost(113, "USD")


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_it_agrees_with_decimals(fresh: int, cached: int, output: int) -> None:
    found = cost({"input_tokens": fresh + cached, "cached_tokens": cached, "output_tokens": output}, (PRICE,), 0.0)
    exact = fresh * LIST["input_tokens"] + cached * LIST["cached_tokens"] + output * LIST["output_tokens"]
    assert found is not None
    assert Decimal(found.nano) == exact * 1000


def test_the_last_price_that_holds_is_taken() -> None:
    prices = [
        Price(currency="USD", tiers=((0, rates({"input_tokens": Decimal(number)})),), valid_from=start, valid_until=end)
        for number, start, end in ((1, None, 30.0), (2, 10.0, 20.0))
    ]
    million = {"input_tokens": 1_000_000}
    found = [cost(million, prices, at) for at in (0.0, 10.0, 19.9, 20.0, 30.0)]
    assert [None if each is None else each.nano // 10**9 for each in found] == [1, 2, 2, 1, None]


def test_a_long_request_costs_more_for_all_of_it() -> None:
    tiers = ((0, rates({"input_tokens": Decimal(1)})), (200, rates({"input_tokens": Decimal(2)})))
    price = Price(currency="USD", tiers=tiers, request_nano=7)
    assert cost({"input_tokens": 199}, (price,), 0.0) == Cost(199_007, "USD")
    assert cost({"input_tokens": 200}, (price,), 0.0) == Cost(400_007, "USD")


def test_free_is_not_unknown() -> None:
    assert cost({"input_tokens": 9}, (FREE,), 0.0) == Cost(0, "USD")
    assert cost({"input_tokens": 9}, (), 0.0) is None


def test_an_upstream_that_reports_nonsense_pays_nobody() -> None:
    assert cost({"input_tokens": 0, "cached_tokens": 1000}, (PRICE,), 0.0) == Cost(0, "USD")


@pytest.mark.parametrize("amount", ["-1", "0.0000000001", "NaN", "Infinity"])
def test_what_is_no_price_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        to_nano(Decimal(amount))


def test_costs_of_attempts_are_summed_in_one_currency_only() -> None:
    def attempt(nano: int | None, currency: str | None) -> AttemptRecord:
        return AttemptRecord(target="p/m", provider="p", started_at=0.0, cost_nano=nano, currency=currency)

    assert sum_costs([attempt(1, "USD"), attempt(None, None), attempt(2, "USD")]) == Cost(3, "USD")
    assert sum_costs([attempt(1, "USD"), attempt(2, "EUR")]) is None
    assert sum_costs([attempt(None, None)]) is None


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_flat_rates_cost_the_same(input_tokens: int, output_tokens: int) -> None:
    for price in (PRICE, FREE, Price(currency="EUR", tiers=((0, ()),), request_nano=7)):
        flat = flat_rates((price,))
        assert flat is not None
        units = {"input_tokens": input_tokens, "output_tokens": output_tokens}
        assert flat.cost(input_tokens, output_tokens) == cost(units, (price,), 0.0)


def test_what_depends_on_time_or_size_has_no_flat_rates() -> None:
    dated = Price(currency="USD", tiers=((0, ()),), valid_until=1.0)
    tiered = Price(currency="USD", tiers=((0, ()), (200_000, rates(LIST))))
    assert [flat_rates(prices) for prices in ((), (PRICE, PRICE), (dated,), (tiered,))] == [None] * 4
