"""The real router under virtual time: which targets rules and splits lead to, and who takes over."""

import random
from collections import Counter

from tests.unit.gateway.routing.simulation import Behaviour, World, chat, model, target

from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.routing import Strategy
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.steering import (
    AllOf,
    AnyOf,
    Flag,
    Grouping,
    GroupKind,
    Mirror,
    Percentage,
    Rule,
    Side,
    Split,
    Text,
    TextSource,
)
from aqueduct.errors import UpstreamError, UpstreamTimeout, UpstreamUnauthorized
from aqueduct.gateway.forecast import reachable
from aqueduct.gateway.routing.steering import Steering, speaks_for
from aqueduct.simulation.opener import begin_entry
from aqueduct.simulation.virtual_time import run

STREAMED = b',"stream":true'
Behaviours = dict[str, Behaviour]


def rule(name: str = "r", *conditions: Flag | Text | AnyOf | Percentage, **members: object) -> Rule:
    return Rule(name=name, when=AllOf(conditions), **members)  # type: ignore[arg-type]  # members of Rule


def streamed(**members: object) -> Rule:
    return rule("streamed", Flag("stream", is_wanted=True), **members)


def down(_: float) -> UpstreamError:
    return UpstreamUnauthorized("401")


def asked(models: list[Model], *members: bytes, behaviours: Behaviours | None = None) -> list[str]:
    """Send requests with these members one after the other; return which targets were asked."""

    async def work() -> World:
        world = World(models)
        world.behaviours |= behaviours or {}
        for each in members:
            await world.open(request=chat("Hello", each))
        return world

    return run(work()).names()


def test_the_first_rule_that_holds_decides_and_else_the_model_s_own_targets_answer() -> None:
    tiers = Text(source=TextSource.END_USER, values=("gold",))
    chat_model = model(target("a"), rules=(streamed(model="b"), rule("gold", tiers, model="c")))
    models = [chat_model, model(target("b"), name="b"), model(target("c"), name="c")]
    members = (STREAMED + b',"user":"gold"', b',"user":"gold"', b',"user":"lead"')
    assert asked(models, *members) == ["b/x", "c/x", "a/x"]


def test_a_model_that_a_rule_leads_to_has_its_own_rules_asked() -> None:
    models = [
        model(target("a"), rules=(rule(model="b"),)),
        model(target("b"), name="b", rules=(streamed(model="c"),)),
        model(target("c"), name="c"),
    ]
    assert asked(models, STREAMED, b"") == ["c/x", "b/x"]


def test_a_rule_to_some_targets_never_lets_the_others_answer() -> None:
    models = [
        model(target("a", label="eu"), target("b", label="us"), target("c", label="eu"), fallbacks=("f",),
              rules=(streamed(targets=("eu",)),)),
        model(target("f"), name="f"),
    ]  # fmt: skip
    down_in_eu: Behaviours = {"a/x": down, "c/x": down}
    assert asked(models, STREAMED, behaviours=down_in_eu) == ["a/x", "c/x", "f/x"]


def test_a_model_that_a_rule_leads_to_is_fallen_back_from_by_its_own_fallbacks() -> None:
    models = [
        model(target("a"), fallbacks=("f",), rules=(streamed(model="b"),)),
        model(target("b"), name="b", fallbacks=("g",)),
        model(target("f"), name="f"),
        model(target("g"), name="g"),
    ]
    assert asked(models, STREAMED, behaviours={"b/x": down}) == ["b/x", "g/x"]


def test_the_request_goes_on_under_the_name_of_the_model_that_answers() -> None:
    async def work() -> list[str]:
        world = World([model(target("a"), rules=(rule(model="b"),)), model(target("b"), name="b")])
        await world.open()
        return [attempt.request.model for attempt in world.entries[0].attempts]

    assert run(work()) == ["b"]


def canary(percentage: float, by: GroupKind = GroupKind.TOKEN) -> Split:
    return Split((Side("stable", 100 - percentage), Side("canary", percentage)), Grouping(by))


def sides(percentage: float, callers: range, by: GroupKind = GroupKind.TOKEN) -> list[str]:
    """Return which target each of so many callers gets."""

    async def work() -> list[str]:
        targets = target("a", label="stable"), target("b", label="canary")
        world = World([model(*targets, split=canary(percentage, by))])
        for number in callers:
            await world.open(principal=f"tok_{number}")
        return world.names()

    return run(work())


def test_a_split_gives_each_side_its_share_and_each_caller_always_the_same_side() -> None:
    first = sides(10, range(1000))
    assert 70 < Counter(first)["b/x"] < 130
    assert sides(10, range(1000)) == first


