"""What a parser would take for XML is looked through, whatever it is called and however it is written."""

import codecs

import pytest
from tests.documents import docx, repacked, xlsx

from aqueduct.gateway.documents.package import check_package
from aqueduct.gateway.documents.text import Unreadable

ENTITY = '<!DOCTYPE a [<!ENTITY x "haha">]><a>&x;</a>'
SVG = '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.1//EN" "http://www.w3.org/Graphics/SVG/1.1/DTD/svg11.dtd"><svg/>'


def declared(encoding: str) -> str:
    return f'<?xml version="1.0" encoding="{encoding}"?>'


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("word/document.xml", ENTITY.encode()),
        ("word/document.bin", ENTITY.encode()),
        ("word/document", b" \r\n" + ENTITY.encode()),
        ("word/DOCUMENT.PNG", codecs.BOM_UTF8 + ENTITY.encode()),
        ("word/media/a.svg", ENTITY.encode()),
        ("word/document.dat", ENTITY.encode("utf-16")),
        ("word/document.dat", ENTITY.encode("utf-16-be")),
        ("word/document.dat", ENTITY.encode("utf-32")),
        ("word/document.dat", ENTITY.encode("utf-32-be")),
        ("word/document.dat", (declared("cp037") + ENTITY).encode("cp037")),
        ("word/document.dat", (declared("UTF-7") + "+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY x 'y'>]><a/>").encode()),
        ("word/document.dat", b"<?xml" + b" " * 2_000 + declared("UTF-7").encode()[5:] + b"<a/>"),
        ("word/document.dat", b" " * 2_000_000 + ENTITY.encode()),
    ],
    ids=range(13),
)
def test_a_document_type_is_found_in_whatever_part(name: str, content: bytes) -> None:
    with pytest.raises(Unreadable, match=r"document type|encoding"):
        check_package(repacked(docx("x"), {name: content}))


def test_what_real_packages_hold_is_let_through() -> None:
    pictures = {
        "word/media/a.svg": SVG.encode(),
        "word/media/b.png": b"\x89PNG<!DOCTYPE",
        "word/afchunk.htm": b"<!DOCTYPE html><p>x</p>",
        "word/empty.bin": b"",
        "word/printer.bin": "Lexmark".encode("utf-16-le"),
        "word/a.ico": b"\0\0\1\0",
    }
    check_package(repacked(docx("x"), pictures))
    parts = {f"customXml/{name}.xml": (declared(name) + "<a/>").encode(name) for name in ("utf-8", "utf-16", "ascii")}
    check_package(repacked(xlsx({"S": [["x"]]}), parts))
