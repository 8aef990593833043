"""Which models may be used: names, patterns, and what is inherited."""

import re
import time

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.identity import Rank
from aqueduct.domain.model_rules import ModelRule, NameSet, compile_rules, matches
from aqueduct.domain.subject import SubjectType

MODELS = ("gpt-4.1", "gpt-4.1-mini", "claude", "lab/llama")


def rule(*, allow: tuple[str, ...] | None = None, deny: tuple[str, ...] = (), inherits: bool = True) -> ModelRule:
    return ModelRule(
        id="rul_1",
        subject_type=SubjectType.TEAM,
        subject_id="team_1",
        created_at=0.0,
        allow=allow,
        deny=deny,
        inherits=inherits,
    )


def test_what_a_higher_rank_has_set_is_inherited_whatever_a_lower_one_says() -> None:
    set_from_above = msgspec.structs.replace(rule(deny=("claude",)), rank=Rank.ADMIN)
    set_within = msgspec.structs.replace(rule(deny=("gpt-4.1",)), rank=Rank.ORGANISATION_ADMIN)
    alone = msgspec.structs.replace(rule(inherits=False), rank=Rank.ORGANISATION_ADMIN)
    assert usable(set_from_above, set_within, alone) == ["gpt-4.1", "gpt-4.1-mini", "lab/llama"]


def usable(*levels: ModelRule) -> list[str]:
    models = compile_rules(levels)
    return [name for name in MODELS if models.allows(name, name)]


def test_an_alias_is_allowed_by_either_name_and_denied_by_its_model_s_own() -> None:
    def may(asked: str, model: str, allow: tuple[str, ...] | None = None, deny: tuple[str, ...] = ()) -> bool:
        return compile_rules([rule(allow=allow, deny=deny)]).allows(asked, model)

    assert may("alias", "own", allow=("own",))
    assert may("alias", "own", allow=("alias",))
    assert not may("own", "own", allow=("alias",))
    assert not may("alias", "own", deny=("own",))
    assert not may("alias", "own", deny=("alias",))
    assert may("own", "own", deny=("alias",))


def test_without_rules_everything_is_allowed() -> None:
    assert usable() == usable(rule()) == list(MODELS)


def test_a_lower_level_only_narrows_what_it_inherits() -> None:
    above = rule(allow=("gpt-*", "claude"))
    assert usable(above) == ["gpt-4.1", "gpt-4.1-mini", "claude"]
    assert usable(above, rule(allow=("claude", "lab/llama"))) == ["claude"]
    assert usable(above, rule(deny=("*-mini",))) == ["gpt-4.1", "claude"]
    assert usable(rule(deny=("gpt-*",)), rule(allow=("gpt-4.1",))) == []


def test_an_empty_list_allows_nothing() -> None:
    assert usable(rule(allow=())) == []


def test_a_level_that_does_not_inherit_starts_anew() -> None:
    above = rule(allow=("claude",), deny=("gpt-4.1",))
    assert usable(above, rule(allow=("gpt-*",), inherits=False)) == ["gpt-4.1", "gpt-4.1-mini"]
    assert usable(above, rule(inherits=False), rule(deny=("claude",))) == ["gpt-4.1", "gpt-4.1-mini", "lab/llama"]


@given(st.text("ab.*", max_size=8), st.text("ab.", max_size=12))
def test_a_pattern_means_what_trying_every_combination_would_find(pattern: str, name: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    expected = re.fullmatch(expression, name, re.DOTALL) is not None
    assert matches(pattern, name) == expected
    assert (name in NameSet([pattern])) == expected


def test_a_pattern_full_of_stars_costs_no_time() -> None:
    began = time.perf_counter()
    assert not matches("*a" * 50 + "*b", "a" * 20_000)
    assert time.perf_counter() - began < 1.0
