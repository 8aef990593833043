"""What the documentation says, in pieces that tests can compare with the code."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"


def runnable_blocks(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language that are marked `<!-- run -->`, in order."""
    return re.findall(rf"^<!-- run -->\n```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """Return every fenced block of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


def table_rows(page: Path, heading: str) -> list[list[str]]:
    """Return the cells of the rows of every table under a heading, header rows left out."""
    sections = re.split(r"^#+ ", page.read_text(), flags=re.MULTILINE)
    text = next(part for part in sections if part.startswith(f"{heading}\n"))
    bodies = re.findall(r"^\|[-| ]+\|\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [line.strip("|").split(" | ") for body in bodies for line in body.splitlines()]
    return [[cell.strip().strip("`") for cell in row] for row in rows]