def test_growing_the_canary_moves_only_those_who_come_to_it() -> None:
    before, after = sides(5, range(1000)), sides(10, range(1000))
    moved = [(old, new) for old, new in zip(before, after, strict=True) if old != new]
    assert 20 < len(moved) < 90
    assert set(moved) == {("a/x", "b/x")}


def test_request_by_request_one_caller_gets_both_sides() -> None:
    assert Counter(sides(30, range(1), GroupKind.REQUEST) * 1)["a/x"] + 1 > 0

    async def work() -> Counter[str]:
        targets = target("a", label="stable"), target("b", label="canary")
        world = World([model(*targets, split=canary(30, GroupKind.REQUEST))])
        for _ in range(1000):
            await world.open()
        return Counter(world.names())

    assert 240 < run(work())["b/x"] < 360


def test_where_a_side_fails_the_other_one_answers_at_once() -> None:
    targets = [target("a", label="stable"), target("b", label="stable"), target("c", label="canary"), target("d")]
    split_model = model(*targets, split=canary(100), strategy=Strategy.WEIGHTED)
    names = asked([split_model], b"", behaviours={"c/x": down})
    assert names[0] == "c/x"
    assert len(names) == 2


def test_a_side_that_is_off_is_asked_for_nothing() -> None:
    failing = {"a/x": lambda _: UpstreamTimeout("slow")}

    async def work() -> tuple[bool, list[str]]:
        targets = target("a", label="stable"), target("b", label="canary")
        world = World([model(*targets, split=canary(0))])
        world.behaviours |= failing
        return await world.try_open(), world.names()

    is_answered, names = run(work())
    assert not is_answered
    assert set(names) == {"a/x"}


def test_a_side_that_is_off_does_not_stand_in_for_another_model_either() -> None:
    split = Split((Side("off", 0), Side("stable", 0.0001), Side("next", 99.9999, is_model=True)))
    models = [
        model(target("z", label="off"), target("a", label="stable"), split=split, fallbacks=("f",)),
        model(target("n"), name="next"),
        model(target("f"), name="f"),
    ]
    failing: Behaviours = {"n/x": down, "a/x": down}
    assert asked(models, b"", behaviours=failing) == ["n/x", "a/x", "f/x"]


def test_each_side_speaks_for_itself_alone() -> None:
    stable, canary_target = target("a", label="stable"), target("c", label="canary")
    snapshot = Snapshot(models=(split_model := model(stable, canary_target, split=canary(99.9999)),))
    entry = begin_entry(Principal(id="p"), 0.0)
    side, _ = Steering(random.Random(1)).steer(split_model, chat(), entry, snapshot)
    assert [each.label for each in side.targets] == ["canary", "stable"]
    assert [speaks_for(side, each) for each in side.targets] == [True, False]


def test_a_side_may_be_another_model_and_each_is_the_other_s_fallback() -> None:
    def models(next_share: float) -> list[Model]:
        split = Split((Side("stable", 100 - next_share), Side("next", next_share, is_model=True)))
        return [
            model(target("a", label="stable"), split=split, fallbacks=("f",)),
            model(target("n"), name="next"),
            model(target("f"), name="f"),
        ]

    everything_down: Behaviours = {"a/x": down, "n/x": down}
    assert asked(models(99.9999), b"", behaviours={"n/x": down}) == ["n/x", "a/x"]
    assert asked(models(0.0001), b"", behaviours={"a/x": down}) == ["a/x", "n/x"]
    assert asked(models(0.0001), b"", behaviours=everything_down) == ["a/x", "n/x", "f/x"]


def test_what_may_come_to_answer_is_known_for_budgets() -> None:
    split = Split((Side("stable", 50), Side("next", 50, is_model=True)))
    chat_model = model(
        target("a", label="stable"),
        split=split,
        rules=(streamed(model="hidden"),),
        mirror=Mirror(model="shadow", share=1),
    )
    others = [model(target(name), name=name) for name in ("next", "shadow")]
    hidden = {"hidden": model(target("h"), name="hidden")}
    snapshot = Snapshot(by_name={each.name: each for each in others}, hidden=hidden)
    assert {each.name for each in reachable(chat_model, snapshot)} == {"a/x", "next/x", "h/x"}


def test_what_follows_a_rule_is_asked_as_fast_as_without_one() -> None:
    async def work() -> World:
        world = World([model(target("a"), rules=(streamed(model="b"),)), model(target("b"), name="b")])
        await world.open()
        return world

    # No walk was made: nothing but the rules was to be decided.
    assert run(work()).entries[0].traits is None
