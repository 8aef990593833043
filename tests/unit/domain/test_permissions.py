"""Who may do what, checked for every actor, action, kind and place against a statement of it in words."""

import itertools

import msgspec
import pytest

from aqueduct.domain.actor import SYSTEM, Actor, actor_of
from aqueduct.domain.identity import Rank, Role
from aqueduct.domain.permissions import Action, Reach, Resource, may, may_hand_out, rank_on, reach
from aqueduct.domain.principal import Principal
from aqueduct.domain.scopes import SCOPES, Kind

STATEMENT = """
admin          anywhere       create read update delete   organisations teams users memberships service_accounts
admin          anywhere       create read update delete   api_tokens model_rules limits budgets webhooks
admin          anywhere       create read                 terms
admin          anywhere       read                        audit usage targets
admin          anywhere       read update delete          captures
admin          anywhere       delete                      cache
org_admin      organisation   create read update delete   teams users memberships service_accounts
org_admin      organisation   create read update delete   api_tokens model_rules limits budgets webhooks
org_admin      organisation   create read                 terms
org_admin      organisation   read update                 organisations
org_admin      organisation   read                        audit usage
org_admin      organisation   delete                      cache
org_admin      organisation   read update delete          captures
team_admin     led_team       create read update delete   memberships service_accounts api_tokens limits budgets
team_admin     led_team       read                        teams users model_rules usage
anyone         team           read                        teams memberships service_accounts model_rules limits budgets
anyone         own            create read update delete   api_tokens limits budgets
anyone         own            read                        users memberships model_rules usage terms
anyone         own            read                        captures
anyone         own            accept                      terms
anyone         organisation   read                        organisations terms
"""
"""Who, where, which actions, on what; what is not said may not be."""

PLACES = {
    "installation": Resource(kind=Kind.TEAM),
    "organisation": Resource(kind=Kind.TEAM, organisation_id="a"),
    "led_team": Resource(kind=Kind.TEAM, organisation_id="a", team_ids=frozenset({"a1"})),
    "team": Resource(kind=Kind.TEAM, organisation_id="a", team_ids=frozenset({"a2", "a3"})),
    "other_team": Resource(kind=Kind.TEAM, organisation_id="a", team_ids=frozenset({"a4"})),
    "own": Resource(kind=Kind.TEAM, organisation_id="a", user_id="me"),
    "own_in_led_team": Resource(
        kind=Kind.TEAM, organisation_id="a", team_ids=frozenset({"a1"}), user_id="me", rank=Rank.MEMBER
    ),
    "colleague": Resource(kind=Kind.TEAM, organisation_id="a", user_id="you"),
    "foreign": Resource(kind=Kind.TEAM, organisation_id="b"),
    # Should ids ever be the same in two organisations, that must open nothing.
    "foreign_team": Resource(kind=Kind.TEAM, organisation_id="b", team_ids=frozenset({"a1", "a2"})),
    "foreign_user": Resource(kind=Kind.TEAM, organisation_id="b", user_id="me"),
}
INSIDE = {"organisation", "led_team", "team", "other_team", "own", "own_in_led_team", "colleague"}
MEANT = {
    "anywhere": set(PLACES),
    "organisation": INSIDE,
    "led_team": {"led_team", "own_in_led_team"},
    "team": {"team"},
    "own": {"own", "own_in_led_team"},
}

BASE = Actor(kind="user", name="me", id="me", user_id="me", organisation_id="a")
IN_TEAM = msgspec.structs.replace(BASE, team_ids=frozenset({"a2"}))
ACTORS = {
    "admin": (msgspec.structs.replace(BASE, role=Role.ADMIN), {"admin"}),
    "org_admin": (msgspec.structs.replace(BASE, role=Role.ORGANISATION_ADMIN), {"org_admin", "alone"}),
    "team_admin": (
        msgspec.structs.replace(BASE, team_ids=frozenset({"a1", "a2"}), led_team_ids=frozenset({"a1"})),
        {"team_admin", "in_team"},
    ),
    "member": (IN_TEAM, {"in_team"}),
    "loner": (BASE, {"alone"}),
}


def is_stated(roles: set[str], place: str, action: Action, kind: Kind) -> bool:
    for line in STATEMENT.strip().splitlines():
        who, where, *rest = line.split()
        if who == "anyone" and where == "team" and "in_team" not in roles:
            continue
        # An admin's own things are in the organisation that he is in: he accepts its terms as everybody does.
        spoken_of = who in roles or who == "anyone"
        if spoken_of and place in MEANT[where] and action.name.lower() in rest and kind.value in rest:
            return True
    return False


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("kind", Kind)
def test_each_role_may_do_exactly_what_is_stated(name: str, kind: Kind) -> None:
    actor, roles = ACTORS[name]
    for (place, resource), action in itertools.product(PLACES.items(), Action):
        there = msgspec.structs.replace(resource, kind=kind)
        expected = is_stated(roles, place, action, kind)
        # A team admin is in the team he leads.
        if name == "team_admin" and place in {"led_team", "own_in_led_team"}:
            expected |= is_stated({"in_team"}, "team", action, kind)
        assert may(actor, action, there) == expected, (place, action.name)


@pytest.mark.parametrize("kind", Kind)
def test_nobody_but_an_admin_gets_across_a_tenant_boundary(kind: Kind) -> None:
    for (name, (actor, _)), place, rank in itertools.product(ACTORS.items(), PLACES, Rank):
        if name == "admin" or place in INSIDE:
            continue
        resource = msgspec.structs.replace(PLACES[place], kind=kind, rank=rank)
        assert not any(may(actor, action, resource) for action in Action), (name, place)


