"""What a model takes is known by its name."""

import pytest

from aqueduct.providers.anthropic.models import FAMILIES, family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-haiku-4-5-20251001", "haiku-4-5"),
        ("claude-haiku-4-5", "haiku-4-5"),
        ("claude-opus-4-20250514", "opus-4"),
        ("claude-opus-4-1@20250805", "opus-4-1"),
        ("claude-3-5-sonnet-latest", "3-5"),
        ("claude-3-opus-20240229", "3"),
        ("claude-3.7-sonnet", "3-7"),
        ("claude-2.1", "2-1"),
        ("anthropic/claude-4.5-sonnet", "sonnet-4-5"),
        ("anthropic/claude-sonnet-4.5", "sonnet-4-5"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "sonnet-4-5"),
        ("anthropic.claude-opus-4-6-v1", "opus-4-6"),
        ("claude-opus-5", "opus-5"),
        ("claude-opus-5-5", "opus-5-5"),
        ("claude-mythos-preview", "mythos-preview"),
    ],
)
def test_a_name_tells_the_family(model: str, family: str) -> None:
    assert family_of(model) is FAMILIES[family]


@pytest.mark.parametrize("model", ["claude-opus-5-9", "claude-novel-7", "claude-opus-6-20270101"])
def test_a_claude_unknown_here_is_one_of_the_newest(model: str) -> None:
    assert family_of(model) is FAMILIES["opus-5-5"]


def test_another_makers_model_is_expected_to_know_the_oldest_only() -> None:
    family = family_of("kimi-k3")
    assert not family.has_schemas
    assert family.forces_tools
    assert family.efforts == ()
