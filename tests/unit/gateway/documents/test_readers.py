"""What a model is given of a document: everything that a person would read, in order."""

import json
import zipfile
from collections.abc import Sequence
from datetime import date

import pytest
from tests.documents import PNG, docx, pdf, pptx, repacked, xlsx

from aqueduct.gateway.documents import kinds
from aqueduct.gateway.documents.charset import decode
from aqueduct.gateway.documents.text import Full, TextBuilder
from aqueduct.gateway.documents.worker import (
    BUG,
    MAX_FILE_BYTES,
    NATIVE,
    TEXT,
    TOO_LARGE,
    UNREADABLE,
    UNSUPPORTED,
    answer,
)


def ask(data: bytes, name: str = "", declared: str = "", native: Sequence[str] = ()) -> tuple[int, str]:
    subject = {"name": name, "declared": declared, "native": list(native), "form": "bytes"}
    code, payload = answer(json.dumps(subject).encode(), data)
    return code, payload.decode()


def read(data: bytes, name: str = "", declared: str = "") -> str:
    code, words = ask(data, name, declared)
    assert code == TEXT, words
    return words.partition("\n")[2]


def test_a_pdf_is_read_page_by_page() -> None:
    assert read(pdf("Hello", "World")) == "[Page 1]\nHello\n\n[Page 2]\nWorld"


def test_a_pdf_without_text_says_so() -> None:
    assert "no text" in read(pdf(""))


def test_a_pdf_encrypted_without_a_password_is_read_and_one_with_a_password_is_not() -> None:
    assert "Hello" in read(pdf("Hello", password=""))
    code, words = ask(pdf("Hello", password="secret"))
    assert (code, "encrypted" in words) == (UNREADABLE, True)


def test_a_docx_is_read_in_order_with_headings_lists_and_tables() -> None:
    text = read(docx("First.", "Second.", table=[["a", "b|c"], ["", "two\nlines"]]))
    assert text.split("\n") == [
        "## The heading", "", "First.", "", "Second.", "", "- an item", "| a | b\\|c |", "|  | two lines |",
    ]  # fmt: skip


def test_an_xlsx_is_read_sheet_by_sheet() -> None:
    rows: list[list[object]] = [["name", "born", "share"], ["Ada", date(1815, 12, 10), 0.1], [], [None, True, 3]]
    text = read(xlsx({"People": rows, "Empty": []}))
    assert text.split("\n") == [
        "[Sheet People]", "| name | born | share |", "| Ada | 1815-12-10 | 0.1 |", "|  | TRUE | 3 |", "",
        "[Sheet Empty]",
    ]  # fmt: skip


def test_a_pptx_is_read_with_groups_and_notes() -> None:
    assert read(pptx("The title", "Say this")) == "[Slide 1]\nThe title\ndeep in groups\nNotes: Say this"


HTML = """<!doctype html><html><head><title>A page</title><style>p { color: red }</style></head>
<body><script>alert("no")</script><h2>Head</h2><p>One <b>two</b>
three &amp; four<br>five<ul><li>item<li>other</ul>
<table><tr><th>a<th>b<tr><td>1<td>2</table><pre>x
  y</pre><svg><text>no</text></svg></body></html>"""


def test_html_is_read_without_its_looks_and_scripts() -> None:
    text = read(HTML.encode())
    lines = [line for line in text.split("\n") if line]
    assert lines == [
        "A page", "## Head", "One two three & four", "five", "- item", "- other", "a | b", "1 | 2", "x", "  y",
    ]  # fmt: skip


