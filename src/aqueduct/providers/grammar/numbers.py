"""Numbers within bounds, as regular expressions over their digits."""

import math
from fractions import Fraction

from aqueduct.providers.grammar.shape import Number

_PLACES = 2
_MOST_PLACES = 6
_MOST_MULTIPLES = 256


def number_pattern(number: Number) -> str | None:
    """Return a regular expression for numbers of the shape, each in finitely many digits; None: there are none."""
    if number.step is not None:
        return _either(_multiples(number, number.step))
    whole = _whole_range(number)
    options = [digits_between(*whole)] if whole is not None else []
    if not number.is_integer:
        options += _decimals(number)
    return "|".join(f"({option})" for option in options) or None


def listed_numbers(number: Number) -> tuple[str, ...] | None:
    """Return the numbers of the shape one by one, or None if they are too many."""
    if number.step is None and not number.is_integer:
        return None
    step = number.step or Fraction(1)
    if (number.maximum - number.minimum) / step > _MOST_MULTIPLES:
        return None
    return tuple(_multiples(number, step)) or None


def digits_between(low: int, high: int) -> str:
    """Return a regular expression for the whole numbers from `low` to `high`, as JSON writes them."""
    if high < 0:
        return f"-({_natural(-high, -low)})"
    if low < 0:
        return f"-({_natural(1, -low)})|{_natural(0, high)}"
    return _natural(low, high)


def _natural(low: int, high: int) -> str:
    """Split at the powers of ten, where the number of digits changes."""
    options: list[str] = []
    while low <= high:
        end = min(high, 10 ** len(str(low)) - 1)
        options.append(_same_length(str(low), str(end)))
        low = end + 1
    return "|".join(options)


def _same_length(low: str, high: str) -> str:
    if low == high:
        return low
    if low[0] == high[0]:
        return low[0] + _group(_same_length(low[1:], high[1:]))
    rest = len(low) - 1
    if not rest:
        return f"[{low}-{high}]"
    first, last = int(low[0]), int(high[0])
    options = []
    if low[1:] != "0" * rest:
        options.append(low[0] + _group(_same_length(low[1:], "9" * rest)))
        first += 1
    top = None
    if high[1:] != "9" * rest:
        top = high[0] + _group(_same_length("0" * rest, high[1:]))
        last -= 1
    if first <= last:
        options.append(f"[{first}-{last}][0-9]{{{rest}}}")
    if top is not None:
        options.append(top)
    return "|".join(options)


def _group(pattern: str) -> str:
    return f"({pattern})" if "|" in pattern else pattern


def _whole_range(number: Number) -> tuple[int, int] | None:
    """Return the least and the greatest whole number inside."""
    low, high = math.ceil(number.minimum), math.floor(number.maximum)
    if number.is_open_minimum and low == number.minimum:
        low += 1
    if number.is_open_maximum and high == number.maximum:
        high -= 1
    return (low, high) if low <= high else None


def _decimals(number: Number) -> list[str]:
    """Return patterns for numbers with a decimal point, from cells between whole numbers that lie inside as a whole."""
    low, high = number.minimum, number.maximum
    digits = rf"\.[0-9]{{1,{_PLACES}}}"
    patterns: list[str] = []
    first = max(0, math.floor(low) + 1 if number.is_open_minimum else math.ceil(low))
    if first <= math.floor(high) - 1:
        patterns.append(f"({_natural(first, math.floor(high) - 1)}){digits}")
    nearest = max(0, math.floor(-high) + 1 if number.is_open_maximum else math.ceil(-high))
    if nearest <= math.floor(-low) - 1:
        patterns.append(f"-({_natural(nearest, math.floor(-low) - 1)}){digits}")
    return patterns or _fine_decimals(number)


def _fine_decimals(number: Number) -> list[str]:
    """Return the multiples of a power of ten inside a range narrower than a cell."""
    for places in range(1, _MOST_PLACES + 1):
        found = _multiples(number, Fraction(1, 10**places))
        if len(found) > 1 or (found and places == _MOST_PLACES):
            return [_either(found) or ""]
    return []


def _multiples(number: Number, step: Fraction) -> list[str]:
    """Return the multiples of `step` inside, those nearest to zero if they are many."""
    if number.is_integer:
        step = Fraction(step.numerator)
    low, high = math.ceil(number.minimum / step), math.floor(number.maximum / step)
    if number.is_open_minimum and low * step == number.minimum:
        low += 1
    if number.is_open_maximum and high * step == number.maximum:
        high -= 1
    if high - low >= _MOST_MULTIPLES:
        low = max(low, min(-_MOST_MULTIPLES // 4, high - _MOST_MULTIPLES + 1))
        high = low + _MOST_MULTIPLES - 1
    return [text for factor in range(low, high + 1) if (text := _decimal_text(factor * step)) is not None]


def _either(texts: list[str]) -> str | None:
    return "|".join(texts).replace(".", r"\.") or None


def _decimal_text(value: Fraction) -> str | None:
    """Write a number without exponent, or None if its digits do not end."""
    for places in range(20):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            sign = "-" if value < 0 else ""
            return sign + (f"{digits[:-places]}.{digits[-places:]}" if places else digits)
    return None
