"""How people write times."""

import pytest

from aqueduct.control.periods import parse_duration, parse_expiry, parse_start
from aqueduct.errors import InvalidValue

NOON = 1_767_182_400.0  # 2025-12-31T12:00:00Z


@pytest.mark.parametrize(("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("30d", 2_592_000), ("2w", 1_209_600)])
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds
    assert parse_expiry(text, NOON) == NOON + seconds
    assert parse_start(text, NOON) == NOON - seconds


def test_an_expiry_by_date_is_the_end_of_that_day_and_a_start_its_beginning() -> None:
    assert parse_expiry("2025-12-31", 0) == NOON + 43_200
    assert parse_start("2025-12-31", 0) == NOON - 43_200


@pytest.mark.parametrize("text", ["", "30", "d", "-1d", "1y", "2025-13-01", "tomorrow", "99999999d"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidValue, match="12h or 30d"):
        parse_expiry(text, NOON)
