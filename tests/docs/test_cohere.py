"""The page on providers says of Cohere's fields what the code does."""

from tests.docs.pages import REFERENCE, table_rows

from aqueduct.providers.cohere.operation import POLICY
from aqueduct.providers.cohere.options import OWN_FIELDS
from aqueduct.providers.registry import KINDS

PROVIDERS = REFERENCE / "providers.md"


def test_the_refused_fields_are_documented_and_no_other() -> None:
    assert {row[0] for row in table_rows(PROVIDERS, "cohere") if len(row) == 1} == POLICY.refused.keys()


def test_the_address_and_cohere_s_own_members_are_documented() -> None:
    text = PROVIDERS.read_text()
    assert f"`{KINDS['cohere'].default_base_url}`" in text
    assert all(f"`{name}`" in text for name in OWN_FIELDS)