@pytest.mark.parametrize("name", ACTORS)
@pytest.mark.parametrize("kind", Kind)
def test_the_reach_of_a_list_is_what_may_be_read_one_by_one(name: str, kind: Kind) -> None:
    actor, _ = ACTORS[name]
    within = reach(actor, kind)
    for place, resource in PLACES.items():
        there = msgspec.structs.replace(resource, kind=kind)
        assert is_within(there, within) == may(actor, Action.READ, there) or place in {"foreign_team", "foreign_user"}


def is_within(resource: Resource, within: Reach) -> bool:
    return (
        within.everything
        or (within.organisation_id is not None and resource.organisation_id == within.organisation_id)
        or bool(resource.team_ids & within.team_ids)
        or (within.user_id is not None and resource.user_id == within.user_id)
    )


@pytest.mark.parametrize(
    ("name", "place", "highest"),
    [
        ("admin", "foreign", Rank.ADMIN),
        ("org_admin", "organisation", Rank.ORGANISATION_ADMIN),
        ("team_admin", "led_team", Rank.TEAM_ADMIN),
        ("member", "own", Rank.MEMBER),
    ],
)
def test_what_a_higher_rank_has_set_a_lower_one_reads_but_does_not_undo(name: str, place: str, highest: Rank) -> None:
    actor, _ = ACTORS[name]
    for rank in Rank:
        resource = msgspec.structs.replace(PLACES[place], kind=Kind.LIMIT, rank=rank)
        assert may(actor, Action.READ, resource)
        for action in (Action.UPDATE, Action.DELETE):
            assert may(actor, action, resource) == (rank <= highest)
        assert rank_on(actor, resource) == highest


def test_a_users_own_tokens_are_his_whatever_his_rank_but_no_lower_ones_to_take() -> None:
    for rank in Rank:
        own = msgspec.structs.replace(PLACES["own_in_led_team"], kind=Kind.API_TOKEN, rank=rank)
        assert may(ACTORS["loner"][0], Action.UPDATE, own)
        led = msgspec.structs.replace(PLACES["led_team"], kind=Kind.API_TOKEN, rank=rank)
        assert may(ACTORS["team_admin"][0], Action.UPDATE, led) == (rank <= Rank.TEAM_ADMIN)
        inside = msgspec.structs.replace(PLACES["organisation"], kind=Kind.USER, rank=rank)
        assert may(ACTORS["org_admin"][0], Action.DELETE, inside) == (rank <= Rank.ORGANISATION_ADMIN)


@pytest.mark.parametrize("scope", sorted(SCOPES))
def test_a_scope_opens_its_own_kind_and_nothing_else(scope: str) -> None:
    narrowed = msgspec.structs.replace(SYSTEM, scopes=frozenset({scope}))
    for kind, action in itertools.product(Kind, (Action.CREATE, Action.READ, Action.UPDATE, Action.DELETE)):
        resource = Resource(kind=kind, organisation_id="a")
        opened = scope in {"admin", f"{kind.value}:write"}
        opened |= action is Action.READ and scope == f"{kind.value}:read"
        assert may(narrowed, action, resource) == (opened and may(SYSTEM, action, resource))
    assert reach(narrowed, Kind.TEAM).everything == (scope in {"admin", "teams:read", "teams:write"})


def test_nobody_hands_out_scopes_that_he_has_not() -> None:
    writer = msgspec.structs.replace(SYSTEM, scopes=frozenset({"teams:write"}))
    assert may_hand_out(SYSTEM, SCOPES)
    assert may_hand_out(writer, frozenset({"teams:write", "teams:read"}))
    assert not may_hand_out(writer, frozenset({"users:read"}))
    assert not may_hand_out(writer, frozenset({"admin"}))


def test_a_token_without_scopes_opens_nothing_whoever_owns_it() -> None:
    nobodys = Principal(id="tok_1")
    admins = Principal(id="tok_2", user_id="me", organisation_id="a", role=Role.ADMIN)
    for actor in (actor_of(nobodys), actor_of(admins)):
        assert not any(
            may(actor, action, msgspec.structs.replace(place, kind=kind))
            for action, place, kind in itertools.product(Action, PLACES.values(), Kind)
        )


def test_a_token_acts_as_its_owner() -> None:
    scopes = frozenset({"admin"})
    system = actor_of(Principal(id="tok_1", scopes=scopes))
    assert (system.kind, system.role) == ("api_token", Role.ADMIN)
    account = actor_of(
        Principal(
            id="tok_2", scopes=scopes, organisation_id="a", service_account_id="svc_1", team_ids=frozenset({"a1"})
        )
    )
    assert (account.kind, account.id, account.role) == ("service_account", "svc_1", Role.MEMBER)
    assert may(account, Action.READ, Resource(kind=Kind.TEAM, organisation_id="a", team_ids=frozenset({"a1"})))
    person = actor_of(
        Principal(id="tok_3", scopes=scopes, organisation_id="a", user_id="me", role=Role.ORGANISATION_ADMIN),
        address="192.0.2.1",
    )
    assert (person.kind, person.id, person.role) == ("user", "me", Role.ORGANISATION_ADMIN)
    assert person.address == "192.0.2.1"
