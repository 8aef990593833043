"""The parts of a message's content as Converse's blocks: text, images, documents, recordings.

Source: Bedrock's API reference, `ContentBlock`. Bytes are base64 in JSON; Bedrock fetches nothing by its address.
"""

import re
from collections.abc import Mapping
from typing import Any, NoReturn

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.anthropic.extras import PartExtras
from aqueduct.providers.base64_data import in_first_alphabet, is_base64, split_data_url
from aqueduct.wire.messages import (
    AudioPart,
    ContentPart,
    FilePart,
    ImagePart,
    InputAudio,
    InputFile,
    RefusalPart,
    TextPart,
    part_text,
)

Block = dict[str, Any]

IMAGE_FORMATS = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
DOCUMENT_FORMATS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
FILE_TYPES = frozenset(DOCUMENT_FORMATS)

_AUDIO_FORMATS = frozenset({"mp3", "wav", "flac", "opus", "aac"})
_SUFFIXES = {f".{suffix}": suffix for suffix in DOCUMENT_FORMATS.values()} | {".htm": "html"}
_PDF_START = "JVBERi"
"""What `%PDF-` is in base64: a document may come without its media type."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9\s()\[\]-]")
_LONGEST_NAME = 190


class DocumentNames:
    """Names of documents as Bedrock takes them: of few characters, no two the same."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def give(self, filename: str | None) -> str:
        """Return a document's name, without what tells its format."""
        stem = filename or ""
        for suffix in _SUFFIXES:
            stem = stem.removesuffix(suffix)
        clean = " ".join(_NOT_IN_NAMES.sub(" ", stem).split())[:_LONGEST_NAME].strip() or "document"
        name, number = clean, 1
        while name in self._taken:
            number += 1
            name = f"{clean} {number}"
        self._taken.add(name)
        return name


def block_of(part: ContentPart, extras: PartExtras, names: DocumentNames, path: str) -> Block | None:
    """Return a part as a block, None for text that is empty (Bedrock refuses it); raise `InvalidRequest`."""
    if isinstance(part, ImagePart):
        return {"image": _image(_string(part.image_url.url), f"{path}.image_url.url")}
    if isinstance(part, FilePart):
        document = _document(part.file, names, f"{path}.file")
        is_cited = isinstance(extras.citations, Mapping) and extras.citations.get("enabled") is True
        return {"document": {**document, "citations": {"enabled": True}} if is_cited else document}
    if isinstance(part, AudioPart):
        return {"audio": _audio(part.input_audio, f"{path}.input_audio")}
    if isinstance(part, TextPart | RefusalPart):
        return text_block(part_text(part))
    raise InvalidRequest("This model takes text, images, recordings and documents only.", param=path)


def text_block(text: str) -> Block | None:
    """Return text as a block; None for nothing but space, which Bedrock refuses."""
    return {"text": text} if text.strip() else None


def _image(url: str, path: str) -> Block:
    media_type, data, is_encoded = split_data_url(url) or ("", "", False)
    if not is_encoded:
        _refuse("expected a `data:` URL in base64", path)
    image_format = IMAGE_FORMATS.get(media_type.replace("image/jpg", "image/jpeg"))
    if image_format is None:
        _refuse(f"this model reads images of the types {', '.join(sorted(IMAGE_FORMATS))}", path)
    return {"format": image_format, "source": {"bytes": _base64(data, path)}}


def _document(file: InputFile, names: DocumentNames, path: str) -> Block:
    if file.file_id is not None:
        _refuse("this model's provider does not have the file; send it in 'file_data'", f"{path}.file_id")
    if isinstance(file.file_data, msgspec.UnsetType) or bytes(file.file_data) == b"null":
        _refuse("expected a file in 'file_data'", path)
    text = _string(file.file_data)
    media_type, data, is_encoded = split_data_url(text) or ("", text, True)
    if not is_encoded:
        _refuse("expected data in base64", f"{path}.file_data")
    document_format = DOCUMENT_FORMATS.get(media_type) or _format_of(file.filename, data, media_type)
    if document_format is None:
        _refuse(f"this model reads files of the formats {', '.join(sorted(DOCUMENT_FORMATS.values()))}", path)
    source = {"bytes": _base64(data, f"{path}.file_data")}
    return {"format": document_format, "name": names.give(file.filename), "source": source}


def _format_of(filename: str | None, data: str, media_type: str) -> str | None:
    """Return what a file's first bytes, its name or the sort of its type tell."""
    if data.startswith(_PDF_START):
        return "pdf"
    name = (filename or "").lower()
    found = next((known for suffix, known in _SUFFIXES.items() if name.endswith(suffix)), None)
    return found or ("txt" if media_type.startswith("text/") else None)


def _audio(audio: InputAudio, path: str) -> Block:
    if audio.format not in _AUDIO_FORMATS:
        _refuse(f"this provider takes recordings of the formats {', '.join(sorted(_AUDIO_FORMATS))}", f"{path}.format")
    return {"format": audio.format, "source": {"bytes": _base64(_string(audio.data), f"{path}.data")}}


def _base64(data: str, path: str) -> str:
    """Return base64 in its first alphabet and padded, which is all that Bedrock reads; at least one byte of it."""
    padded = in_first_alphabet(data)
    if not padded or not is_base64(padded):
        _refuse("expected data in base64", path)
    return padded


def _string(raw: msgspec.Raw) -> str:
    return msgspec.json.decode(raw, type=str)


def _refuse(why: str, path: str) -> NoReturn:
    raise InvalidRequest(f"Invalid value for '{path}': {why}.", param=path)
