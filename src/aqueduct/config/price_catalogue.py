"""The process that reads the catalogue: questions come in as JSON, entries go out. Nothing else may import it."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
from genai_prices import types
from genai_prices.data_snapshot import get_snapshot

from aqueduct.config.price_book import NOTHING, Entry, Question
from aqueduct.domain.money import to_nano
from aqueduct.domain.price import Price, rates

UNITS = {
    "input_mtok": "input_tokens",
    "cache_read_mtok": "cached_tokens",
    "cache_write_mtok": "cache_write_tokens",
    "input_audio_mtok": "input_audio_tokens",
    "output_mtok": "output_tokens",
    "output_reasoning_mtok": "reasoning_tokens",
    "output_audio_mtok": "output_audio_tokens",
}


def find(question: Question) -> Entry:
    """Return what is known of a model, the latest price last; nothing if the catalogue does not have it there."""
    try:
        _, model = get_snapshot().find_provider_model(question.model, None, None, question.url)
    except LookupError:
        return NOTHING
    conditional = model.prices if isinstance(model.prices, list) else [types.ConditionalPrice(prices=model.prices)]
    # Prices by the hour of the day are left out: the price without a condition holds instead.
    dated = [each for each in conditional if not isinstance(each.constraint, types.TimeOfDateConstraint)]
    return Entry(tuple(map(read, dated)), model.context_window or None)


def read(conditional: types.ConditionalPrice) -> Price:
    """Turn a price of the catalogue into ours; amounts are US dollars."""
    prices = {unit: price for name, unit in UNITS.items() if (price := getattr(conditional.prices, name)) is not None}
    # The catalogue's tiers begin above a number of tokens, ours at one.
    thresholds = sorted({0, *(tier.start + 1 for price in prices.values() for tier in tiers(price))})
    requests = conditional.prices.requests_kcount
    constraint = conditional.constraint
    starts = constraint.start_date if isinstance(constraint, types.StartDateConstraint) else None
    return Price(
        currency="USD",
        tiers=tuple(
            (start, rates({unit: rounded(at(price, start)) for unit, price in prices.items()})) for start in thresholds
        ),
        request_nano=to_nano(rounded(requests / 1000)) if isinstance(requests, Decimal) else 0,
        valid_from=None if starts is None else datetime(starts.year, starts.month, starts.day, tzinfo=UTC).timestamp(),
    )


def tiers(price: Decimal | types.TieredPrices) -> Iterator[types.Tier]:
    """Yield the steps of a price."""
    if isinstance(price, types.TieredPrices):
        yield from price.tiers


def at(price: Decimal | types.TieredPrices, input_tokens: int) -> Decimal:
    """Return a price for requests of so many input tokens."""
    if not isinstance(price, types.TieredPrices):
        return price
    return next((tier.price for tier in reversed(price.tiers) if tier.start < input_tokens), price.base)


def rounded(price: Decimal) -> Decimal:
    """Return a price in whole billionths."""
    return price.quantize(Decimal("1e-9"))


if __name__ == "__main__":
    questions = msgspec.json.decode(sys.stdin.buffer.read(), type=list[Question])
    sys.stdout.buffer.write(msgspec.json.encode([find(question) for question in questions]))
