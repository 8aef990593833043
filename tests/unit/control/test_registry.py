"""Whom a change concerns."""

import pytest

from aqueduct.control.registry import CONCERNED, UNKNOWN, concerned_id
from aqueduct.domain.scopes import Kind


def test_of_every_kind_somebody_has_decided_whom_its_changes_concern() -> None:
    assert set(CONCERNED) == set(Kind)


@pytest.mark.parametrize(
    ("kind", "item", "expected"),
    [
        (Kind.USER, {"id": "usr_1", "organisation_id": "org_1"}, "usr_1"),
        (Kind.MEMBERSHIP, {"team_id": "tem_1", "user_id": "usr_1"}, "usr_1"),
        (Kind.LIMIT, {"id": "lim_1", "subject_type": "team", "subject_id": "tem_1"}, "tem_1"),
        (
            Kind.LIMIT,
            {"id": "lim_1", "subject_type": "end_user", "subject_id": "*", "organisation_id": "org_1"},
            "org_1",
        ),
        (Kind.LIMIT, {"id": "lim_1", "subject_type": "end_user", "subject_id": "*", "organisation_id": None}, UNKNOWN),
        (Kind.TERMS, {"id": "ter_1", "organisation_id": "org_1"}, "org_1"),
        (Kind.TERMS, {"terms_id": "ter_1", "user_id": "usr_1", "organisation_id": "org_1"}, "usr_1"),
        (Kind.TARGET, {"id": "x"}, UNKNOWN),
        (Kind.CACHE, {"id": "clr_1", "organisation_id": "org_1"}, "org_1"),
        (Kind.CACHE, {"id": "clr_1", "organisation_id": None}, UNKNOWN),
    ],
)
def test_a_change_concerns_those_who_are_known_by_an_id(kind: Kind, item: dict[str, object], expected: str) -> None:
    assert concerned_id(kind, item) == expected


def test_a_kind_of_which_nothing_is_known_concerns_everybody() -> None:
    assert concerned_id("plugins", {"id": "plg_1"}) == UNKNOWN  # type: ignore[arg-type]  # a kind to come
