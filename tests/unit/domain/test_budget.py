"""Amounts of money: exact, or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.budget import Budget, Period
from aqueduct.domain.money import to_nano
from aqueduct.domain.subject import SubjectType


@given(st.decimals(0, 1_000_000_000, places=9))
def test_an_amount_comes_back_as_it_was(amount: Decimal) -> None:
    budget = Budget(
        id="bud_1",
        subject_type=SubjectType.TEAM,
        subject_id="team_1",
        created_at=0.0,
        amount_nano=to_nano(amount),
        period=Period.MONTH,
    )
    assert budget.amount == amount


@pytest.mark.parametrize("text", ["0.0000000001", "1e10", "NaN", "Infinity"])
def test_an_amount_that_cannot_be_held_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount"):
        to_nano(Decimal(text))
