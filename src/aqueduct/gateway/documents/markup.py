"""HTML cut into the names of its tags and its text, in one pass whatever it holds. Standard library only.

The standard library's own parser begins anew at each thing that does not end, which takes hours for ten megabytes of
beginnings. Here nothing is looked at twice: as browsers have it, what the file ends within is left out.
Source: WHATWG HTML, 13.2.5 (tokenization).
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from html import unescape


class Piece(Enum):
    """What a piece of HTML is."""

    START = "start"
    END = "end"
    TEXT = "text"


_LETTER = re.compile(r"[A-Za-z]")
_MARKUP = re.compile(r"<(?=[A-Za-z/!?])")
_TAG = re.compile(
    r"""</?(?P<name>[A-Za-z][^\s/>]*+)[^>=]*+(?:=\s*+(?:"[^"]*+"|'[^']*+'|(?!["']))[^>=]*+)*+>""",
)
"""A `>` in a quoted value does not end it."""
_COMMENT_END = re.compile(r"--!?>")
_EMPTY_COMMENT = re.compile(r"-?>")

_RAW = frozenset({"script", "style", "xmp", "iframe", "noembed", "noframes"})
"""Elements in which only their own end tag is markup, and no character is written as a reference."""
_ESCAPABLE = frozenset({"title", "textarea"})
"""The same, but for the references."""
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in (*_RAW, *_ESCAPABLE)}


def read_pieces(source: str) -> Iterator[tuple[Piece, str]]:
    """Yield tags by their names in lower case, and text; a tag that ends itself is a start and an end."""
    at = 0
    while (match := _MARKUP.search(source, at)) is not None:
        start = match.start()
        if start > at:
            yield Piece.TEXT, unescape(source[at:start])
        mark = source[start + 1]
        if mark in "!?":
            end = _comment_end(source, start + 1)
        elif mark == "/" and not _LETTER.match(source, start + 2):
            end = source.find(">", start + 2) + 1
        else:
            pieces, end = _read_tag(source, start)
            yield from pieces
        if not end:
            return
        at = end
    if at < len(source):
        yield Piece.TEXT, unescape(source[at:])


def _read_tag(source: str, at: int) -> tuple[Sequence[tuple[Piece, str]], int]:
    """Return a tag, with the text of an element that holds nothing else, and where it has ended; 0 where it has not."""
    tag = _TAG.match(source, at)
    if tag is None:
        return (), 0
    name, end = tag["name"].lower(), tag.end()
    if source[at + 1] == "/":
        return ((Piece.END, name),), end
    if source[end - 2] == "/":
        return ((Piece.START, name), (Piece.END, name)), end
    if name not in _RAW_ENDS:
        return ((Piece.START, name),), end
    text, end = _read_raw(source, name, end)
    return ((Piece.START, name), (Piece.TEXT, text)), end


def _read_raw(source: str, name: str, at: int) -> tuple[str, int]:
    """Return the text of an element that holds nothing else, and where it has ended."""
    match = _RAW_ENDS[name].search(source, at)
    end = len(source) if match is None else match.start()
    text = source[at:end]
    return (unescape(text) if name in _ESCAPABLE else text), end


def _comment_end(source: str, at: int) -> int:
    """Return where a comment, a declaration or an instruction has ended; 0 where it has no end."""
    if not source.startswith("!--", at):
        return source.find(">", at) + 1
    match = _EMPTY_COMMENT.match(source, at + 3) or _COMMENT_END.search(source, at + 3)
    return 0 if match is None else match.end()
