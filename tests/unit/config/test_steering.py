"""What a file says of rules, splits and mirrors: compiled, put in words, or refused with its line."""

import pytest

from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source
from aqueduct.domain.model import Model
from aqueduct.domain.snapshot import Snapshot
from aqueduct.domain.steering import Side
from aqueduct.domain.steering_words import list_routes
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import KINDS

FILE = """\
providers:
  - {{name: a, kind: openai}}
models:
  - name: chat
    targets:
      - {{provider: a, model: m, label: stable}}
      - {{provider: a, model: n, label: canary}}
    {}
  - {{name: vision, aliases: [eyes], targets: [{{provider: a, model: v}}]}}
  - {{name: ruled, targets: [{{provider: a, model: r}}], rules: [{{model: vision}}]}}
  - {{name: circle, targets: [{{provider: a, model: c}}], rules: [{{when: {{stream: true}}, model: chat}}]}}
  - {{name: shadow, hidden: true, targets: [{{provider: a, model: s}}]}}
"""
LINE = 8


def compile_text(lines: str) -> Snapshot:
    return compile_source(parse_source(FILE.format(lines).encode(), "aqueduct.yaml", {}), KINDS)


def model_of(lines: str) -> Model:
    return compile_text(lines).by_name["chat"]


def test_a_hidden_model_is_known_to_the_config_alone() -> None:
    snapshot = compile_text("fallbacks: [shadow]")
    assert "shadow" not in snapshot.by_name
    assert snapshot.find("shadow") is snapshot.hidden["shadow"]
    assert snapshot.find("shadow") in snapshot.models


def test_what_steers_nothing_costs_nothing() -> None:
    assert not model_of("mirror: {model: shadow, share: 1}").routing.is_steered
    assert model_of("mirror: {model: shadow, share: 1}").routing.takes_first
    assert model_of("rules: [{model: vision}]").routing.is_steered
    assert model_of("split: {stable: 100}").routing.is_steered


def test_a_split_names_labels_first_and_models_otherwise() -> None:
    split = model_of("split: {stable: 94.5, canary: 5, eyes: 0.5}").routing.split
    assert split is not None
    assert split.sides == (Side("stable", 94.5), Side("canary", 5), Side("eyes", 0.5, is_model=True))


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ("rules: [{when: {has_images: true, stream: false}, model: eyes}]", "rule 1: with images, not streamed"),
        ("rules: [{name: long, when: {longer_than: 9}, model: vision}]", "long: longer than 9 tokens"),
        ("rules: [{when: {headers: {X-Tier: [a, b]}}, targets: [canary]}]", "rule 1: header x-tier a or b"),
        ("rules: [{when: {metadata: {k: {matches: 'v.*'}}}, targets: [a/n]}]", "rule 1: metadata k matching v.*"),
        ("rules: [{when: {not: {team: ops}}, model: vision}]", "rule 1: not (team ops)"),
        ("rules: [{when: {any: [{n_at_least: 2}, {end_user: false}]}, model: vision}]",
         "rule 1: (with 2 choices or more) or (end user not given)"),
        ("rules: [{when: {percentage: {value: 5, by: {header: X-Id}}}, model: vision}]", "rule 1: 5 %, by header x-id"),
        ("split: {stable: 95, canary: 5}", "95 %, by token"),
        ("mirror: {model: shadow, share: 0.125}", "a copy of 12.5 %, at most 10 at once"),
        ("mirror: {target: canary, share: 1}", "a copy of 100 %, at most 10 at once"),
        ("split: {stable: 95, canary: 5}\n    split_by: end_user", "95 %, by end user"),
        ("split: {stable: 95, canary: 5}\n    split_by: user", "95 %, by end user"),  # as it was called once
    ],
)  # fmt: skip
def test_what_was_written_is_told_in_plain_words(lines: str, words: str) -> None:
    assert words in [route.requests for route in list_routes(model_of(lines))]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("rules: [{model: nobody}]", "'nobody' is not a model of this file"),
        ("rules: [{when: {stream: true}}]", "a rule names either a model or targets"),
        ("rules: [{model: vision, targets: [canary]}]", "a rule names either a model or targets"),
        ("rules: [{targets: [blue]}]", "has the label or name 'blue' (known: a/m, a/n, canary, stable)"),
        ("rules: [{model: vision}, {model: shadow}]", "is never reached: 'rule 1' before it takes every request"),
        ("rules: [{when: {has_image: true}, model: vision}]", "'has_image' is not known here"),
        ("rules: [{when: {headers: {Authorization: x}}, model: vision}]", "the header 'Authorization' cannot be"),
        ("rules: [{when: {headers: {x: {matches: '('}}}, model: vision}]", "is not a regular expression"),
        ("rules: [{when: {longer_than: 9, shorter_than: 10}, model: vision}]", "nothing is longer than 9 and"),
        ("rules: [{when: {not: {}}, model: vision}]", "holds of every request"),
        ("rules: [{when: {team: []}, model: vision}]", "an empty list never holds"),
        ("rules: [{when: {percentage: 101}, model: vision}]", "<= 100"),
        ("rules: [{model: chat}]", "'chat' leads back to 'chat'"),
        ("rules: [{model: circle}]", "'circle' leads back to 'chat'"),
        ("split: {stable: 95, canary: 6}", "the percentages make 101, not 100"),
        ("split: {stable: 95, blue: 5}", "'blue' is not a model of this file; labels of its targets: canary, stable"),
        ("split: {stable: 95, ruled: 5}", "'ruled' has rules or a split of its own"),
        ("split_by: colour", "Invalid enum value 'colour'"),
        ("mirror: {model: chat, share: 0.1}", "a model cannot be its own shadow"),
        ("mirror: {model: nobody, share: 0.1}", "'nobody' is not a model of this file"),
        ("mirror: {model: shadow, share: 0}", "> 0.0"),
        ("mirror: {share: 0.1}", "a mirror names either a model or a target"),
        ("mirror: {target: blue, share: 0.1}", "has the label or name 'blue' (known: a/m, a/n, canary, stable)"),
    ],
)
def test_what_cannot_be_is_refused_with_its_line(lines: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        compile_text(lines)
    assert str(caught.value).startswith(f"aqueduct.yaml:{LINE}: ")
    assert message in str(caught.value)
