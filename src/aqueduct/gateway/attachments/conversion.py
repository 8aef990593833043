"""One image or file made into what a target takes, or left as it is."""

import asyncio
import binascii
from typing import Any, NamedTuple

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.gateway.attachments.fetching import Fetched, NotAllowed, NotFetched, TooLarge, UrlFetcher
from aqueduct.gateway.attachments.images import IMAGE_TYPES, image_type
from aqueduct.gateway.attachments.parts import (
    LEFT_OUT,
    Part,
    declared_type,
    document,
    is_base64,
    is_pdf,
    with_type,
)
from aqueduct.gateway.attachments.room import Holding, Portion
from aqueduct.gateway.documents.extraction import DocumentReader, File, Native, too_large
from aqueduct.gateway.documents.kinds import PDF, guess
from aqueduct.gateway.documents.worker import MAX_FILE_BYTES
from aqueduct.providers.gemini.media import KNOWN_FILE

MAX_BYTES = 32 * 1024 * 1024
"""How much the gateway fetches and reads for one request."""

MAX_TEXT_CHARACTERS = 16_000_000
"""How much text the documents of one request may come to: small files can unpack to much."""

MAX_FETCHES = 20
_FETCHES_AT_ONCE = 4
_PIECE_BYTES = 768 * 1024
"""So much is encoded in one go, about half a millisecond; a multiple of three, so that the pieces join."""

_HELD_A_BYTE = 4
"""What a fetched byte takes: itself, and its base64 among the messages and in an upstream's body."""

_HELD_A_CHARACTER = 4
"""The same of a document's text."""

_MEDIA = ("image/", "audio/", "video/")


class Needs(NamedTuple):
    """What a target needs: see `providers/base.py`, and `reads_images` and `reads_files` of a target."""

    fetches_urls: bool
    file_types: frozenset[str]
    reads_images: bool
    drops_images: bool


