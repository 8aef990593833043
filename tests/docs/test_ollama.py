"""The page on providers says of Ollama's fields and options what the code does."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.providers.ollama.operation import POLICY
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def test_the_refused_fields_and_the_options_are_documented_and_no_other() -> None:
    rows = table_rows(PROVIDERS, "ollama")
    assert [row[:2] for row in rows if len(row) == 3] == [
        [name, value] for name, value in KINDS["ollama"].options.items()
    ]
    assert {row[0] for row in rows if len(row) == 1} == POLICY.refused.keys()
    assert f"`{KINDS['ollama'].default_base_url}`" in PROVIDERS.read_text()
