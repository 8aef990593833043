"""What the conditions of rules hold of."""

import random
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.domain.principal import Principal
from aqueduct.domain.steering import (
    AllOf,
    AnyOf,
    Choices,
    Condition,
    Flag,
    Grouping,
    GroupKind,
    Length,
    Not,
    Percentage,
    Text,
    TextSource,
)
from aqueduct.gateway.routing.conditions import compile_condition
from aqueduct.gateway.routing.facts import Facts
from aqueduct.gateway.routing.grouping import compile_grouping, fraction, salt_of
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion

SALT = salt_of("m", "canary")
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 40_000}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
FILE = {"type": "file", "file": {"file_id": "f"}}
TOOLS = [{"type": "function", "function": {"name": "f"}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}}
CALLER = Principal(
    id="tok_1",
    name="ada",
    user_id="usr_1",
    team_id="tea_1",
    team_name="research",
    organisation_id="org_1",
    organisation_name="acme",
    token_name="notebook",
)


def facts(content: Any = "Hello", headers: Mapping[bytes, bytes] | None = None, **members: Any) -> Facts:
    body = {"model": "m", "messages": [{"role": "user", "content": content}], **members}
    return Facts(parse_chat(msgspec.json.encode(body)), CALLER, headers or {})


def holds(condition: Condition, seen: Facts) -> bool:
    return compile_condition(condition, SALT, random.Random(1))(seen)


@pytest.mark.parametrize(
    ("flag", "seen"),
    [
        ("has_images", facts([{"type": "text", "text": "what is it?"}, IMAGE])),
        ("has_audio", facts([AUDIO])),
        ("has_audio", facts(modalities=["text", "audio"], audio={"voice": "a", "format": "wav"})),
        ("has_files", facts([FILE])),
        ("needs_tools", facts(tools=TOOLS)),
        ("needs_tools", facts(functions=[{"name": "f"}])),
        ("wants_json", facts(response_format={"type": "json_object"})),
        ("wants_json", facts(response_format=SCHEMA)),
        ("stream", facts(stream=True)),
    ],
)
def test_a_flag_holds_of_what_has_it_and_of_nothing_else(flag: str, seen: Facts) -> None:
    assert holds(Flag(flag, is_wanted=True), seen)
    assert not holds(Flag(flag, is_wanted=False), seen)
    assert not holds(Flag(flag, is_wanted=True), facts(response_format={"type": "text"}, tools=[]))


def test_a_plain_completion_has_a_length_and_no_parts() -> None:
    seen = Facts(parse_completion(b'{"model":"m","prompt":"%b"}' % (b"word " * 1000)), CALLER, {})
    assert holds(Length(longer_than=1200, shorter_than=1300), seen)
    assert not holds(AnyOf((Flag("has_images", is_wanted=True), Flag("needs_tools", is_wanted=True))), seen)


def test_the_length_is_that_of_the_text_however_large_an_image_is() -> None:
    assert holds(Length(shorter_than=100), facts([{"type": "text", "text": "what is it?"}, IMAGE]))
    assert holds(Length(longer_than=9_999), facts("x" * 40_000))


@pytest.mark.parametrize(
    ("source", "key", "value"),
    [
        (TextSource.HEADER, "x-tier", "gold"),
        (TextSource.METADATA, "project", "apollo"),
        (TextSource.REASONING_EFFORT, "", "high"),
        (TextSource.END_USER, "", "u-1"),
        (TextSource.USER, "", "ada"),
        (TextSource.USER, "", "usr_1"),
        (TextSource.TEAM, "", "research"),
        (TextSource.ORGANISATION, "", "org_1"),
        (TextSource.TOKEN, "", "notebook"),
    ],
)
def test_a_text_is_compared_matched_or_asked_whether_it_is_there(source: TextSource, key: str, value: str) -> None:
    metadata = {"project": "apollo"}
    seen = facts(headers={b"x-tier": b"gold"}, metadata=metadata, reasoning_effort="high", user="u-1")
    assert holds(Text(source=source, key=key, values=("other", value)), seen)
    assert holds(Text(source=source, key=key, pattern=f"{value[:2]}.*"), seen)
    assert holds(Text(source=source, key=key, is_present=True), seen)
    assert not holds(Text(source=source, key=key, values=("other",)), seen)
    assert not holds(Text(source=source, key=key, pattern="o"), seen)
    assert not holds(Text(source=source, key=key, is_present=False), seen)


def test_what_is_not_there_is_like_nothing() -> None:
    for source in (TextSource.HEADER, TextSource.METADATA, TextSource.SERVICE_ACCOUNT, TextSource.REASONING_EFFORT):
        assert not holds(Text(source=source, key="k", values=("v",)), facts())
        assert not holds(Text(source=source, key="k", pattern=".*"), facts())
        assert holds(Text(source=source, key="k", is_present=False), facts())


def test_choices_are_counted() -> None:
    assert holds(Choices(2), facts(n=3))
    assert not holds(Choices(2), facts())


LEAVES = st.booleans().map(lambda wanted: Flag("stream", is_wanted=wanted))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: AllOf(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
)


def truth(condition: Condition, *, is_stream: bool) -> bool:
    match condition:
        case Flag():
            return condition.is_wanted is is_stream
        case AllOf():
            return all(truth(each, is_stream=is_stream) for each in condition.conditions)
        case AnyOf():
            return any(truth(each, is_stream=is_stream) for each in condition.conditions)
        case Not():
            return not truth(condition.condition, is_stream=is_stream)
    raise TypeError(condition)


@given(TREES, st.booleans())
def test_all_any_and_not_mean_what_they_say(condition: Condition, is_stream: bool) -> None:
    assert holds(condition, facts(stream=is_stream)) is truth(condition, is_stream=is_stream)


@given(st.text(min_size=1, max_size=20), st.floats(0, 100), st.floats(0, 100))
def test_whoever_is_among_a_smaller_share_is_among_a_larger_one(user: str, one: float, other: float) -> None:
    smaller, larger = sorted((one, other))
    by, seen = Grouping(GroupKind.END_USER), facts(user=user)
    assert not holds(Percentage(value=smaller, by=by), seen) or holds(Percentage(value=larger, by=by), seen)


@given(st.binary(max_size=100))
def test_a_fraction_is_between_0_and_1_for_every_key(key: bytes) -> None:
    assert 0 < fraction(key, SALT) < 1


@pytest.mark.parametrize(
    ("by", "key"),
    [
        (Grouping(), b"tok_1"),
        (Grouping(GroupKind.END_USER), b"u-1"),
        (Grouping(GroupKind.TEAM), b"tea_1"),
        (Grouping(GroupKind.ORGANISATION), b"org_1"),
        (Grouping(GroupKind.HEADER, "x-session"), b"s-1"),
        (Grouping(GroupKind.HEADER, "x-other"), b"tok_1"),
        (Grouping(GroupKind.PROMPT_CACHE_KEY), b'"k"'),
    ],
)
def test_a_group_is_what_requests_have_in_common_or_else_their_token(by: Grouping, key: bytes) -> None:
    seen = facts(user="u-1", prompt_cache_key="k", headers={b"x-session": b"s-1"})
    assert compile_grouping(by, random.Random(1))(seen) == key
