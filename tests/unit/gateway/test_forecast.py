"""What is reserved for a request: by what the client asks for, by what models answered, at the dearest target."""

from decimal import Decimal

import pytest

from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.price import FREE, Price, rates
from aqueduct.domain.routing import Routing
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.usage import UsageRecord
from aqueduct.gateway.forecast import Estimate, Forecast
from aqueduct.wire.chat import parse_chat

AT = 1_790_000_000.0
PROVIDER = Provider(name="p", kind="openai")


class Prices:
    """Knows what was asked for before."""

    def __init__(self, **prices: Price) -> None:
        self._prices = prices

    def known(self, provider: Provider, model: str) -> tuple[Price, ...]:
        return (self._prices[model],) if model in self._prices else ()


def price(output_per_million: int, currency: str = "USD") -> Price:
    return Price(currency=currency, tiers=((0, rates({"output_tokens": Decimal(output_per_million)})),))


def model(name: str, *prices: Price, fallbacks: tuple[str, ...] = ()) -> Model:
    targets = tuple(Target(provider=PROVIDER, model="*" if name == "*" else name, prices=(each,)) for each in prices)
    targets = targets or (Target(provider=PROVIDER, model="*" if name == "*" else name),)
    return Model(name=name, targets=targets, routing=Routing(fallbacks=fallbacks))


def estimate(forecast: Forecast, *models: Model, limit: str = "", asked: str = "m") -> Estimate:
    """Estimate a request for the first of the models that are served."""
    body = f'{{"model":"{asked}","messages":[{{"role":"user","content":"Hi"}}]{limit}}}'.encode()
    request, snapshot = parse_chat(body), Snapshot(models=models, by_name={each.name: each for each in models})
    return forecast.estimate(request, models[0], len(body), AT, snapshot)


def test_the_dearest_target_that_may_answer_is_reserved_for_fallbacks_too() -> None:
    served = (
        model("m", FREE, price(2), fallbacks=("n",)),
        model("n", price(8), fallbacks=("m",)),
        model("o", price(99)),
    )
    found = estimate(Forecast(Prices()), *served, limit=',"max_tokens":1000')
    assert (found.output_tokens, found.is_guess) == (1000, False)
    assert found.costs_nano == {"USD": 8_000_000}


def test_each_currency_is_reserved_for_itself() -> None:
    found = estimate(Forecast(Prices()), model("m", price(2), price(3, "EUR")), limit=',"max_tokens":1000')
    assert found.costs_nano == {"USD": 2_000_000, "EUR": 3_000_000}


def test_money_is_reserved_for_the_largest_answer_of_late_and_limits_for_the_mean() -> None:
    forecast = Forecast(Prices())
    for output_tokens in [100] * 50 + [5000] + [100] * 3:
        forecast.learn(
            "m",
            UsageRecord(
                id="r", started_at=AT, operation="chat", api_token_id="t", units={"output_tokens": output_tokens}
            ),
        )
    found = estimate(forecast, model("m", price(1_000)))
    assert found.is_guess
    assert 100 < found.output_tokens < 600
    assert found.costs_nano["USD"] == pytest.approx(5000 * 1_000_000, rel=0.05)


def test_behind_the_wildcard_a_price_counts_once_it_is_known() -> None:
    wildcard = model("*")
    assert estimate(Forecast(Prices()), wildcard, asked="gpt").costs_nano == {}
    found = estimate(Forecast(Prices(gpt=price(4))), wildcard, asked="gpt", limit=',"max_tokens":1000')
    assert found.costs_nano == {"USD": 4_000_000}