def test_html_is_decoded_as_it_says() -> None:
    page = '<html><head><meta charset="windows-1251"><title>Привет</title></head><body>мир</body></html>'
    assert "Привет" in read(page.encode("cp1251"))
    assert "мир" in read(page.encode("utf-8"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_text_is_decoded_whatever_it_is_written_in(encoding: str) -> None:
    assert decode("naïve café; 1\n".encode(encoding)) == "naïve café; 1\n"


def test_a_codec_that_unpacks_is_never_used() -> None:
    page = b'<html><head><meta charset="zlib"></head><body>caf\xe9</body></html>'
    assert "café" in decode(page, is_marked_up=True)


def test_what_a_file_is_called_and_said_to_be_does_not_matter_where_it_says_so_itself() -> None:
    assert read(pdf("Hello"), "notes.txt", "text/plain") == "[Page 1]\nHello"
    assert kinds.media_type(docx("x"), "table.xlsx", kinds.XLSX) == kinds.DOCX
    assert kinds.media_type(b"a,b\n", "table.csv", "application/pdf") == "text/csv"
    assert kinds.media_type(b"# Head\n", "notes.md", "") == "text/markdown"
    assert kinds.media_type(PNG, "a.pdf", "application/pdf") == "image/png"
    assert kinds.media_type(b"\x00\x01", "a.wav", "") == "audio/wav"
    assert kinds.media_type(b"<html>", "page.py", "") == kinds.PLAIN


def test_a_type_that_the_target_reads_is_named_instead_of_read() -> None:
    assert ask(docx("x"), native=[kinds.DOCX, kinds.PDF]) == (NATIVE, kinds.DOCX)
    assert ask("é".encode(), native=[kinds.PLAIN]) == (NATIVE, kinds.PLAIN)


def test_text_that_is_not_utf_8_is_decoded_even_for_a_target_that_reads_text() -> None:
    assert ask("é".encode("cp1252"), native=[kinds.PLAIN]) == (TEXT, "text/plain;charset=other\né")


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"", "a.txt", UNREADABLE),
        (b"x" * (MAX_FILE_BYTES + 1), "a.txt", TOO_LARGE),
        (PNG, "a.png", UNSUPPORTED),
        (b"\x00\x01\x02\x03", "a.bin", UNSUPPORTED),
        (b"{\\rtf1 x}", "a.rtf", UNSUPPORTED),
        (b"PK\x03\x04 and no more", "a.docx", UNREADABLE),
        (pdf("x")[:200], "a.pdf", UNREADABLE),
        (b"%PDF-1.7\nrubbish", "a.pdf", UNREADABLE),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "a.docx", UNREADABLE),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100, "a.doc", UNSUPPORTED),
        (repacked(docx("x"), {"word/document.xml": b"<rubbish"}), "a.docx", UNREADABLE),
        (repacked(docx("x"), {}, zipfile.ZIP_BZIP2), "a.docx", UNREADABLE),
    ],
    ids=range(12),
)
def test_what_cannot_be_read_is_refused(data: bytes, name: str, code: int) -> None:
    assert ask(data, name)[0] == code


def test_data_comes_as_a_url_or_bare_in_either_alphabet() -> None:
    subject = {"name": "", "declared": "text/plain", "native": [], "form": "json"}
    for text in (
        "data:text/plain;base64,w7_DvsO_",
        "data:text/plain;charset=utf-8;base64,w7/DvsO/",
        "w7/DvsO/",
        "w7/D\nvsO/",
        "data:text/plain,%C3%BF%C3%BE%C3%BF",
    ):
        code, payload = answer(json.dumps(subject).encode(), json.dumps(text).encode())
        assert (code, payload.decode().partition("\n")[2]) == (TEXT, "ÿþÿ")
    code, payload = answer(json.dumps(subject).encode(), b'"no base64!"')
    assert (code, b"base64" in payload) == (UNREADABLE, True)


def test_a_text_that_is_cut_says_so() -> None:
    text = TextBuilder(max_characters=10)
    text.add("12345")
    with pytest.raises(Full):
        text.add("678901")
    assert text.build() == "1234567890\n[The document goes on: only its first 10 characters were taken.]"


def test_a_text_that_takes_too_long_ends_where_it_is() -> None:
    now = [0.0]
    text = TextBuilder(seconds=5.0, clock=lambda: now[0])
    text.add("a page")
    now[0] = 6.0
    with pytest.raises(Full):
        text.add(" and another")
    assert text.build().startswith("a page and another\n[The document goes on")


def test_a_bug_of_ours_is_not_laid_to_the_document() -> None:
    code, payload = answer(b"{}", b"words of the document")  # what is to be known of a file is missing
    assert code == BUG
    assert payload.endswith(b"KeyError")
    assert b"worker.py" in payload
    assert b"words" not in payload
