"""What is kept of what went by: redacted, cut to size, and honest about what is missing."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scripted_upstream import DONE, chunk, event

from aqueduct.domain.capture import CapturePolicy, Form, Half, Omission
from aqueduct.storage.capture_rows import show, without_torn_character

ON = CapturePolicy(is_on=True)
REDACTING = CapturePolicy(is_on=True, redacted=("content",))
BODY = json.dumps({"messages": [{"content": "secret"}]}).encode()
STREAM = event(chunk({"content": "sec"})) + event(chunk({"content": "ret"})) + DONE


def half(held: bytes, **members: Any) -> Half:
    return Half(held, len(held), **members)


def test_a_body_is_kept_as_it_was_sent_where_nothing_is_redacted() -> None:
    odd = b'{ "a" : 1.0 }\n'
    assert show(half(odd), ON).text == odd.decode()


def test_a_stream_is_kept_as_one_answer() -> None:
    shown = show(half(STREAM), ON)
    assert (shown.form, shown.is_truncated) == (Form.ASSEMBLED, False)
    assert json.loads(shown.text or "")["choices"][0]["message"]["content"] == "secret"


@pytest.mark.parametrize("held", [BODY, STREAM])
def test_redaction_comes_before_everything_else(held: bytes) -> None:
    text = show(half(held), REDACTING).text or ""
    assert "[redacted]" in text
    assert "sec" not in text


@pytest.mark.parametrize("held", [b"not json: secret", b'["secret"]', b'"secret"', b'{"content": "secret"', b"\xff{}"])
def test_what_cannot_be_redacted_is_not_kept(held: bytes) -> None:
    assert show(half(held), REDACTING) == (None, False, Omission.UNREADABLE, None)


def test_events_of_which_no_answer_can_be_made_are_kept_only_where_nothing_is_redacted() -> None:
    shown = show(half(b"data: secret\n\n"), ON)
    assert (shown.text, shown.form) == ("data: secret\n\n", Form.EVENTS)
    assert show(half(b"data: secret\n\n"), REDACTING).omission == Omission.UNREADABLE


def test_half_a_body_is_not_redacted_but_left_out() -> None:
    assert show(Half(BODY[:10], 9_000_000, is_cut=True), REDACTING).omission == Omission.TOO_LARGE
    assert show(Half(b"", 10, is_cut=True, lacks_room=True), ON).omission == Omission.NO_ROOM


def test_a_stream_that_was_cut_is_marked_so_though_it_is_one_answer() -> None:
    shown = show(Half(STREAM, 10_000, is_cut=True), ON)
    assert (shown.form, shown.is_truncated) == (Form.ASSEMBLED, True)


def test_the_cap_is_in_bytes_and_ends_at_a_whole_character() -> None:
    policy = CapturePolicy(is_on=True, max_bytes=4)
    assert show(half("aäöü".encode()), policy) == ("aä", True, None, Form.BODY)
    assert show(half(b"abcd"), policy) == ("abcd", False, None, Form.BODY)
    assert show(half(b"a\x00\xffd"), policy).text == "a\ufffd\ufffdd"


@given(st.text(), st.integers(0, 20))
def test_no_character_is_torn(text: str, size: int) -> None:
    encoded = text.encode()
    kept = without_torn_character(encoded[:size])
    assert encoded.startswith(kept)
    assert text.startswith(kept.decode())
    assert len(encoded[:size]) - len(kept) < 4
