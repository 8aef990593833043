"""Prices in `aqueduct.yaml`."""

import pytest

from aqueduct.config.compile import compile_default, compile_source
from aqueduct.config.load import parse_source
from aqueduct.domain.model import Target
from aqueduct.domain.price import FREE, Cost, cost
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS

MILLIONS = {"input_tokens": 2_000_000, "cached_tokens": 1_000_000, "output_tokens": 1_000_000, "images": 1}


def targets(model: str) -> tuple[Target, ...]:
    text = f"""
providers: [{{name: p, kind: openai, base_url: "http://p/v1"}}, {{name: here, kind: local}}]
models: [{{name: m, {model}}}]
"""
    return compile_source(parse_source(text.encode(), "a.yaml", {}), KINDS).models[0].targets


def test_a_models_price_is_its_targets_and_a_targets_own_comes_before_it() -> None:
    own = "price: {currency: EUR, input_per_million: 0.0375}"
    first, second = targets(
        "price: {input_per_million: 2, cached_per_million: 0.5, output_per_million: 8.00, per_image: 0.04, "
        f"per_request: 0.01}}, targets: [{{provider: p, model: a}}, {{provider: p, model: b, {own}}}]"
    )
    assert cost(MILLIONS, first.prices, 0.0) == Cost(10_550_000_000, "USD")
    assert cost(MILLIONS, second.prices, 0.0) == Cost(75_000_000, "EUR")


def test_prices_hold_from_and_until_a_day() -> None:
    (target,) = targets(
        "price: [{input_per_million: 1, valid_until: 2026-06-01}, {input_per_million: 2, valid_from: 2026-06-01}], "
        "targets: [{provider: p, model: a}]"
    )
    june = 1_780_272_000.0
    found = [cost({"input_tokens": 1_000_000}, target.prices, at) for at in (june - 1, june)]
    assert found == [Cost(10**9, "USD"), Cost(2 * 10**9, "USD")]


def test_what_runs_here_is_free_and_what_has_no_price_is_unknown() -> None:
    local, remote = targets("targets: [{provider: here}, {provider: p, model: a}]")
    assert local.prices == (FREE,)
    assert cost(MILLIONS, remote.prices, 0.0) is None
    assert compile_default().models[0].targets[0].prices == (FREE,)


@pytest.mark.parametrize(
    "price",
    [
        "{input_per_million: -1}",
        "{input_per_million: 0.0000000001}",
        "{input_per_million: .nan}",
        "{currency: dollars}",
        "{input: 1}",
        "{valid_from: 2026-06-02, valid_until: 2026-06-01}",
        "{valid_from: soon}",
        "[{}, {per_image: -1}]",
    ],
)
def test_what_is_no_price_is_refused_with_its_line(price: str) -> None:
    with pytest.raises(ConfigurationError, match=r"a\.yaml:3: "):
        targets(f"price: {price}, targets: [{{provider: p, model: a}}]")
