"""Turns the prices of a file into the domain's, or points at the line that is wrong."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from aqueduct.config.load import Source
from aqueduct.config.schema import PriceNode
from aqueduct.domain.money import to_nano
from aqueduct.domain.price import Price, rates

UNITS = {
    "input_per_million": "input_tokens",
    "cached_per_million": "cached_tokens",
    "cache_write_per_million": "cache_write_tokens",
    "input_audio_per_million": "input_audio_tokens",
    "output_per_million": "output_tokens",
    "reasoning_per_million": "reasoning_tokens",
    "output_audio_per_million": "output_audio_tokens",
}


def compile_prices(node: PriceNode | Sequence[PriceNode] | None, source: Source, path: str) -> tuple[Price, ...]:
    """Compile one price or a list of them; raise `ConfigurationError` with the line at fault."""
    if node is None:
        return ()
    if isinstance(node, PriceNode):
        return (_compile(node, source, path),)
    return tuple(_compile(each, source, f"{path}[{index}]") for index, each in enumerate(node))


def _compile(node: PriceNode, source: Source, path: str) -> Price:
    if node.valid_from is not None and node.valid_until is not None and node.valid_from >= node.valid_until:
        raise source.error(f"{path}.valid_until", "the price ends before it begins")
    per_million = {UNITS[key]: price for key in UNITS if (price := getattr(node, key)) is not None}
    if node.per_image is not None:
        per_million["images"] = node.per_image * 1_000_000
    for key in (*UNITS, "per_image", "per_request"):
        price = getattr(node, key)
        try:
            to_nano(price or Decimal(0))
        except ValueError as error:
            raise source.error(f"{path}.{key}", str(error)) from error
    return Price(
        currency=node.currency,
        tiers=((0, rates(per_million)),),
        request_nano=to_nano(node.per_request or Decimal(0)),
        valid_from=_instant(node.valid_from),
        valid_until=_instant(node.valid_until),
    )


def _instant(day: date | None) -> float | None:
    return None if day is None else datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
