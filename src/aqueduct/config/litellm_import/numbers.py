"""Numbers as people write them, and as the config takes them."""

from decimal import Decimal, InvalidOperation

from aqueduct.config.litellm_import.tree import Node

_MILLION = Decimal(1_000_000)
_PLACES = Decimal("1e-9")
_MOST = Decimal(1_000_000_000)


def read_number(node: Node, least: float, most: float) -> Decimal | None:
    """Return a number within bounds, or None."""
    try:
        number = Decimal((node.text or "").replace("_", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and Decimal(str(least)) <= number <= Decimal(str(most)) else None


def read_count(node: Node) -> int | None:
    """Return a whole number from 1 on, or None."""
    number = read_number(node, 1, float(_MOST))
    return None if number is None or number != number.to_integral_value() else int(number)


def plain(number: Decimal) -> int | Decimal:
    """Return a number without needless zeros."""
    return int(number) if number == number.to_integral_value() else number.normalize()


def per_million(node: Node) -> Decimal | None:
    """Return a price of one unit as that of a million, to nine decimals; None where it is none."""
    number = read_number(node, 0, 1_000)
    return None if number is None else _rounded(number * _MILLION)


def amount(node: Node) -> Decimal | None:
    """Return a price of one unit, to nine decimals."""
    number = read_number(node, 0, float(_MOST))
    return None if number is None else _rounded(number)


def _rounded(number: Decimal) -> Decimal:
    rounded = number.quantize(_PLACES)
    return rounded.normalize() if rounded else Decimal(0)
