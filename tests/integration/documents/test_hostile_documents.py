"""Documents made to eat memory or time, or to reach out, against real workers."""

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from pypdf import PdfWriter
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject
from tests.documents import add_page, docx, pdf, pptx, repacked, written, xlsx
from tests.integration.schema.conftest import watched_loop

from aqueduct.errors import InvalidRequest
from aqueduct.gateway.documents.extraction import DocumentReader, File, Native
from aqueduct.gateway.documents.kinds import PDF

MAX_STALL_SECONDS = 0.5
ENTITIES = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "haha">'
    + b"".join(b'<!ENTITY %c "%b">' % (98 + i, b"&%c;" % (97 + i) * 10) for i in range(12))
    + b"]><a>&m;</a>"
)
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reader() -> AsyncIterator[DocumentReader]:
    reader = DocumentReader(deadline_seconds=10)
    yield reader
    await reader.close()


def file(data: bytes, name: str = "") -> File:
    return File(name=name, declared="", content=data, is_json=False)


async def read(reader: DocumentReader, data: bytes) -> str:
    text = await reader.read(file(data), frozenset(), "messages[0].content[0].file", "caller")
    assert isinstance(text, str)
    return text


async def read_or_refusal(reader: DocumentReader, data: bytes) -> str | InvalidRequest:
    try:
        return await read(reader, data)
    except InvalidRequest as refusal:
        return refusal


def bomb_in(document: bytes, name: str) -> bytes:
    return repacked(document, {name: b"<x>" + b" " * (40 * 1024 * 1024) + b"</x>"})


def lying_package() -> bytes:
    """A member that says it is small and is not."""
    content = b" " * 20_000_000
    data = bytearray(repacked(docx("x"), {"word/document.xml": content}))
    size = len(content).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (1000).to_bytes(4, "little")
    return bytes(data)


def packed_pdf() -> bytes:
    """A page whose commands unpack to 100 MB."""
    writer = PdfWriter()
    add_page(writer, b"BT (x) Tj ET " * 100, is_packed=True)
    small = zlib.compress(b"BT (x) Tj ET " * 100)
    large = zlib.compress(b" " * (100 * 1024 * 1024))
    return written(writer).replace(b"/Length %d" % len(small), b"/Length %d" % len(large)).replace(small, large)


def tree(writer: PdfWriter) -> DictionaryObject:
    pages = writer._root_object["/Pages"]
    assert isinstance(pages, DictionaryObject)
    return pages


def kids(pages: DictionaryObject) -> ArrayObject:
    found = pages["/Kids"]
    assert isinstance(found, ArrayObject)
    return found


def looping_pdf() -> bytes:
    """A tree of pages that holds itself."""
    writer = PdfWriter()
    add_page(writer, b"BT (x) Tj ET")
    pages = tree(writer)
    pages[NameObject("/Kids")] = ArrayObject([writer._pages, *kids(pages)])
    return written(writer)


def nested_pdf() -> bytes:
    """A value nested deeper than any stack."""
    return pdf("x").replace(b"/Count 1", b"/Count 1 /X " + b"[" * 200_000 + b"]" * 200_000)


def endless_pdf() -> bytes:
    """More pages than can be read in time, all of them one."""
    writer = PdfWriter()
    add_page(writer, b"BT /F1 12 Tf " + b"(word) Tj T* " * 30_000 + b"ET")
    pages = tree(writer)
    pages[NameObject("/Kids")] = ArrayObject([kids(pages)[0]] * 5_000)
    pages[NameObject("/Count")] = NumberObject(5_000)
    return written(writer)


HOSTILE: list[tuple[str, Callable[[], bytes]]] = [
    ("zip bomb in a docx", lambda: bomb_in(docx("x"), "word/document.xml")),
    ("zip bomb in an unused part", lambda: bomb_in(pptx("x", "y"), "ppt/media/x.xml")),
    ("a package that lies about its size", lying_package),
    ("entities that unfold, docx", lambda: repacked(docx("x"), {"word/document.xml": ENTITIES})),
    ("entities that unfold, xlsx", lambda: repacked(xlsx({"S": []}), {"xl/sharedStrings.xml": ENTITIES})),
    ("entities that unfold, in UTF-16", lambda: repacked(
        docx("x"), {"word/styles.xml": ENTITIES.decode().encode("utf-16")})),
    ("an entity from a file", lambda: repacked(docx("x"), {"word/document.xml": OUTSIDE})),
    ("a packed pdf", packed_pdf),
    ("a pdf whose pages hold themselves", looping_pdf),
    ("a pdf nested too deep", nested_pdf),
    ("html nested too deep", lambda: b"<html>" + b"<div>" * 200_000 + b"x"),
    ("html of beginnings without ends", lambda: b"<html><a " + b"<!-- " * 2_000_000),
    ("xml nested too deep", lambda: repacked(docx("x"), {"word/document.xml": b"<a>" * 500_000})),
]  # fmt: skip


@pytest.mark.parametrize("make", [case[1] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
async def test_a_hostile_document_is_refused_or_read_while_the_event_loop_runs_on(
    make: Callable[[], bytes], reader: DocumentReader
) -> None:
    document = await asyncio.to_thread(make)
    async with watched_loop() as stalls:
        outcome = await read_or_refusal(reader, document)
    if isinstance(outcome, InvalidRequest):
        assert (outcome.code, outcome.param) == ("file_unreadable", "messages[0].content[0].file")
    else:
        assert "root:" not in outcome
        assert "haha" not in outcome
        assert len(outcome) < 1_100_000
    assert stalls.longest_seconds < MAX_STALL_SECONDS
    assert await read(reader, b"the next one") == "the next one"


async def test_a_document_that_takes_too_long_is_given_up_with_its_worker() -> None:
    reader = DocumentReader(deadline_seconds=1.0)
    try:
        assert await read(reader, b"the first one") == "the first one"
        (before,) = reader.worker_pids
        endless = await asyncio.to_thread(endless_pdf)
        started = time.perf_counter()
        with pytest.raises(InvalidRequest, match="limits of time and memory"):
            await read(reader, endless)
        assert time.perf_counter() - started < 3.0
        assert await read(reader, b"the next one") == "the next one"
        assert before not in reader.worker_pids
        started = time.perf_counter()
        pids = reader.worker_pids
        with pytest.raises(InvalidRequest, match="limits of time and memory"):
            await read(reader, endless)
        assert time.perf_counter() - started < 0.5
        assert reader.worker_pids == pids  # nobody was asked again
    finally:
        await reader.close()


async def test_documents_are_read_side_by_side(reader: DocumentReader) -> None:
    texts = await asyncio.gather(*(read(reader, pdf(f"number {number}")) for number in range(6)))
    assert [f"number {number}" in text for number, text in enumerate(texts)] == [True] * 6
    assert len(reader.worker_pids) == 2


async def test_a_document_is_read_once_however_often_it_comes() -> None:
    reader = DocumentReader()
    first = pdf("The first")
    try:
        assert await read(reader, first) == "[Page 1]\nThe first"
    finally:
        await reader.close()  # whoever asks a worker from now on would not be answered
    assert await read(reader, first) == "[Page 1]\nThe first"
    assert await reader.read(file(first), frozenset({PDF}), "x", "caller") == Native(PDF)


async def test_a_whole_book_is_cut_where_it_says(reader: DocumentReader) -> None:
    text = await read(reader, b"word " * 300_000)
    assert text.endswith("[The document goes on: only its first 1000000 characters were taken.]")
    assert len(text) < 1_000_200
