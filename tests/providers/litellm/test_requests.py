"""What goes to LiteLLM's SDK: the client's allowed fields, and apart from them what the config says."""

import json
from typing import Any

import pytest

from aqueduct.domain.http import Origin
from aqueduct.domain.model import Provider, Target
from aqueduct.errors import ConfigurationError, InvalidRequest
from aqueduct.providers.litellm import LitellmOperation
from aqueduct.wire.chat import ChatRequest, parse_chat
from aqueduct.wire.completions import parse_completion

PROVIDER = Provider(
    name="tail",
    kind="litellm",
    origin=Origin("https", "tail.example", 443),
    base_path="/v1",
    api_key="sk-of-the-config",
    options={"provider": "watsonx", "project_id": "p-1"},
    credentials={"zen_api_key": "zen"},
    headers=(("X-Team", "blue"),),
)


def request(**fields: Any) -> ChatRequest:
    return parse_chat(json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}).encode())


def sent(asked: ChatRequest, provider: Provider = PROVIDER, model: str = "ibm/granite") -> Any:
    built = LitellmOperation().build_request(asked, Target(provider=provider, model=model))
    assert (built.origin.scheme, built.path) == ("litellm", "/chat/completions")
    assert b"sk-of-the-config" not in b"".join(name + value for name, value in built.headers)
    return json.loads(built.body)


def test_what_the_config_says_goes_apart_from_what_the_client_says() -> None:
    body = sent(request(temperature=0.5, top_k=3))
    assert body["request"] == {"messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "top_k": 3}
    assert body["target"] == {
        "model": "watsonx/ibm/granite",
        "api_base": "https://tail.example/v1",
        "api_key": "sk-of-the-config",
        "project_id": "p-1",
        "zen_api_key": "zen",
        "extra_headers": {"X-Team": "blue"},
        "timeout": 600.0,
        "num_retries": 0,
        "max_retries": 0,
    }


def test_a_field_that_is_not_known_to_be_harmless_is_left_out_and_named() -> None:
    asked = request(api_base="http://evil.example", callbacks=["x"], aws_profile_name="root", stop=["a"])
    assert sent(asked)["request"].keys() == {"messages", "stop"}
    target = Target(provider=PROVIDER, model="m")
    assert LitellmOperation().dropped(asked, target) == ("api_base", "callbacks", "aws_profile_name")


def test_the_config_adds_to_what_a_client_may_send_but_not_what_is_the_gateways() -> None:
    allowing = Provider(name="tail", kind="litellm", governed_fields=frozenset({"top_a", "api_base"}))
    body = sent(request(top_a=1, api_base="http://evil.example"), allowing)
    assert body["request"].keys() == {"messages", "top_a"}
    assert "api_base" not in body["target"]


def test_a_stream_always_reports_its_usage() -> None:
    assert sent(request(stream=True))["request"]["stream_options"] == {"include_usage": True}


def test_choices_are_calls() -> None:
    operation = LitellmOperation()
    calls = operation.calls(request(n=3))
    assert len(calls) == 3
    assert "n" not in sent(calls[0])["request"]  # type: ignore[arg-type] # a call of a chat is a chat


def test_behind_a_wildcard_a_client_chooses_a_model_and_never_whose() -> None:
    asked = parse_chat(b'{"model":"openai/gpt-4.1","messages":[{"role":"user","content":"Hi"}]}')
    assert sent(asked, model="*")["target"]["model"] == "watsonx/openai/gpt-4.1"
    with pytest.raises(ConfigurationError, match="needs the option 'provider'"):
        sent(asked, Provider(name="tail", kind="litellm"), "*")


def test_only_chats_are_taken() -> None:
    with pytest.raises(InvalidRequest):
        LitellmOperation().build_request(
            parse_completion(b'{"model":"m","prompt":"a"}'), Target(provider=PROVIDER, model="m")
        )
