"""What makes two requests equal."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire.request_strategies import anything, chats, words

from aqueduct.domain.cache import CachePolicy
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.principal import Principal
from aqueduct.gateway.cache.key import IGNORED_FIELDS, MAX_REQUEST_BYTES, cache_key, canonical
from aqueduct.wire.chat import parse_chat

TARGET = Target(provider=Provider(name="p", kind="openai"), model="m")
POLICY = CachePolicy(ttl_seconds=60, is_always=True, max_bytes=1000, version="v")
MODEL = Model(name="a", aliases=("b",), targets=(TARGET,), cache=POLICY)
ALICE = Principal(id="tok_1", organisation_id="org_1")
HELLO = b'{"model":"a","messages":[{"role":"user","content":"Hi"}]}'


def text(document: Any) -> bytes | None:
    fields = {name: msgspec.Raw(json.dumps(value).encode()) for name, value in document.items()}
    return canonical(fields)


def key(body: bytes = HELLO, model: Model = MODEL, principal: Principal = ALICE) -> str | None:
    return cache_key(parse_chat(body), model, principal)


def respelled(value: Any) -> Any:
    """Return the same with the members of every object in the opposite order, and whole numbers as floats."""
    if isinstance(value, dict):
        return {name: respelled(value[name]) for name in reversed(list(value))}
    if isinstance(value, list):
        return [respelled(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**50:
        return float(value)
    return value


@given(chats)
def test_neither_order_nor_spelling_nor_what_is_ignored_matters(chat: dict[str, Any]) -> None:
    assert text(chat) is not None
    assert text(respelled(chat)) == text(chat)
    assert text({name: value for name, value in chat.items() if name not in IGNORED_FIELDS}) == text(chat)


@given(chats, st.sampled_from(["temperature", "seed", "tools", "messages", "vendor_extension"]), anything)
def test_everything_else_matters(chat: dict[str, Any], name: str, value: Any) -> None:
    if respelled(chat.get(name)) != respelled(value):
        assert text({**chat, name: value}) != text(chat)


@given(words, anything, anything)
def test_a_nested_member_that_is_there_twice_has_no_one_meaning(name: str, one: Any, two: Any) -> None:
    member = json.dumps(name)
    twice = f"{{{member}:{json.dumps(one)},{member}:{json.dumps(two)}}}".encode()
    assert canonical({"tools": msgspec.Raw(twice)}) is None


@pytest.mark.parametrize("value", [b"1e999", b'"\\ud800"', b"[" * 5000 + b"]" * 5000])
def test_what_cannot_be_written_anew_has_no_key(value: bytes) -> None:
    assert canonical({"x": msgspec.Raw(value)}) is None


def test_a_request_without_one_meaning_is_not_cached() -> None:
    assert key(b'{"model":"a","messages":[{"role":"user","content":"Hi","name":"x","name":"y"}]}') is None
    assert key(json.dumps(json.loads(HELLO) | {"stop": "x" * MAX_REQUEST_BYTES}).encode()) is None


def test_callers_of_one_organisation_share_and_no_others() -> None:
    keys = [
        key(),
        key(principal=Principal(id="tok_1", organisation_id="org_2")),
        key(principal=Principal(id="tok_1")),
    ]
    assert len({*keys}) == 3
    assert key(principal=Principal(id="tok_2", organisation_id="org_1")) == keys[0]
    assert key(principal=Principal(id="tok_3")) == keys[2]


def test_a_model_is_one_by_all_its_names_unless_a_target_is_handed_them() -> None:
    by_alias = HELLO.replace(b'"a"', b'"b"')
    assert key(by_alias) == key()
    handing = msgspec.structs.replace(MODEL, cache=msgspec.structs.replace(POLICY, goes_by_asked_name=True))
    assert key(by_alias, handing) != key(HELLO, handing)
    anything_else = msgspec.structs.replace(MODEL, name="*")
    assert key(by_alias, anything_else) != key(HELLO, anything_else)


def test_other_targets_and_other_operations_are_other_answers() -> None:
    changed = msgspec.structs.replace(MODEL, cache=msgspec.structs.replace(POLICY, version="w"))
    assert key(HELLO, changed) != key()


def test_the_sides_of_a_split_are_other_answers() -> None:
    def by(*priorities: int) -> str | None:
        other = msgspec.structs.replace(TARGET, model="n")
        targets = [
            msgspec.structs.replace(each, priority=at) for each, at in zip((TARGET, other), priorities, strict=True)
        ]
        side = msgspec.structs.replace(MODEL, targets=tuple(targets))
        return cache_key(parse_chat(HELLO), MODEL, ALICE, side)

    # What stands in for a side comes after everything that a config allows.
    assert len({key(), by(1, 1002), by(1002, 1)}) == 3
    assert by(1, 1002) == by(2, 1003)


def test_what_was_cleared_is_known_by_another_key() -> None:
    def cleared(*generations: tuple[str, str]) -> str | None:
        return key(principal=msgspec.structs.replace(ALICE, cache_generations=generations))

    assert cleared(("other", "1")) == key()
    assert len({key(), cleared(("a", "1")), cleared(("", "1"), ("a", "1")), cleared(("", "2"))}) == 4
