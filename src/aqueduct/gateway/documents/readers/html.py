"""HTML: what a page says, not its looks; nothing in it is run or fetched."""

import re
from collections import Counter

from aqueduct.gateway.documents.charset import decode
from aqueduct.gateway.documents.markup import Piece, read_pieces
from aqueduct.gateway.documents.text import TextBuilder

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "head"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main",
    "nav", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
})  # fmt: skip
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_SPACES = re.compile(r"\s+")
_PIECES_A_LOOK = 4096
"""So often the clock is looked at, for pages that say nothing."""


def read(data: bytes, text: TextBuilder) -> None:
    """Add the title and the body."""
    page = _Page(text)
    for number, (piece, value) in enumerate(read_pieces(decode(data, is_marked_up=True))):
        if number % _PIECES_A_LOOK == 0:
            text.add("")
        if piece is Piece.TEXT:
            page.say(value)
        elif piece is Piece.START:
            page.start(value)
        else:
            page.end(value)
    page.finish()


class _Page:
    """Gathers the text of one block at a time, and adds it where the block ends."""

    def __init__(self, text: TextBuilder) -> None:
        self._text = text
        self._line: list[str] = []
        self._prefix = ""
        self._hidden: list[str] = []
        self._hidden_by: Counter[str] = Counter()
        """How many of each are open: pages nest them by the million."""
        self._is_title = False
        self._is_preformatted = False

    def finish(self) -> None:
        """Add what is left."""
        self._break()

    def start(self, tag: str) -> None:
        """Take a tag that begins an element."""
        if tag == "title":
            self._is_title = True
        elif tag == "body" or (self._hidden == ["head"] and tag in _BLOCKS):
            # The end of the head may be left out, and the beginning of the body.
            self._hidden.clear()
            self._hidden_by.clear()
        elif tag in _HIDDEN:
            self._hidden.append(tag)
            self._hidden_by[tag] += 1
        if tag in _BLOCKS:
            self._break()
            self._prefix = _HEADINGS.get(tag) or ("- " if tag == "li" else "")
        elif tag == "br":
            self._break()
        elif tag in ("td", "th") and self._line:
            self._line.append(" | ")
        if tag == "pre":
            self._is_preformatted = True

    def end(self, tag: str) -> None:
        """Take a tag that ends an element."""
        if tag == "title" and self._is_title:
            self._is_title = False
            self._break()
        if self._hidden_by.get(tag):
            ended = ""
            while ended != tag:
                ended = self._hidden.pop()
                self._hidden_by[ended] -= 1
        if tag in _BLOCKS:
            self._break()
            if tag == "pre":
                self._is_preformatted = False
            elif tag in _HEADINGS or tag in ("p", "table"):
                self._text.add("\n")

    def say(self, words: str) -> None:
        """Take text."""
        if self._is_title or not self._hidden:
            self._line.append(words)

    def _break(self) -> None:
        words = "".join(self._line)
        self._line.clear()
        words = words.strip("\n") if self._is_preformatted else _SPACES.sub(" ", words).strip()
        if words:
            self._text.add_line(self._prefix + words)
            self._prefix = ""
