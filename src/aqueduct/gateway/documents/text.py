"""What is read of a document, as it grows, within limits of length and time. Standard library only."""

import time
from collections.abc import Callable, Iterable

MAX_CHARACTERS = 1_000_000
"""A quarter of a million tokens or so: more than nearly every model reads."""

READING_SECONDS = 15.0
"""After so long what was read so far is what there is; well below the deadline at which the process is killed."""


class Unreadable(Exception):
    """The document cannot be read; the message is a sentence that says why."""


class Full(Exception):
    """No more is taken of the document: what there is already is handed on."""


class TextBuilder:
    """Takes text until there is enough, and says in the text itself where it was cut."""

    def __init__(
        self,
        max_characters: int = MAX_CHARACTERS,
        seconds: float = READING_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pieces: list[str] = []
        self._left = self._max_characters = max_characters
        self._clock = clock
        self._ends_at = clock() + seconds
        self._note = ""

    def add(self, text: str) -> None:
        """Add text; raise `Full` once there is enough of it, or the time is up."""
        if len(text) > self._left:
            self._pieces.append(text[: self._left])
            self._left = 0
            self._note = f"[The document goes on: only its first {self._max_characters} characters were taken.]"
            raise Full
        self._pieces.append(text)
        self._left -= len(text)
        if self._clock() > self._ends_at:
            self._note = "[The document goes on: it takes too long to read the rest.]"
            raise Full

    def add_line(self, line: str) -> None:
        """Add a line."""
        self.add(f"{line}\n")

    def add_row(self, cells: Iterable[str]) -> None:
        """Add a row of a table, its cells parted by bars, none of which breaks the row."""
        texts = [" ".join(cell.split()).replace("|", "\\|") for cell in cells]
        while texts and not texts[-1]:
            texts.pop()
        if texts:
            self.add_line(f"| {' | '.join(texts)} |")

    def build(self) -> str:
        """Return the text; what no JSON or model can carry is replaced."""
        text = "".join(self._pieces).replace("\0", "").encode("utf-8", "replace").decode().strip()
        return f"{text}\n{self._note}" if self._note else text
