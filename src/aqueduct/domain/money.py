"""Amounts of money as whole numbers: counters and tables hold billionths (nano-units) of a currency's unit."""

from decimal import Decimal

NANO = 1_000_000_000
"""How many nano-units make one unit of a currency."""

MAX_AMOUNT = Decimal(1_000_000_000)
"""What fits, with room for a sum, into an integer of 64 bits of nano-units."""


def to_nano(amount: Decimal) -> int:
    """Return an amount in nano-units; raises `ValueError` unless it is a whole number of them that can be held."""
    if not amount.is_finite() or not 0 <= amount <= MAX_AMOUNT:
        raise ValueError(f"{amount} is not an amount: it must not be negative, and at most {MAX_AMOUNT:,}")
    nano = amount.scaleb(9)
    if nano != nano.to_integral_value():
        raise ValueError(f"{amount} is not an amount: it must have at most nine decimals")
    return int(nano)


def from_nano(amount_nano: int) -> Decimal:
    """Return nano-units as an amount, exactly."""
    return Decimal(amount_nano).scaleb(-9)


def plain(amount_nano: int) -> str:
    """Write nano-units as an exact amount, without trailing zeros: `12.5`."""
    whole, rest = divmod(amount_nano, NANO)
    return f"{whole}.{rest:09}".rstrip("0").rstrip(".")


def written(nano: int) -> str:
    """Write an amount exactly: without exponent and needless zeros, with two decimals at least."""
    whole, billionths = divmod(abs(nano), NANO)
    decimals = f"{billionths:09d}".rstrip("0")
    return f"{'-' * (nano < 0)}{whole}.{decimals:0<2}"
