"""The page of `sign_in` has every key that the file may have, and the files of the pages are accepted."""

from pathlib import Path

import msgspec
import pytest
from tests.docs.pages import REFERENCE, ROOT, blocks, table_rows

from aqueduct.config import sign_in
from aqueduct.config.compile import compile_source
from aqueduct.config.load import parse_source

PAGE = REFERENCE / "sign-in.md"
GUIDE = ROOT / "docs" / "guides" / "single-sign-on.md"


@pytest.mark.parametrize(
    ("heading", "node"),
    [
        ("sign-in", sign_in.SignInNode),
        ("issuers", sign_in.IssuerNode),
        ("claims", sign_in.ClaimNamesNode),
        ("sign-in rules", sign_in.ClaimRuleNode),
        ("sign-in when", sign_in.ClaimWhenNode),
    ],
)
def test_every_key_is_documented_and_no_other(heading: str, node: type[msgspec.Struct]) -> None:
    documented = {row[0]: row[1] for row in table_rows(PAGE, heading)}
    fields = {field.encode_name: field for field in msgspec.structs.fields(node)}
    assert set(documented) == set(fields)
    required = {name for name, field in fields.items() if field.required}
    assert {name for name, default in documented.items() if default == "required"} == required


@pytest.mark.parametrize("page", [PAGE, GUIDE], ids=lambda page: page.stem)
def test_the_file_of_the_page_is_accepted(page: Path) -> None:
    source = parse_source(blocks(page, "yaml")[0].encode(), "aqueduct.yaml", {"OIDC_SECRET": "s"})
    [issuer] = compile_source(source, {}).sign_in.issuers
    assert issuer.rules
