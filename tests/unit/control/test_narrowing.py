"""Who may widen what an API token is narrowed to."""

from typing import Any

import msgspec
import pytest

from aqueduct.control.narrowing import names_no_more, narrowed
from aqueduct.domain.actor import SYSTEM, Actor
from aqueduct.domain.api_token import ApiToken
from aqueduct.domain.identity import Rank, Role
from aqueduct.domain.permissions import Resource
from aqueduct.domain.scopes import Kind
from aqueduct.errors import NotAllowed

BLANK = ApiToken(id="tok_1", name="x", hint="", created_at=0.0, organisation_id="o", user_id="me")
PLACE = Resource(kind=Kind.API_TOKEN, organisation_id="o", user_id="me")
OWNER = Actor(kind="user", name="me", organisation_id="o", user_id="me")
BOSS = Actor(kind="user", name="boss", organisation_id="o", user_id="boss", role=Role.ORGANISATION_ADMIN)

NARROW: dict[str, Any] = {"expires_at": 100.0, "allowed_models": ("gpt-*", "o3"), "ip_allow_list": ("10.0.0.0/8",)}
TIGHTER = [
    {"expires_at": 99.0},
    {"allowed_models": ("gpt-4*", "gpt-5")},
    {"allowed_models": ("gpt-*",)},
    {"ip_allow_list": ("10.1.0.0/16", "10.2.3.4/32")},
]
WIDER = [
    {"expires_at": 101.0},
    {"expires_at": None},
    {"allowed_models": None},
    {"allowed_models": ("gpt-*", "o3", "o4")},
    {"allowed_models": ("*",)},
    {"allowed_models": ("g*",)},
    {"ip_allow_list": None},
    {"ip_allow_list": ("10.1.0.0/16", "192.0.2.0/24")},
    {"ip_allow_list": ("0.0.0.0/0",)},
    {"ip_allow_list": ("::/0",)},
]


def set_by(actor: Actor, before: ApiToken | None, **values: Any) -> ApiToken:
    return narrowed(actor, PLACE, before, msgspec.structs.replace(before or BLANK, **values))


@pytest.mark.parametrize("change", TIGHTER)
def test_what_somebody_above_has_set_may_be_made_tighter(change: dict[str, Any]) -> None:
    given = set_by(BOSS, None, **NARROW)
    assert given.narrowed_by == dict.fromkeys(NARROW, Rank.ORGANISATION_ADMIN)
    tighter = set_by(OWNER, given, **change)
    assert tighter.narrowed_by == given.narrowed_by
    with pytest.raises(NotAllowed):
        set_by(OWNER, tighter, **dict.fromkeys(change))


@pytest.mark.parametrize("change", WIDER)
@pytest.mark.parametrize("setter", [BOSS, SYSTEM], ids=["boss", "command line"])
def test_what_somebody_above_has_set_is_not_lifted(setter: Actor, change: dict[str, Any]) -> None:
    given = set_by(setter, None, **NARROW)
    with pytest.raises(NotAllowed, match=f"`{next(iter(change))}` was set by somebody above you"):
        set_by(OWNER, given, **change)
    changed = set_by(setter, given, **change)
    assert all(getattr(changed, name) == value for name, value in change.items())


def test_each_thing_is_its_setters_alone() -> None:
    own = set_by(OWNER, None, allowed_models=("a",))
    assert own.narrowed_by == {}
    both = set_by(BOSS, own, expires_at=100.0)
    assert both.narrowed_by == {"expires_at": Rank.ORGANISATION_ADMIN}
    assert set_by(OWNER, both, allowed_models=None).allowed_models is None
    lifted = set_by(SYSTEM, both, expires_at=None)
    assert lifted.narrowed_by == {}
    assert set_by(OWNER, lifted, expires_at=500.0).narrowed_by == {}


def test_what_an_administrator_sets_on_his_own_token_stays_his_convenience() -> None:
    boss = msgspec.structs.replace(OWNER, role=Role.ORGANISATION_ADMIN)
    own = set_by(boss, None, **NARROW)
    assert own.narrowed_by == {}
    given = set_by(SYSTEM, None, **NARROW)
    with pytest.raises(NotAllowed):
        set_by(boss, given, expires_at=None)


def test_a_pattern_is_within_another_only_if_all_that_it_means_is() -> None:
    for wider, inner in [("*", "*"), ("a*", "ab*c"), ("*b*", "a*b*"), ("a*c", "a*bc"), ("a", "a")]:
        assert names_no_more((wider,), (inner,))
    for wider, inner in [("a", "a*"), ("a*c", "a*"), ("ab*", "a*b"), ("a*a", "a*")]:
        assert not names_no_more((wider,), (inner,))
