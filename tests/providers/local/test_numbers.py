"""Numbers as regular expressions: compared with counting, over ranges small enough to count."""

import itertools
import random
import re
from fractions import Fraction

import pytest

from aqueduct.providers.grammar.numbers import digits_between, number_pattern
from aqueduct.providers.grammar.shape import Number

DECIMALS = [
    (value, [f"{float(value):.2f}"] + ([str(int(value))] if value.denominator == 1 else []))
    for value in (Fraction(scaled, 100) for scaled in range(-600, 601))
]
"""Numbers, and the ways to write each of them."""


def test_whole_numbers_of_a_range_and_no_others() -> None:
    for low, high in itertools.product(range(-25, 130, 7), repeat=2):
        if low > high:
            continue
        pattern = re.compile(digits_between(low, high))
        matched = {number for number in range(-300, 1300) if pattern.fullmatch(str(number))}
        assert matched == set(range(low, high + 1))
        assert not pattern.fullmatch("007")
        assert not pattern.fullmatch("-0")


def test_large_ranges_by_their_edges() -> None:
    source = random.Random(7)
    for _ in range(200):
        low, high = sorted(source.randint(-(10**12), 10**12) for _ in range(2))
        pattern = re.compile(digits_between(low, high))
        for number in (low, high, (low + high) // 2):
            assert pattern.fullmatch(str(number))
        for number in (low - 1, high + 1):
            assert not pattern.fullmatch(str(number))


@pytest.mark.parametrize("is_open", [False, True])
@pytest.mark.parametrize("step", [None, Fraction(1, 4), Fraction(3)])
def test_decimals_are_inside_their_range(is_open: bool, step: Fraction | None) -> None:
    for low, high in itertools.combinations([Fraction(n, 8) for n in range(-40, 41, 3)], 2):
        number = Number(low, high, is_open, is_open, step=step)
        written = number_pattern(number)
        if written is None:
            continue
        pattern = re.compile(written)
        for value, texts in DECIMALS:
            if any(map(pattern.fullmatch, texts)):
                assert low < value < high if is_open else low <= value <= high
                assert step is None or (value / step).denominator == 1