class Converter:
    """Converts the parts of one request, and counts what that takes."""

    def __init__(self, fetcher: UrlFetcher, reader: DocumentReader, holding: Holding, caller: str) -> None:
        self._fetcher = fetcher
        self._reader = reader
        self._holding = holding
        self._caller = caller
        self._fetching: dict[str, asyncio.Lock] = {}
        self._fetched: dict[str, Fetched | NotAllowed | NotFetched | TooLarge] = {}
        self._turns = asyncio.Semaphore(_FETCHES_AT_ONCE)
        self._counted: set[object] = set()
        self._bytes = 0
        self._characters = 0

    async def convert(self, part: Part, needs: Needs) -> dict[str, Any] | None:
        """Return the part to put in the place of this one, None to leave it; raise `InvalidRequest` naming it."""
        return await (self._image(part, needs) if part.is_image else self._file(part, needs))

    async def _image(self, part: Part, needs: Needs) -> dict[str, Any] | None:
        if not needs.reads_images:
            if needs.drops_images:
                return part.as_text(LEFT_OUT)
            raise InvalidRequest("This model takes no images.", param=part.path)
        url = part.web_url("url")
        path = f"{part.path}.image_url.url"
        if url is None:
            if not needs.fetches_urls and not _is_data(part.inner["url"]) and not KNOWN_FILE.fullmatch(_text(part)):
                why = "expected an address (http, https) or a `data:` URL"
                raise InvalidRequest(f"Invalid value for '{path}': {why}.", param=path, code="invalid_image_url")
            return None
        if needs.fetches_urls or KNOWN_FILE.fullmatch(url):
            return None
        fetched = await self._fetch(url, path, "invalid_image_url")
        media_type = image_type(fetched.data)
        if media_type is None:
            message = f"What is at the image's address is none of the types {', '.join(IMAGE_TYPES)}."
            raise InvalidRequest(message, param=path, code="invalid_image_url")
        return part.with_image(await _data_url(media_type, fetched.data))

    async def _file(self, part: Part, needs: Needs) -> dict[str, Any] | None:
        name = part.text("filename") or ""
        path = f"{part.path}.file"
        for member in ("file_url", "file_data", "file_id"):
            url = part.web_url(member)
            if url is not None:
                return await self._linked(part, name, url, f"{path}.{member}", needs)
        raw = part.file_data
        if raw is None:
            if part.text("file_id") is not None:
                return None  # only the target knows whether it has the file
            message = f"Missing required parameter: '{path}.file_data'."
            raise InvalidRequest(message, param=f"{path}.file_data", code="missing_required_parameter")
        declared = declared_type(raw)
        native = needs.file_types if is_base64(raw) else frozenset[str]()
        said = guess(name, declared)
        if said in native and said.startswith(_MEDIA):
            return None
        if PDF in native and is_pdf(raw):
            return self._native(part, name, raw, PDF)
        file = File(name=name, declared=declared, content=memoryview(raw), is_json=True)
        self._count(part.place, file.least_bytes, path)
        read = await self._read(part.place, file, native, path)
        if isinstance(read, Native):
            return self._native(part, name, raw, read.media_type)
        return part.as_text(document(name, read))

    async def _linked(self, part: Part, name: str, url: str, path: str, needs: Needs) -> dict[str, Any] | None:
        """Convert a file that is named by its address: no target but its owner takes it so."""
        if KNOWN_FILE.fullmatch(url):
            return None
        fetched = await self._fetch(url, path, "invalid_file_url")
        name = name or fetched.name
        file = File(name=name, declared=fetched.declared, content=fetched.data, is_json=False)
        read = await self._read(url, file, needs.file_types, path)
        if isinstance(read, Native):
            return part.with_file(name, await _data_url(read.media_type, fetched.data))
        return part.as_text(document(name, read))

    def _native(self, part: Part, name: str, raw: msgspec.Raw, media_type: str) -> dict[str, Any] | None:
        """Leave a file that the target reads as it is, but for a type that is missing or wrong."""
        if declared_type(raw) == media_type:
            return None
        return part.with_file(name, with_type(raw, media_type))

    async def _read(self, what: object, file: File, native: frozenset[str], path: str) -> str | Native:
        """Read a file, and hold its text, each one once."""
        read = await self._reader.read(file, native, path, self._caller)
        if isinstance(read, str) and (what, "text") not in self._counted:
            self._counted.add((what, "text"))
            self._characters += len(read)
            if self._characters > MAX_TEXT_CHARACTERS:
                message = f"The files of this request have more than {MAX_TEXT_CHARACTERS} characters together."
                raise InvalidRequest(message, param=path, code="file_too_large")
            await self._holding.take(len(read) * _HELD_A_CHARACTER)
        return read

    async def _fetch(self, url: str, path: str, code: str) -> Fetched:
        """Fetch an address, once a request."""
        if url not in self._fetching and len(self._fetching) >= MAX_FETCHES:
            message = f"At most {MAX_FETCHES} addresses are fetched for one request."
            raise InvalidRequest(message, param=path, code=code)
        async with self._fetching.setdefault(url, asyncio.Lock()), self._turns:
            fetched = self._fetched.get(url)
            if fetched is None:
                fetched = self._fetched[url] = await self._fetch_held(url)
        if isinstance(fetched, TooLarge):
            raise too_large("", path)
        if isinstance(fetched, NotAllowed | NotFetched):
            code = "url_not_allowed" if isinstance(fetched, NotAllowed) else code
            raise InvalidRequest(str(fetched), param=path, code=code)
        self._count(url, len(fetched.data), path)
        return fetched

    async def _fetch_held(self, url: str) -> Fetched | NotAllowed | NotFetched | TooLarge:
        """Fetch an address, and hold what is there; what failed would fail for the next target too."""
        portion = Portion(self._holding, _HELD_A_BYTE)
        size = 0
        try:
            fetched = await self._fetcher.fetch(url, MAX_FILE_BYTES, portion.cover)
            size = len(fetched.data)
        except (NotAllowed, NotFetched, TooLarge) as error:
            return error
        finally:
            portion.settle(size)
        return fetched

    def _count(self, what: object, size: int, path: str) -> None:
        """Count what is fetched or read, each thing once; raise `InvalidRequest` where it is too much in all."""
        if what in self._counted:
            return
        self._counted.add(what)
        self._bytes += size
        if self._bytes > MAX_BYTES:
            most = MAX_BYTES // (1024 * 1024)
            message = f"The images and files of this request are larger than {most} MiB together."
            raise InvalidRequest(message, param=path, code="file_too_large")


def _is_data(url: msgspec.Raw) -> bool:
    return bytes(memoryview(url)[1:6]).lower() == b"data:"


def _text(part: Part) -> str:
    return part.text("url") or ""


async def _data_url(media_type: str, data: bytes) -> msgspec.Raw:
    """Return data as a `data:` URL in JSON, encoded a little at a time, so that nobody else has to wait for it."""
    head = b'"data:%b;base64,' % media_type.encode()
    at = len(head)
    made = bytearray(at + (len(data) + 2) // 3 * 4 + 1)
    made[:at] = head
    for start in range(0, len(data), _PIECE_BYTES):
        if start:
            await asyncio.sleep(0)
        piece = binascii.b2a_base64(data[start : start + _PIECE_BYTES], newline=False)
        made[at : at + len(piece)] = piece
        at += len(piece)
    made[at:] = b'"'
    return msgspec.Raw(made)
