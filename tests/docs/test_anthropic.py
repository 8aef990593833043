"""The page on providers says of Anthropic's models and fields what the code does."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.providers.anthropic.models import FAMILIES, Family
from aqueduct.providers.anthropic.operation import POLICY
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def row(name: str, family: Family) -> list[str]:
    """Write a family as its row has it."""
    off = {None: "nothing", "": "leaving it out"}.get(family.thinking_off, family.thinking_off or "")
    return [
        f"claude-{name}",
        f"{family.output_limit:,}",
        family.thinking.value,
        "-" if family.thinking.value == "none" else off,
        ", ".join(family.efforts) or "-",
        family.sampling.value,
        *("yes" if value else "no" for value in (family.forces_tools, family.prefills, family.has_schemas)),
    ]


def test_every_family_of_models_is_documented_as_it_is_and_no_other() -> None:
    assert table_rows(PROVIDERS, "Claude models") == [row(name, family) for name, family in FAMILIES.items()]


def test_the_refused_fields_and_the_options_are_documented_and_no_other() -> None:
    rows = table_rows(PROVIDERS, "anthropic")
    assert [row[:2] for row in rows if len(row) == 3] == [
        [name, value] for name, value in KINDS["anthropic"].options.items()
    ]
    assert {row[0] for row in rows if len(row) == 1} == POLICY.refused.keys()
