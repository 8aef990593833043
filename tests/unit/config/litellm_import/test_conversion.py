"""LiteLLM's configs become ours: what is carried over, what is noted, and that no secret is copied."""

import re

import pytest
from tests.unit.config.litellm_import.configs import LONG_TAIL, SMALL_TEAM, WILDCARDS, imported, loaded

from aqueduct.config.notes import find_notes
from aqueduct.domain.model import Target
from aqueduct.domain.routing import Strategy
from aqueduct.errors import ConfigurationError


def words(text: str) -> str:
    return "\n".join(note.words for note in imported(text).notes)


def single(text: str) -> Target:
    """Return the only target of a deployment with these parameters."""
    result = imported(f"model_list: [{{model_name: m, litellm_params: {{{text}}}}}]")
    (target,) = loaded(result).by_name["m"].targets
    return target


def test_a_teams_config_is_carried_over() -> None:
    snapshot = loaded(imported(SMALL_TEAM))
    assert [model.name for model in snapshot.models] == ["gpt-4o", "claude"]
    model = snapshot.by_name["main"]
    assert model is snapshot.by_name["gpt-4o"]
    assert model.routing.strategy is Strategy.WEIGHTED
    first, second = model.targets
    assert (first.provider.kind, first.model, first.weight, first.priority) == ("openai", "gpt-4o", 500, 1)
    assert first.limits is not None
    assert (first.limits.requests_per_minute, first.limits.tokens_per_minute) == (500, 200_000)
    assert (second.provider.kind, second.model, second.weight, second.priority) == ("azure", "gpt-4o-eu", 1500, 2)
    assert second.provider.options == {"api_version": "2024-10-21"}
    assert second.context_window == 128_000
    assert second.plain_timeouts.first_byte_seconds == second.stream_timeouts.idle_seconds == 45
    assert second.plain_timeouts.total_seconds == 600
    assert (first.provider.breaker.failures, first.provider.breaker.cooling_seconds) == (3, 30)
    assert model.routing.fallbacks == model.routing.context_overflow_fallbacks == ("claude",)
    assert snapshot.by_name["fast"].name == "claude"


def test_what_is_not_carried_over_is_said_with_its_line_and_what_to_do() -> None:
    result = imported(SMALL_TEAM)
    said = words(SMALL_TEAM)
    lines = SMALL_TEAM.splitlines()
    for name in ("temperature", "num_retries", "redis_host", "drop_params", "cache", "master_key", "database_url"):
        line = next(number for number, text in enumerate(lines, 1) if text.strip().startswith(f"{name}:"))
        assert f"line {line}: '{name}' is not carried over" in said, name
    assert "the mode 'embedding' is not served" in said
    assert "the fallback from 'claude' to 'gpt-4o' is left out: it leads back" in said
    assert "AQUEDUCT_VALKEY_URL" in said
    assert "aqueduct token create" in said
    assert sorted(text for _, text in find_notes(result.text.encode())) == sorted(note.words for note in result.notes)


@pytest.mark.parametrize("config", [SMALL_TEAM, LONG_TAIL, WILDCARDS])
def test_no_secret_is_copied_and_each_is_a_variable_to_set(config: str) -> None:
    result = imported(config)
    secrets = re.findall(r"\S*secret-\d+", config)
    assert [secret for secret in secrets if secret in result.text + words(config)] == []
    assert "os.environ" not in result.text
    used = set(re.findall(r"\$\{(\w+)\}", result.text))
    assert used == {each.name for each in result.variables}


def test_a_literal_secret_is_named_by_its_provider_and_its_line() -> None:
    wanted = {each.name: each.line for each in imported(SMALL_TEAM).variables}
    assert wanted == {"OPENAI_API_KEY": None, "AZURE_EU_KEY": None, "ANTHROPIC_KEY": 25}


def test_the_long_tail_becomes_providers_of_kind_litellm() -> None:
    snapshot = loaded(imported(LONG_TAIL))
    (granite,) = snapshot.by_name["granite"].targets
    assert (granite.provider.kind, granite.model) == ("litellm", "watsonx/ibm/granite-3-8b-instruct")
    assert granite.provider.options == {"project_id": "0f5c-11"}
    assert granite.provider.credentials == {"zen_api_key": "of-ZEN_API_KEY"}
    assert granite.provider.api_key == "of-WATSONX_APIKEY"
    (claude,) = snapshot.by_name["claude-on-vertex"].targets
    assert (claude.provider.kind, claude.model) == ("litellm", "vertex_ai/claude-sonnet-4@20250514")


