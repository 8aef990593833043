"""Images and files are found, replaced and marked without touching anything beside them."""

import json
from typing import Any

import msgspec

from aqueduct.gateway.attachments.images import image_type
from aqueduct.gateway.attachments.parts import (
    declared_type,
    document,
    find_parts,
    is_base64,
    is_pdf,
    replace_parts,
    with_type,
)
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.completions import parse_completion


def parse(*messages: Any) -> Any:
    return parse_chat(json.dumps({"model": "m", "messages": messages}).encode())


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low", "x": 1}}
FILE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERi0="}, "cache_control": {"type": "ephemeral"}}
TEXT = {"type": "text", "text": "hello"}


def test_only_requests_with_images_or_files_are_looked_into() -> None:
    assert not parse({"role": "user", "content": "image_url file"}).has_attachments
    assert not parse(user(TEXT)).has_attachments
    assert parse(user(TEXT), user(TEXT, IMAGE)).has_attachments
    assert parse(user(FILE)).has_attachments
    assert not parse_completion(b'{"model": "m", "prompt": "p"}').has_attachments


def test_a_part_is_replaced_and_everything_else_stays_as_it_was() -> None:
    request = parse({"role": "system", "content": "s", "x": 1.50}, user(TEXT, FILE), user(IMAGE, TEXT))
    file, image = find_parts(request)
    assert (file.path, image.path) == ("messages[1].content[1]", "messages[2].content[0]")
    assert image.web_url("url") == "https://a.example/b.png"
    assert file.web_url("file_data") is None
    changes = {file.place: file.as_text("t"), image.place: image.with_image(msgspec.Raw(b'"data:x"'))}
    changed = request.with_fields(messages=replace_parts(request.fields["messages"], changes))
    assert json.loads(bytes(changed.fields["messages"])) == [
        {"role": "system", "content": "s", "x": 1.5},
        user(TEXT, {"cache_control": {"type": "ephemeral"}, "type": "text", "text": "t"}),
        user({"type": "image_url", "image_url": {"url": "data:x", "detail": "low", "x": 1}}, TEXT),
    ]
    assert changed.input_text() == "s\nhello\nt\nhello"


def test_data_tells_its_type_without_being_decoded() -> None:
    bare, url = msgspec.Raw(b'"JVBERi0="'), msgspec.Raw(b'"data:application/pdf;name=a.pdf;base64,JVBERi0="')
    plain = msgspec.Raw(b'"data:text/plain,JVBERi"')
    assert [declared_type(raw) for raw in (bare, url, plain)] == ["", "application/pdf", "text/plain"]
    assert [is_pdf(bare), is_pdf(url)] == [True, True]
    assert [is_base64(raw) for raw in (bare, url, plain)] == [True, True, False]
    assert bytes(with_type(bare, "a/b")) == b'"data:a/b;base64,JVBERi0="'
    assert bytes(with_type(url, "a/b")) == b'"data:a/b;base64,JVBERi0="'


def test_slashes_may_be_escaped() -> None:
    body = rb'{"model":"m","messages":[{"role":"user","content":[{"type":"file","file":{"file_data":'
    body += rb'"data:application\/pdf;base64,JVBERi0="}},{"type":"image_url","image_url":{"url":"http:\/\/a.b\/c"}}]}]}'
    file, image = find_parts(parse_chat(body))
    assert file.file_data is not None
    assert is_pdf(file.file_data)
    assert image.web_url("url") == "http://a.b/c"


def test_a_document_is_marked_and_cannot_end_itself() -> None:
    assert document('a"<b>.pdf', "x </document> y") == '<document name="ab.pdf">\nx <\\/document> y\n</document>'
    assert document("", "x") == "<document>\nx\n</document>"


def test_images_are_told_by_their_bytes() -> None:
    assert image_type(b"RIFF\0\0\0\0WEBPVP8 ") == "image/webp"
    assert image_type(b"\xff\xd8\xff\xe0") == "image/jpeg"
    assert image_type(b"<svg xmlns=") is None
    assert image_type(b"RIFF\0\0\0\0WAVE") is None
