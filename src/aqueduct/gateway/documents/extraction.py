"""The gateway's side: asks a worker for a document's text, and remembers the last ones.

A conversation sends the same file with every turn, and a request that is retried with every attempt.
"""

import asyncio
import hashlib
from collections import OrderedDict
from typing import NamedTuple

import msgspec
import structlog

from aqueduct.errors import InvalidRequest
from aqueduct.gateway.documents.worker import BUG, MAX_FILE_BYTES, NATIVE, TEXT, TOO_LARGE, UNREADABLE, UNSUPPORTED
from aqueduct.gateway.workers.pool import OverDeadline, Trade, WorkerPool

_TRADE = Trade(
    module="aqueduct.gateway.documents.worker",
    too_many="Too many documents are waiting to be read.",
    unavailable="Documents cannot be read right now.",
)
_REMEMBERED_CHARACTERS = 8_000_000
_HASHED_IN_LOOP_BYTES = 256 * 1024

logger = structlog.get_logger(__name__)

READABLE = "PDF, DOCX, XLSX, PPTX, HTML, Markdown, CSV and plain text"


class File(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A file of a request: `content` is its bytes, or, if `is_json`, the string in which it came.

    `declared` is the media type that the client, or the server that it was fetched from, says it has.
    """

    name: str
    declared: str
    content: bytes | memoryview
    is_json: bool

    @property
    def least_bytes(self) -> int:
        """How large it is at least, without decoding it."""
        size = memoryview(self.content).nbytes
        return size * 3 // 4 - len(self.declared) - 64 if self.is_json else size


class ReaderBug(Exception):
    """A reader of ours stumbled: that is no fault of the file's."""


class Native(NamedTuple):
    """The target reads the file itself; this is its media type."""

    media_type: str


class DocumentReader:
    """Reads documents in at most `workers` processes, each document within `deadline_seconds`."""

    def __init__(
        self,
        *,
        deadline_seconds: float = 30.0,
        workers: int = 2,
        idle_seconds: float = 300.0,
        queue_limit: int = 64,
        remembered_characters: int = _REMEMBERED_CHARACTERS,
    ) -> None:
        self._pool = WorkerPool(
            _TRADE, size=workers, deadline_seconds=deadline_seconds, idle_seconds=idle_seconds, queue_limit=queue_limit
        )
        self._texts: OrderedDict[bytes, tuple[str, str]] = OrderedDict()
        self._remembered_characters = remembered_characters
        self._characters = 0

    @property
    def worker_pids(self) -> list[int]:
        """The process ids of the workers now alive."""
        return self._pool.pids

    async def close(self) -> None:
        """End the worker processes; the reader cannot be used afterwards."""
        await self._pool.close()

    async def read(self, file: File, native: frozenset[str], path: str) -> str | Native:
        """Return the text of a file, or that it is of a type in `native`; raise `InvalidRequest` naming `path`.

        Raises `Overloaded` when more files wait for a worker than may.
        """
        if file.least_bytes > MAX_FILE_BYTES:
            raise too_large(file.name, path)
        known = {"name": file.name, "declared": file.declared, "form": "json" if file.is_json else "bytes"}
        key = await _digest(msgspec.json.encode(known), file.content)
        found = self._texts.get(key)
        if found is not None:
            self._texts.move_to_end(key)
            kind, text = found
            return Native(kind) if kind in native else text
        subject = msgspec.json.encode({**known, "native": sorted(native)})
        try:
            reply = await self._pool.ask(subject, file.content)
        except OverDeadline:
            raise _unreadable(file.name, "It cannot be read within the limits of time and memory.", path) from None
        if reply.code == TEXT:
            kind, _, text = reply.words.partition("\n")
            self._remember(key, kind, text)
            return text
        if reply.code == NATIVE:
            return Native(reply.words)
        if reply.code == BUG:
            logger.error("bug", where=reply.words)
            raise ReaderBug("a reader of documents has a bug; the log has where")
        raise _refusal(reply.code, reply.words, file.name, path)

    def _remember(self, key: bytes, kind: str, text: str) -> None:
        if key in self._texts:
            return
        self._texts[key] = kind, text
        self._characters += len(text)
        while self._characters > self._remembered_characters:
            self._characters -= len(self._texts.popitem(last=False)[1][1])


async def _digest(subject: bytes, content: bytes | memoryview) -> bytes:
    """Hash a file with what is known of it; a large one beside the event loop, as hashing lets go of the GIL."""
    if memoryview(content).nbytes <= _HASHED_IN_LOOP_BYTES:
        return _hash(subject, content)
    return await asyncio.to_thread(_hash, subject, content)


def _hash(subject: bytes, content: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(b"%d:%b" % (len(subject), subject))
    digest.update(content)
    return digest.digest()


def too_large(name: str, path: str) -> InvalidRequest:
    """Return the refusal of a file that is larger than one may be."""
    most = MAX_FILE_BYTES // (1024 * 1024)
    return InvalidRequest(f"The file {_quoted(name)}is larger than {most} MiB.", param=path, code="file_too_large")


def _unreadable(name: str, why: str, path: str) -> InvalidRequest:
    message = f"The file {_quoted(name)}cannot be read. {why}"
    return InvalidRequest(message, param=path, code="file_unreadable")


def _refusal(code: int, words: str, name: str, path: str) -> InvalidRequest:
    if code == TOO_LARGE:
        return too_large(name, path)
    if code == UNSUPPORTED:
        hint = " Send images as parts of the type 'image_url'." if words.startswith("image/") else ""
        message = f"The file {_quoted(name)}is of the type {words[:100]}. Readable are {READABLE}.{hint}"
        return InvalidRequest(message, param=path, code="unsupported_file_type")
    if code == UNREADABLE:
        return _unreadable(name, words, path)
    raise ValueError(code)


def _quoted(name: str) -> str:
    shown = "".join(character for character in name if character.isprintable())[:100]
    return f"'{shown}' " if shown else ""
