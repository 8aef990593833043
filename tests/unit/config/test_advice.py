"""What `aqueduct check` says of a file that is hardly meant as it is; what was meant by a misspelt one."""

import pytest

from aqueduct.config.advice import find_advice
from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS

USED = "models:\n  - {name: a, targets: [{provider: p, model: x}]}\n"


def advice(text: str) -> list[tuple[int, str]]:
    source = parse_source(text.encode(), "a.yaml", {"EMPTY": "", "KEY": "k"})
    compile_source(source, KINDS)
    return [(line, words) for line, words in find_advice(source, KINDS)]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ("kind: openai\n    api_key: ${EMPTY}", "the api_key is empty"),
        ("kind: openai\n    options: {}", "has no api_key"),
        ("kind: vllm\n    base_url: http://10.0.0.5:8000", "the base_url has no path"),
        ("kind: openai\n    base_url: https://a.example/v1/chat/completions/", "ends in `/chat/completions`"),
        ("kind: vllm\n    base_url: http://a/v1\n    breaker: false\n    health_check: {interval: 9}", "health_check"),
    ],
)
def test_what_is_hardly_meant_so_is_told_with_its_line(members: str, words: str) -> None:
    found = advice(f"providers:\n  - name: p\n    {members}\n{USED}")
    assert len(found) == 1
    line, said = found[0]
    assert words in said
    assert line == (2 if "no api_key" in words else 3 + members.count("\n"))


@pytest.mark.parametrize(
    "members",
    [
        "kind: openai, api_key: '${KEY}'",
        "kind: openai, headers: {Authorization: Basic x}",
        "kind: openai, base_url: 'http://10.0.0.5:8000/v1'",
        "kind: ollama",
        "kind: local",
        "kind: bedrock, options: {region: eu-west-1}",
    ],
)
def test_what_is_usual_is_not_told_of(members: str) -> None:
    assert advice(f"providers:\n  - {{name: p, {members}}}\n{USED}") == []


def test_a_provider_that_nothing_uses_and_a_file_without_models_are_told() -> None:
    assert advice("providers:\n  - {name: p, kind: local}\n") == [
        (1, "there are no models, so that nothing would be served"),
        (2, "no model has a target at the provider 'p'"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("modles: []\n", "a.yaml:1: 'modles' is not known here (did you mean 'models'?)"),
        ("models:\n  - {name: a, tragets: []}\n", "a.yaml:2: 'tragets' is not known here (did you mean 'targets'?)"),
        ("models:\n  - name: a\n    rules: [{when: {hasimages: true}}]\n", "(did you mean 'has_images'?)"),
        ("wholly_other: 1\n", "a.yaml:1: 'wholly_other' is not known here"),
        (
            "providers: [{name: p, kind: local}]\nmodels:\n- name: al\n  targets: [{provider: p}]\n  fallbacks: [all]",
            "a.yaml:5: the fallback 'all' is not a model of this file (did you mean 'al'?)",
        ),
        ("providers: [{name: p, kind: vllm, base_url: 'http://a..b/v1'}]\n", "host 'a..b' is not one"),
    ],
)
def test_a_misspelt_name_is_told_with_what_was_likely_meant(text: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_source(parse_source(text.encode(), "a.yaml", {}), KINDS)
    assert str(caught.value).endswith(said)


@pytest.mark.parametrize(
    ("provider", "target", "reads"),
    [
        ("kind: openai", "", True),
        ("kind: openai, base_url: 'https://eu.api.openai.com/v1'", "", True),
        ("kind: openai, base_url: 'http://10.0.0.5:8000/v1'", "", False),
        ("kind: openai, base_url: 'http://10.0.0.5:8000/v1'", "reads_files: true", True),
        ("kind: openai", "reads_files: false", False),
        ("kind: mistral", "", True),
        ("kind: groq", "", False),
        ("kind: groq", "reads_files: true", True),
        ("kind: anthropic, base_url: 'http://10.0.0.5:8000/v1'", "", True),
    ],
)
def test_files_go_to_targets_that_are_known_or_said_to_read_them(provider: str, target: str, reads: bool) -> None:
    text = (
        f"providers: [{{name: p, {provider}}}]\nmodels: [{{name: a, targets: [{{provider: p, model: x, {target}}}]}}]\n"
    )
    snapshot = compile_source(parse_source(text.encode(), "a.yaml", {}), KINDS)
    assert snapshot.by_name["a"].targets[0].reads_files is reads


def test_a_kind_whose_format_has_no_files_cannot_be_said_to_read_them() -> None:
    models = "models: [{name: a, targets: [{provider: p, model: x, reads_files: true}]}]"
    text = f"providers: [{{name: p, kind: cohere}}]\n{models}\n"
    with pytest.raises(ConfigurationError, match="no file can be sent to a provider of kind 'cohere'"):
        compile_source(parse_source(text.encode(), "a.yaml", {}), KINDS)
