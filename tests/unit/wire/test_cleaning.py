import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aqueduct.wire.cleaning import MAX_MESSAGE_CHARACTERS, clean_message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-AbCd1234EfGh5678",
        "sk-ant-api03-abcdefgh1234",
        "sk-or-v1-0123456789abcdef",
        "sk-****************abcd",
        "gsk_abcDEF123456",
        "xai-abcdef123456",
        "AIzaSyA-0123456789abcdefghijk",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        "Bearer abc.def-123",
        "aq-0123456789abcdef",
        "0123456789abcdef0123456789abcdef",
        "org-AbCdEf123456",
        "proj_AbCdEf123456",
        "arn:aws:bedrock:us-east-1:123456789012:model/x",
        "https://api.openai.com/v1/chat/completions?key=1",
        "http://vllm-0:8000/v1",
        "http://[fe80::1]:8000/",
        "api.together.xyz",
        "models.svc.cluster.local:8000",
        "localhost:8000",
        "10.0.0.5",
        "10.0.0.5:8000",
        "2001:db8:0:1:1:1:1:1",
        "fe80::1",
        "ops@example.com",
        "/srv/app/server.py",
        "8d0c2a2e-1111-2222-3333-1234567890ab",
    ],
)
def test_what_is_not_for_clients_is_taken_out(secret: str) -> None:
    for text in (f"Failed at {secret}, sorry.", f"({secret})", f"key '{secret}'", f"{secret}."):
        cleaned = clean_message(text)
        assert secret not in cleaned
        assert not any(piece in cleaned for piece in secret.split("/") if len(piece) > 9)


def test_a_key_that_looks_like_nothing_goes_by_what_stands_before_it() -> None:
    assert clean_message("Incorrect API key provided: hunter2. See docs.") == (
        "Incorrect API key provided: [credential]. See docs."
    )


@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
        "Invalid 'messages[0].content[1].image_url': expected an object, but got a string instead.",
        "Invalid schema for response_format 'answer': In context=('properties', 'a'), 'required' is required.",
        "response_format.json_schema.schema.properties.name is not allowed; see tools.0.function.parameters",
        "max_tokens: 4096 is above the limit of gpt-4.1-mini at 12:30:45 (llama-3.3-70b-versatile, o4-mini).",
        "An assistant message with 'tool_calls' must be followed by 'call_abcDEF1234567890abcDEF12'.",
        "user_location, key-value, sk-learn and std::vector are words; so are 3.14 and 1.2.3.",
        "The image must be image/png or image/jpeg, e.g. data. Größe: 20 MB – naïve café.",
    ],
)
def test_what_the_client_needs_to_know_stays(text: str) -> None:
    assert clean_message(text) == text


def test_a_message_is_one_line_of_bounded_length() -> None:
    assert clean_message("a\x00b\r\nc\u2028d\te\x1b[0m") == "a b c d e [0m"
    assert len(clean_message("word " * 10_000)) == MAX_MESSAGE_CHARACTERS


def test_a_stack_trace_is_cut_off() -> None:
    text = 'Bad image. Traceback (most recent call last):\n  File "server.py", line 3, in f\nValueError: x'
    assert clean_message(text) == "Bad image."


@given(st.text(max_size=300))
def test_any_text_can_be_cleaned(text: str) -> None:
    assert clean_message(text).isprintable() or not text.isprintable()


@pytest.mark.parametrize(
    "piece", ["a-", "a.", "1:", "a/", "/", "sk-", "a@", "::", "arn:", "a", "eyJ", "0", "ab12-_", "a:"]
)
def test_no_text_takes_long(piece: str) -> None:
    started = time.process_time()
    clean_message(piece * 10_000)
    assert time.process_time() - started < 0.5
