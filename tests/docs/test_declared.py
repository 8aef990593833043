"""The page of declared objects has every key that the file may have, and every event is on the page of webhooks."""

from pathlib import Path

import msgspec
import pytest
from tests.docs.pages import REFERENCE, ROOT, blocks, table_rows

from aqueduct.config import declared
from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.event import EventKind

PAGE = REFERENCE / "declared.md"


@pytest.mark.parametrize(
    ("heading", "node"),
    [
        ("organisations", declared.OrganisationNode),
        ("capture", CapturePolicy),
        ("users", declared.UserNode),
        ("teams", declared.TeamNode),
        ("members", declared.MemberNode),
        ("service accounts", declared.ServiceAccountNode),
        ("end users", declared.EndUserNode),
        ("model rules", declared.ModelRuleNode),
        ("limits", declared.LimitNode),
        ("budgets", declared.BudgetNode),
        ("webhooks", declared.WebhookNode),
    ],
)
def test_every_key_is_documented_with_what_its_absence_means(heading: str, node: type[msgspec.Struct]) -> None:
    documented = {row[0]: row[1] for row in table_rows(PAGE, heading)}
    fields = {field.name: field for field in msgspec.structs.fields(node)}
    assert set(documented) == set(fields)
    for name, field in fields.items():
        assert (documented[name] == "required") == field.required, name
        is_left_alone = field.default is msgspec.UNSET or name == "models"
        assert (documented[name] == "left alone") == is_left_alone, name


def test_the_file_of_the_page_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "aqueduct.yaml"
    path.write_text(blocks(PAGE, "yaml")[0])
    _, found = declared.read_declarations(path, {})
    assert [each.name for each in found.organisations or []] == ["research"]


def test_every_event_is_documented_and_no_other() -> None:
    documented = {row[0] for row in table_rows(ROOT / "docs" / "guides" / "webhooks.md", "Events")}
    assert documented == {kind.value for kind in EventKind}
