"""The page on providers says which fields and options go to LiteLLM's SDK; the guide's example is what is written."""

from tests.docs.pages import REFERENCE, ROOT, blocks, table_rows
from tests.unit.config.litellm_import.configs import SMALL_TEAM, imported

from aqueduct.config.litellm_import.rules import RULES
from aqueduct.providers.litellm import FIELDS, RESERVED_OPTIONS
from aqueduct.providers.registry import KINDS


def test_the_fields_that_travel_and_the_options_that_do_not_are_documented() -> None:
    documented = {row[0] for row in table_rows(REFERENCE / "providers.md", "litellm")}
    assert documented == FIELDS.translated | RESERVED_OPTIONS


def test_the_guides_example_of_a_note_is_what_is_written() -> None:
    (example,) = blocks(ROOT / "docs" / "guides" / "migrate-from-litellm.md", "yaml")
    lines = example.splitlines()
    written = imported(SMALL_TEAM).text
    assert [line for line in lines if line not in written.splitlines()] == []


def test_every_provider_that_is_known_becomes_one_of_a_kind_that_there_is() -> None:
    assert {rule.kind for rule in RULES.values()} <= KINDS.keys()
