"""The page on providers says of Gemini's models and fields what the code does."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.providers.gemini.families import EFFORTS, FAMILIES, Family
from aqueduct.providers.gemini.request import POLICY
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def row(name: str, family: Family) -> list[str]:
    """Write a family as its row has it."""
    efforts = ["-" if family.thinking is None else f"{next(iter(family.thinking[each].values()))}" for each in EFFORTS]
    schemas = "JSON Schema" if family.has_json_schema else "OpenAPI"
    return [name, *efforts, schemas, "yes" if family.has_json_beside_tools else "no"]


def test_every_family_of_models_is_documented_as_it_is_and_no_other() -> None:
    assert table_rows(PROVIDERS, "Gemini models") == [row(name, family) for name, (_, family) in FAMILIES.items()]


def test_the_refused_fields_and_the_options_are_documented_and_no_other() -> None:
    assert {row[0] for row in table_rows(PROVIDERS, "gemini") if len(row) == 1} == POLICY.refused.keys()
    kind = KINDS["vertex"]
    named = {f"options.{name}" for name in kind.options} | {f"credentials.{name}" for name in kind.credentials}
    assert {row[0] for row in table_rows(PROVIDERS, "vertex")} == named | {"base_url"}
