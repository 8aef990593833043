"""ARCHITECTURE.md and the other pages name only what exists, and every room is named."""

import re
import tomllib
from pathlib import Path

import pytest
from tests.docs.pages import ROOT

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
PACKAGE = ROOT / "src" / "aqueduct"


def test_every_path_in_the_architecture_exists() -> None:
    paths = re.findall(r"`((?:src|tests|docs|bench|scripts)/[\w./-]*)`", ARCHITECTURE.read_text())
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_room_is_in_the_architecture() -> None:
    text = ARCHITECTURE.read_text()
    rooms = [path.parent for path in PACKAGE.glob("*/__init__.py")] + [
        path for path in PACKAGE.glob("*.py") if path.stem != "__init__"
    ]
    names = [f"src/aqueduct/{room.name}{'/' if room.is_dir() else ''}" for room in rooms]
    assert [name for name in names if f"`{name}`" not in text] == []


def test_the_architecture_shows_the_import_rules_that_are_enforced() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    shown = re.search(r"^    cli →[^\n]*\n[^\n]*$", ARCHITECTURE.read_text(), re.MULTILINE)
    assert shown is not None
    layers = [{room.strip() for room in layer.split("|")} for layer in shown[0].split("→")]
    enforced = [
        {room.strip().removeprefix("aqueduct.") for room in layer.split("|") if not room.strip().startswith("(")}
        for layer in contract["layers"]
    ]
    assert layers == enforced


def test_the_architecture_is_about_two_pages() -> None:
    assert len(ARCHITECTURE.read_text().splitlines()) <= 120


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []
