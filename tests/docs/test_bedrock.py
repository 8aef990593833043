"""The page on providers says of Bedrock's models and fields what the code does."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.providers.bedrock.models import FAMILIES, Family
from aqueduct.providers.bedrock.request import POLICY
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def row(name: str, family: Family) -> list[str]:
    """Write a family as its row has it."""
    return [
        name,
        family.reasoning.value,
        ", ".join(sorted(family.choices)) or "-",
        *("yes" if value else "no" for value in (family.has_system, family.has_tools, family.has_schemas)),
        ", ".join(sorted(family.caches)) or "-",
        "yes" if family.prefills else "no",
    ]


def test_every_family_of_models_is_documented_as_it_is_and_no_other() -> None:
    assert table_rows(PROVIDERS, "Models on Bedrock") == [row(name, family) for name, family in FAMILIES.items()]


def test_the_refused_fields_and_the_options_are_documented_and_no_other() -> None:
    rows = table_rows(PROVIDERS, "bedrock")
    assert {row[0] for row in rows if len(row) == 1} == POLICY.refused.keys()
    kind = KINDS["bedrock"]
    named = {f"options.{name}" for name in kind.options} | {f"credentials.{name}" for name in kind.credentials}
    assert {row[0] for row in rows if row[0].startswith(("options.", "credentials."))} == named