def test_anchors_credentials_prices_and_own_protocols_are_read() -> None:
    snapshot = loaded(imported(LONG_TAIL))
    (llama,) = snapshot.by_name["llama"].targets
    assert (llama.provider.kind, llama.provider.api_key, llama.model) == ("vllm", "none", "meta-llama/Llama-4")
    assert llama.plain_timeouts.first_byte_seconds == 600
    assert llama.limits is not None
    assert llama.limits.concurrency == 16
    (price,) = llama.prices
    assert price.tiers[0][1] != ()
    assert "price: {input_per_million: 0.1, output_per_million: 0.4}" in imported(LONG_TAIL).text
    (gemini,) = snapshot.by_name["gemini"].targets
    assert gemini.provider.options == {"project": "my-project", "location": "europe-west4"}
    assert gemini.provider.credentials == {"service_account": "of-GOOGLE_CREDENTIALS"}
    (haiku,) = snapshot.by_name["haiku"].targets
    assert (haiku.provider.kind, haiku.model) == ("bedrock", "eu.anthropic.claude-haiku-4-5-20251001-v1:0")
    assert haiku.provider.options["region"] == "eu-west-1"
    assert set(haiku.provider.credentials) == {"access_key_id", "secret_access_key"}
    (qwen,) = snapshot.by_name["qwen"].targets
    assert (qwen.provider.kind, qwen.provider.base_path, qwen.model) == ("ollama", "/api", "qwen3")
    assert snapshot.by_name["gemini"].routing.fallbacks == ("llama",)
    assert snapshot.by_name["llama"].routing.fallbacks == ()


def test_wildcards_weights_and_headers_are_read() -> None:
    snapshot = loaded(imported(WILDCARDS))
    assert snapshot.wildcard is not None
    assert [(target.provider.kind, target.model) for target in snapshot.wildcard.targets] == [("openai", "*")]
    assert "'anthropic/*' stands for many names" in words(WILDCARDS)
    assert snapshot.by_name["weighted"].routing.strategy is Strategy.LOWEST_COST
    shuffled = loaded(imported(WILDCARDS.replace("cost-based-routing", "simple-shuffle"))).by_name["weighted"]
    assert [(each.model, each.weight, each.priority) for each in shuffled.targets] == [
        ("gpt-4.1", 9, 1),
        ("gpt-4.1-mini", 1, 1),
        ("llama-3.3-70b-versatile", 1, 2),
    ]
    (deep,) = snapshot.by_name["org/deep$seek"].targets
    assert dict(deep.provider.headers) == {
        "X-Team": "of-HEADER_X_TEAM",
        "OpenAI-Organization": deep.provider.headers[1][1],
    }


@pytest.mark.parametrize(
    ("parameters", "kind", "model"),
    [
        ("model: gpt-4o", "openai", "gpt-4o"),
        ("model: o3", "openai", "o3"),
        ("model: claude-sonnet-4-5", "anthropic", "claude-sonnet-4-5"),
        ("model: openai/org/model, api_base: 'http://10.0.0.1/v1'", "openai", "org/model"),
        ("model: org/model, custom_llm_provider: openai, api_base: 'http://10.0.0.1/v1'", "openai", "org/model"),
        ("model: together_ai/meta/llama", "together", "meta/llama"),
        ("model: gemini/gemini-2.5-flash", "gemini", "gemini-2.5-flash"),
        ("model: bedrock/anthropic.claude-3-haiku-20240307-v1:0", "bedrock", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("model: bedrock/invoke/some.model", "litellm", "bedrock/invoke/some.model"),
        ("model: databricks/dbrx", "litellm", "databricks/dbrx"),
        ("model: something", "litellm", "something"),
        ("model: hosted_vllm/m", "vllm", "m"),
    ],
)
def test_a_models_name_says_whose_it_is(parameters: str, kind: str, model: str) -> None:
    target = single(parameters)
    assert (target.provider.kind, target.model) == (kind, model)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no sections"),
        ("- a\n- b\n", "has no sections"),
        ("model_list: 5\n", ":1: 'model_list' must be a list"),
        ("model_list:\n  - model_name: a\n", ":2: a deployment needs"),
        ("model_list:\n  - a\n", ":2: a deployment needs"),
        ("a: [\n", "config.yaml:2: "),
        ("a: &a\n  b: *a\n", "nested deeper than 32 levels"),
        ("? [a]\n: b\n", ":1: a key must be a plain name"),
        ("a: \0\n", "is not YAML"),
    ],
)
def test_what_is_no_config_of_litellms_is_an_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        imported(text)


def test_a_small_file_that_stands_for_very_much_is_refused() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9))
    with pytest.raises(ConfigurationError, match="stands for more than"):
        imported(bomb)


def test_a_secret_is_not_called_as_another_variable_of_the_file_is() -> None:
    result = imported("""
model_list:
  - {model_name: a, litellm_params: {model: openai/a, api_key: sk-literal-0001}}
  - {model_name: b, litellm_params: {model: openai/b, api_key: os.environ/OPENAI_KEY}}
  - {model_name: c, litellm_params: {model: openai/c}}
  - {model_name: d, litellm_params: {model: openai/d, api_key: sk-literal-0001}}
""")
    assert {each.name: each.line for each in result.variables} == {
        "OPENAI_KEY_2": 3,
        "OPENAI_KEY": None,
        "OPENAI_API_KEY": None,
    }
    keys = [model.targets[0].provider.api_key for model in loaded(result).models]
    assert keys == ["of-OPENAI_KEY_2", "of-OPENAI_KEY", "of-OPENAI_API_KEY", "of-OPENAI_KEY_2"]
