"""HTML, by the standard library's parser, which runs nothing and fetches nothing: what a page says, not its looks."""

import re
from html.parser import HTMLParser

from typing_extensions import override

from aqueduct.gateway.documents.charset import decode
from aqueduct.gateway.documents.text import TextBuilder

_HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "head"})
_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt", "fieldset",
    "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "li", "main",
    "nav", "ol", "p", "pre", "section", "summary", "table", "tr", "ul",
})  # fmt: skip
_HEADINGS = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_SPACES = re.compile(r"\s+")
_PIECE = 64 * 1024


def read(data: bytes, text: TextBuilder) -> None:
    """Add the title and the body."""
    page = _Page(text)
    source = decode(data, is_marked_up=True)
    for start in range(0, len(source), _PIECE):
        page.feed(source[start : start + _PIECE])
    page.close()
    page.end()


class _Page(HTMLParser):
    """Gathers the text of one block at a time, and adds it where the block ends."""

    def __init__(self, text: TextBuilder) -> None:
        super().__init__(convert_charrefs=True)
        self._text = text
        self._line: list[str] = []
        self._prefix = ""
        self._hidden: list[str] = []
        self._is_title = False
        self._is_preformatted = False

    def end(self) -> None:
        """Add what is left."""
        self._break()

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._is_title = True
        elif tag == "body" or (self._hidden == ["head"] and tag in _BLOCKS):
            self._hidden.clear()  # the end of the head may be left out, and the beginning of the body
        elif tag in _HIDDEN:
            self._hidden.append(tag)
        if tag in _BLOCKS:
            self._break()
            self._prefix = _HEADINGS.get(tag) or ("- " if tag == "li" else "")
        elif tag == "br":
            self._break()
        elif tag in ("td", "th") and self._line:
            self._line.append(" | ")
        if tag == "pre":
            self._is_preformatted = True

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag == "title" and self._is_title:
            self._is_title = False
            self._break()
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        if tag in _BLOCKS:
            self._break()
            if tag == "pre":
                self._is_preformatted = False
            elif tag in _HEADINGS or tag in ("p", "table"):
                self._text.add("\n")

    @override
    def handle_data(self, data: str) -> None:
        if self._is_title or not self._hidden:
            self._line.append(data)

    def _break(self) -> None:
        words = "".join(self._line)
        self._line.clear()
        words = words.strip("\n") if self._is_preformatted else _SPACES.sub(" ", words).strip()
        if words:
            self._text.add_line(self._prefix + words)
            self._prefix = ""
