"""Images, recordings and files of a message as Gemini's data: whole in the request, or at an address Google knows.

Other addresses are fetched by the gateway, which puts the data in their place before an adapter sees them.
"""

import base64
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from aqueduct.errors import InvalidRequest
from aqueduct.providers.base64_data import is_base64, without_spaces

FILE_TYPES = frozenset(
    {"application/pdf", "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"}
    | {"audio/wav", "audio/mp3", "audio/mpeg", "audio/aiff", "audio/aac", "audio/ogg", "audio/flac"}
    | {"video/mp4", "video/mpeg", "video/quicktime", "video/webm", "video/3gpp"}
)
"""The media types that Gemini reads beside text (the pages on documents, images, audio and video)."""

KNOWN_FILE = re.compile(r"gs://.+|https://generativelanguage\.googleapis\.com/[^?#]*files/[^?#]+")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)
_HEAD_CHARACTERS = 512
_SUFFIX = re.compile(r"\.([A-Za-z0-9]{1,5})$")
_TYPE_BY_SUFFIX = {
    "pdf": "application/pdf",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "wav": "audio/wav",
    "mp3": "audio/mp3",
    "aiff": "audio/aiff",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "mp4": "video/mp4",
    "mpeg": "video/mpeg",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "3gp": "video/3gpp",
}
_FORMAT = re.compile(r"[a-z0-9]{1,20}")


def read_media(part: dict[str, Any], path: str) -> dict[str, Any]:
    """Return a part that is no text; raise `InvalidRequest` naming what cannot be carried."""
    kind = part["type"]
    if kind == "image_url":
        return _by_url(part["image_url"]["url"], f"{path}.image_url.url", "image/jpeg")
    if kind == "input_audio":
        return _recording(part["input_audio"], f"{path}.input_audio")
    if kind == "file":
        return _file(part["file"], f"{path}.file")
    raise InvalidRequest(f"This model takes no content of the type '{kind}'.", param=f"{path}.type")


def _by_url(url: str, path: str, default_type: str) -> dict[str, Any]:
    if KNOWN_FILE.fullmatch(url):
        return {"fileData": {"mimeType": _guessed(url, default_type), "fileUri": url}}
    match = _DATA_URL.match(url[:_HEAD_CHARACTERS])
    if match is None:
        raise InvalidRequest("This model takes data URLs and Google's own addresses only.", param=path)
    data = url[match.end() :]
    if match[3] is None:
        data = base64.b64encode(unquote_to_bytes(data)).decode()
    return _inline((match[1] or default_type).lower(), data, path)


def _recording(audio: dict[str, Any], path: str) -> dict[str, Any]:
    if not _FORMAT.fullmatch(audio["format"]):
        raise InvalidRequest("There is no such format.", param=f"{path}.format")
    return _inline(f"audio/{audio['format']}", audio["data"], f"{path}.data")


def _file(file: dict[str, Any], path: str) -> dict[str, Any]:
    guessed = _guessed(file.get("filename") or "", "application/pdf")
    data = file.get("file_data")
    if data is not None:
        inline = (
            _by_url(data, f"{path}.file_data", guessed)
            if ":" in data[:_HEAD_CHARACTERS]
            else _inline(guessed, data, path)
        )
        media_type = next(iter(inline.values()))["mimeType"]
        if media_type not in FILE_TYPES:
            raise InvalidRequest(f"This model does not read files of the type {media_type}.", param=f"{path}.file_data")
        return inline
    file_id = file.get("file_id") or ""
    if not KNOWN_FILE.fullmatch(file_id):
        raise InvalidRequest("Only files at Google's own addresses can be named by an id.", param=f"{path}.file_id")
    return _by_url(file_id, f"{path}.file_id", guessed)


def _guessed(name: str, default_type: str) -> str:
    """Return the media type that a name ends in."""
    suffix = _SUFFIX.search(name)
    return default_type if suffix is None else _TYPE_BY_SUFFIX.get(suffix[1].lower(), default_type)


def _inline(media_type: str, data: str, path: str) -> dict[str, Any]:
    data = without_spaces(data)
    if not is_base64(data):
        raise InvalidRequest("The data is not base64.", param=path)
    return {"inlineData": {"mimeType": media_type, "data": data}}
