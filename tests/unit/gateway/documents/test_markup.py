"""HTML is cut into tags and text as browsers do it, in time that grows with its length whatever it holds."""

import time

import pytest

from aqueduct.gateway.documents.markup import Piece, read_pieces
from aqueduct.gateway.documents.worker import read


def pieces(source: str) -> str:
    """Tags in angle brackets, text as it is."""
    shown = {Piece.START: "<{}>", Piece.END: "</{}>", Piece.TEXT: "{}"}
    return "|".join(shown[piece].format(value) for piece, value in read_pieces(source))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a<b>c</b>d", "a|<b>|c|</b>|d"),
        ("<!DOCTYPE html><P class='a>b' x=\"<\" y=a/b>t &amp; u<br/>v", "<p>|t & u|<br>|</br>|v"),
        ("x < y <3 </ z> w", "x < y <3 | w"),
        ("<script>a='<p>&lt;';</Script >b", "<script>|a='<p>&lt;';|</script>|b"),
        ("<title>A &lt; <b></title>", "<title>|A < <b>|</title>"),
        ("<style/>x", "<style>|</style>|x"),
        ("<!-- c --><!--><!--->t<!-- x --!>u<![CDATA[x]]>v<?xml version='1.0'?>w", "t|u|v|w"),
        ("<script>no end", "<script>|no end"),
        ("a<p title='no end>b</p>", "a"),
        ("a<!-- no end", "a"),
        ("a<", "a<"),
    ],
    ids=range(11),
)
def test_a_page_is_read_as_browsers_read_it(source: str, expected: str) -> None:
    assert pieces(source).rstrip("|") == expected


HOSTILE = {
    "comments in a tag": b"<a " + b"<!-- " * 400_000,
    "comments": b"<!-- " * 400_000,
    "attributes": b"<a " + b'b=" ' * 500_000,
    "open tags": b"<a" * 1_000_000,
    "ends of scripts": b"<script>" + b"</scrip " * 250_000,
    "declarations": b"<![" * 700_000,
    "spaces": b"<a" + b" " * 2_000_000,
    "hidden elements": b"<svg>" * 60_000 + b"</math>" * 40_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_page_of_beginnings_without_ends_is_read_in_one_pass(data: bytes) -> None:
    started = time.process_time()
    assert read("text/html", data) == ""
    assert time.process_time() - started < 3.0
