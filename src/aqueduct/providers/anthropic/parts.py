"""The parts of a message's content as Anthropic's blocks: text, images, documents.

Source: Anthropic's API reference, `ImageBlockParam` and `DocumentBlockParam`.
"""

import base64
import binascii
import re
from typing import Any, NoReturn

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.base64_data import in_first_alphabet, is_base64, split_data_url
from aqueduct.wire.messages import ContentPart, FilePart, ImagePart, InputFile, RefusalPart, TextPart, part_text

IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
FILE_TYPES = frozenset({"application/pdf", "text/plain"})

_WEB_URL = re.compile(r"https?://\S+", re.IGNORECASE)
_PDF_START = "JVBERi"
"""What `%PDF-` is in base64: a document may come without its media type."""

CACHED = {"type": "ephemeral"}


def block_of(part: ContentPart, path: str) -> dict[str, Any] | None:
    """Return a part as a block, None for text that is empty (Anthropic refuses it); raise `InvalidRequest`."""
    if isinstance(part, ImagePart):
        return {"type": "image", "source": _image_source(_string(part.image_url.url), f"{path}.image_url.url")}
    if isinstance(part, FilePart):
        return _document(part.file, f"{path}.file")
    if isinstance(part, TextPart | RefusalPart):
        return text_block(part_text(part))
    raise InvalidRequest("This model takes text, images and documents only.", param=path)


def text_block(text: str) -> dict[str, Any] | None:
    """Return text as a block; None for nothing but space, which Anthropic refuses."""
    return {"type": "text", "text": text} if text.strip() else None


def _image_source(url: str, path: str) -> dict[str, Any]:
    if _WEB_URL.fullmatch(url):
        return {"type": "url", "url": url}
    media_type, data, is_encoded = split_data_url(url) or ("", "", False)
    if not is_encoded or not is_base64(in_first_alphabet(data)):
        _refuse("expected an address (http, https) or a `data:` URL in base64", path)
    media_type = media_type.replace("image/jpg", "image/jpeg")
    if media_type not in IMAGE_TYPES:
        _refuse(f"this model reads images of the types {', '.join(sorted(IMAGE_TYPES))}", path)
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(file: InputFile, path: str) -> dict[str, Any]:
    if file.file_id is not None:
        _refuse("this model's provider does not have the file; send it in 'file_data'", f"{path}.file_id")
    if isinstance(file.file_data, msgspec.UnsetType) or bytes(file.file_data) == b"null":
        _refuse("expected a file in 'file_data'", path)
    text = _string(file.file_data)
    media_type, data, is_encoded = split_data_url(text) or (_media_type(file.filename, text), text, True)
    if not is_encoded:
        _refuse("expected a `data:` URL in base64", f"{path}.file_data")
    block: dict[str, Any] = {"type": "document", "source": _document_source(media_type, data, f"{path}.file_data")}
    if file.filename:
        block["title"] = file.filename
    return block


def _media_type(filename: str | None, text: str) -> str:
    if text.startswith(_PDF_START):
        return "application/pdf"
    return "text/plain" if (filename or "").lower().endswith((".txt", ".md", ".csv", ".json")) else ""


def _document_source(media_type: str, data: str, path: str) -> dict[str, Any]:
    if media_type == "application/pdf":
        return {"type": "base64", "media_type": media_type, "data": data}
    if not media_type.startswith("text/"):
        _refuse("this model reads files of the types application/pdf and text/plain", path)
    try:
        text = base64.b64decode(data, validate=True).decode()
    except (binascii.Error, ValueError):
        _refuse("expected UTF-8 text in base64", path)
    return {"type": "text", "media_type": "text/plain", "data": text}


def _string(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _refuse(why: str, path: str) -> NoReturn:
    raise InvalidRequest(f"Invalid value for '{path}': {why}.", param=path)
