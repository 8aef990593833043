"""A config file becomes a snapshot, or an error that names the line."""

from pathlib import Path

import pytest

from aqueduct.config.compile import compile_default, compile_source
from aqueduct.config.load import parse_source
from aqueduct.domain.http import Origin
from aqueduct.domain.model import StructuredOutput
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS

GOOD = """\
providers:
  - name: openai
    kind: openai
    api_key: ${OPENAI_API_KEY}
  - name: lab
    kind: openai
    base_url: http://10.0.0.5:8000/v1/
    headers: {X-Team: physics}
models:
  - name: gpt-4.1
    aliases: [main, coding]
    timeouts: {first_byte: 30}
    targets:
      - {provider: lab, model: llama-4, priority: 2, structured_output: tool, timeouts: {idle: 9}}
      - {provider: openai, model: gpt-4.1-2025-04-14}
  - name: "*"
    targets: [{provider: openai, model: "*"}]
"""


def compile_text(text: str, **environment: str) -> Snapshot:
    return compile_source(parse_source(text.encode(), "aqueduct.yaml", environment), KINDS)


def refused(text: str, **environment: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        compile_text(text, **environment)
    return str(caught.value)


def test_compiles_models_aliases_and_the_wildcard() -> None:
    snapshot = compile_text(GOOD, OPENAI_API_KEY="sk-secret")
    model = snapshot.by_name["gpt-4.1"]
    assert snapshot.by_name["main"] is snapshot.by_name["coding"] is model
    assert snapshot.wildcard is not None
    assert snapshot.wildcard.targets[0].model == "*"
    assert "*" not in snapshot.by_name


def test_orders_targets_by_priority_and_reads_addresses() -> None:
    first, second = compile_text(GOOD, OPENAI_API_KEY="sk-secret").by_name["gpt-4.1"].targets
    assert first.name == "openai/gpt-4.1-2025-04-14"
    assert first.provider.origin == Origin("https", "api.openai.com", 443)
    assert first.provider.base_path == "/v1"
    assert first.provider.api_key == "sk-secret"
    assert second.provider.origin == Origin("http", "10.0.0.5", 8000)
    assert second.structured_output is StructuredOutput.TOOL


def test_timeouts_of_a_target_lie_over_those_of_its_model() -> None:
    first, second = compile_text(GOOD, OPENAI_API_KEY="k").by_name["gpt-4.1"].targets
    assert (first.stream_timeouts.first_byte_seconds, first.stream_timeouts.idle_seconds) == (30, 120)
    assert (second.stream_timeouts.first_byte_seconds, second.stream_timeouts.idle_seconds) == (30, 9)


def test_a_secret_is_not_in_a_repr() -> None:
    snapshot = compile_text(GOOD, OPENAI_API_KEY="sk-secret")
    assert "sk-secret" not in repr(snapshot)


def test_a_variable_cannot_become_structure() -> None:
    text = "providers: [{name: a, kind: openai, api_key: '${KEY}'}]"
    provider_text = compile_text(
        text + "\nmodels: [{name: m, targets: [{provider: a, model: m}]}]", KEY="x, kind: evil"
    )
    assert provider_text.by_name["m"].targets[0].provider.api_key == "x, kind: evil"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("providers: [", "aqueduct.yaml:1: "),
        ("- a\n", "aqueduct.yaml:1: the file: Expected `object`, got `array`"),
        (
            "providers:\n  - name: a\n    kind: opnai\n",
            "aqueduct.yaml:3: the kind 'opnai' is not known (did you mean 'openai'?)",
        ),
        ("providers:\n  - name: a\n    knd: openai\n", "aqueduct.yaml:3: 'knd' is not known here"),
        ("providers:\n  - kind: openai\n", "aqueduct.yaml:2: providers[0]: Object missing required field `name`"),
        ("providers:\n  - name: a\n    name: b\n", "aqueduct.yaml:3: 'name' is given twice"),
        (
            "providers:\n  - name: a\n    kind: openai\n    base_url: ftp://x\n",
            "aqueduct.yaml:4: the base_url must begin with http:// or https:// and a host",
        ),
        (
            "providers:\n  - name: a\n    kind: openai\n    base_url: http://u:p@x/\n",
            "aqueduct.yaml:4: the base_url may hold no credential, query or fragment",
        ),
        (
            "providers:\n  - name: a\n    kind: openai\n    api_key: ${NOPE}\n",
            "aqueduct.yaml:4: the environment variable NOPE is not set",
        ),
        (
            "providers:\n  - name: a\n    kind: openai\n    headers: {Cookie: x}\n",
            "aqueduct.yaml:4: the header 'Cookie' cannot be set",
        ),
        (
            "providers: [{name: a, kind: openai}]\nmodels:\n  - name: m\n    targets:\n    - {provider: b, model: m}\n",
            "aqueduct.yaml:5: the provider 'b' is not known (known: a)",
        ),
        (
            "models:\n  - name: m\n    targets: []\n",
            "aqueduct.yaml:3: models[0].targets: Expected `array` of length >= 1",
        ),
        (
            (
                "providers: [{name: a, kind: openai}]\nmodels:\n  - {name: m, targets: [{provider: a, model: m}]}\n"
                "  - {name: n, aliases: [m], targets: [{provider: a, model: m}]}\n"
            ),
            "aqueduct.yaml:4: the model name 'm' is taken",
        ),
        (
            "providers: [{name: a, kind: openai}]\nmodels:\n  - {name: 'gpt-*', targets: [{provider: a, model: m}]}\n",
            "aqueduct.yaml:3: only `*` alone stands for every other name",
        ),
        ("a: &a [1]\nb: *a\n", "aqueduct.yaml:1: YAML aliases of mappings and lists are not supported"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text: str, message: str) -> None:
    assert refused(text).startswith(message)


def test_a_refusal_never_shows_the_value_of_a_variable() -> None:
    text = "providers:\n  - name: a\n    kind: openai\n    base_url: ${SECRET}\n"
    assert "s3cr3t" not in refused(text, SECRET="s3cr3t")


def test_a_local_model_file_must_exist(tmp_path: Path) -> None:
    head = "providers: [{name: here, kind: local}]\nmodels:\n  - name: m\n    targets:\n"
    missing = head + f"      - {{provider: here, model_path: {tmp_path}/x.gguf}}\n"
    assert refused(missing).startswith("aqueduct.yaml:5: there is no file")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert compile_text(missing).by_name["m"].targets[0].model_path == f"{tmp_path}/x.gguf"


def test_without_a_file_the_embedded_model_is_served_under_two_names() -> None:
    snapshot = compile_default()
    assert list(snapshot.by_name) == ["smollm2-135m", "default"]
    assert "demonstration" in (snapshot.models[0].description or "")


ROUTED = """\
providers:
  - {name: a, kind: openai, api_keys: [key-1, key-2], breaker: {failures: 3}, health_check: {interval: 30}}
models:
  - name: m
    strategy: weighted
    sticky: user
    fallbacks: [n]
    hedge: {after: p95}
    context_window: 1000
    targets: [{provider: a, model: x, weight: 3, limits: {requests_per_minute: 5}}]
  - {name: n, aliases: [nn], context_overflow_fallbacks: [m], targets: [{provider: a, model: y}]}
"""


def test_every_key_of_a_provider_is_a_target_of_its_own() -> None:
    snapshot = compile_text(ROUTED)
    first, second = snapshot.by_name["m"].targets
    assert [(each.provider.api_key, each.provider.key_number) for each in (first, second)] == [
        ("key-1", 1),
        ("key-2", 2),
    ]
    assert (first.name, first.weight) == (second.name, second.weight) == ("a/x", 1.5)
    assert first.provider is snapshot.by_name["n"].targets[0].provider
    assert first.provider.breaker.failures == 3
    assert (first.context_window, snapshot.by_name["n"].targets[0].context_window) == (1000, None)


def test_fallbacks_of_different_reasons_may_cross_but_none_may_lead_back() -> None:
    assert compile_text(ROUTED).by_name["m"].routing.fallbacks == ("n",)
    circle = ROUTED.replace("context_overflow_fallbacks: [m]", "fallbacks: [m]")
    assert "leads back to 'm'" in refused(circle)
    assert "leads back to 'm'" in refused(ROUTED.replace("fallbacks: [n]", "fallbacks: [m]"))
    assert "leads back" in refused(circle.replace("fallbacks: [n]", "fallbacks: [nn]"))
    assert "'nobody' is not a model" in refused(ROUTED.replace("fallbacks: [n]", "fallbacks: [nobody]"))


def test_keys_are_one_or_several_and_each_is_given_once() -> None:
    assert "either" in refused(ROUTED.replace("api_keys:", "api_key: key-0, api_keys:"))
    assert "twice" in refused(ROUTED.replace("key-2", "key-1"))


CACHED = GOOD.replace(
    "    timeouts: {first_byte: 30}\n", "    cache: {ttl: 60, when: asked}\n    price: {input_per_million: 1}\n"
)


def test_a_cache_is_off_unless_it_is_asked_for() -> None:
    plain, cached = compile_text(GOOD, OPENAI_API_KEY="k"), compile_text(CACHED, OPENAI_API_KEY="k")
    assert all(model.cache is None for model in plain.models)
    policy = cached.by_name["main"].cache
    assert policy is not None
    assert (policy.ttl_seconds, policy.is_always, policy.max_bytes, policy.goes_by_asked_name) == (
        60,
        False,
        262_144,
        False,
    )


@pytest.mark.parametrize(
    ("old", "new", "is_the_same"),
    [
        ("priority: 2", "priority: 0", True),
        ("idle: 9", "idle: 8", True),
        ("input_per_million: 1", "input_per_million: 2", True),
        ("ttl: 60", "ttl: 61", True),
        ("model: llama-4", "model: llama-5", False),
        ("http://10.0.0.5", "http://10.0.0.6", False),
        ("physics", "chemistry", False),
        ("structured_output: tool", "structured_output: native", False),
        ("provider: openai, model: gpt-4.1-2025-04-14", "provider: lab, model: gpt-4.1-2025-04-14", False),
    ],
)
def test_what_changes_answers_changes_the_cache_s_version_and_nothing_else_does(
    old: str, new: str, is_the_same: bool
) -> None:
    def version(text: str, key: str) -> str:
        policy = compile_text(text, OPENAI_API_KEY=key).by_name["gpt-4.1"].cache
        assert policy is not None
        return policy.version

    assert old in CACHED
    assert (version(CACHED.replace(old, new), "another key") == version(CACHED, "key")) is is_the_same


def test_a_day_without_quotes_is_taken_as_it_is_written() -> None:
    text = """\
providers:
  - {name: azure, kind: azure, base_url: "https://x.openai.azure.com", options: {api_version: 2024-10-21}}
models:
  - name: m
    targets: [{provider: azure, model: d, price: {input_per_million: 1, valid_from: 2026-12-31}}]
"""
    (target,) = compile_text(text).models[0].targets
    assert target.provider.options["api_version"] == "2024-10-21"
    assert target.prices[0].valid_from == 1_798_675_200.0


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (
            "strategy: wieghted",
            "models[0].strategy: Invalid enum value 'wieghted' (one of: priority, weighted, least-busy, lowest-cost,",
        ),
        ("sticky: sometimes", "(one of: token, user, prompt_cache_key, prefix)"),
        ("hedge: {after: p99}", "(one of: p95)"),
        ("description: 5", "Expected `str | null`, got `int` (put it in quotes)"),
    ],
)
def test_an_error_says_what_there_is_to_choose_from(member: str, message: str) -> None:
    text = f"providers: [{{name: a, kind: local}}]\nmodels:\n- {{name: m, targets: [{{provider: a}}], {member}}}\n"
    assert message in refused(text)
