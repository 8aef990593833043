"""The page on structured output is the one that the code writes."""

from scripts.structured_output import PAGE, page, rows

from aqueduct.providers.registry import KINDS


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == page(), "run scripts/structured_output.py"


def test_every_kind_has_a_row() -> None:
    assert {row[0].strip("`") for row in rows()} == KINDS.keys()
