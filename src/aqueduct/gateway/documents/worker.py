"""The child process in which documents are judged and read, so that it can be killed.

A question is what is known of a file, as JSON, and the file: `name`, `declared` (its media type as the client says),
`native` (the types that are to be left alone) and `form`, which is `bytes`, or `json` for a string as it came in the
request: a `data:` URL or bare base64. A reply is `TEXT` with the media type and, from the next line on, the text;
`NATIVE` with the media type; a refusal with a sentence; or `BUG` with the place in our own code, nothing of the
file.
"""

import base64
import binascii
import contextlib
import importlib
import json
import re
import traceback
from urllib.parse import unquote_to_bytes

from aqueduct.gateway.documents import kinds
from aqueduct.gateway.documents.charset import is_utf8
from aqueduct.gateway.documents.text import Full, TextBuilder, Unreadable
from aqueduct.gateway.workers.serving import run

TEXT, NATIVE, TOO_LARGE, UNSUPPORTED, UNREADABLE, BUG = range(6)

MEMORY_BYTES = 768 * 1024 * 1024
MAX_FILE_BYTES = 10 * 1024 * 1024

_READERS = {kinds.PDF: "pdf", kinds.DOCX: "word", kinds.XLSX: "sheets", kinds.PPTX: "slides", kinds.HTML: "html"}
_DATA_URL = re.compile(r"data:([^;,]*)((?:;[^;,]*)*),", re.IGNORECASE)
_BASE64_SPACES = re.compile(r"\s+")


def answer(subject: bytes, file: bytes | None) -> tuple[int, bytes]:
    """Return the code and the payload of the reply to one question."""
    known = json.loads(subject)
    code, words = _answer(known, file or b"")
    return code, words.encode("utf-8", "replace")


def _answer(known: dict[str, str], file: bytes) -> tuple[int, str]:
    try:
        data = file if known["form"] == "bytes" else decode(json.loads(file))
        del file
        return _judge(known, data)
    except Unreadable as error:
        return UNREADABLE, str(error)
    except MemoryError:
        raise SystemExit("out of memory") from None  # what is left of this process is not to be trusted
    except Exception as error:  # noqa: BLE001 -- the edge of the process: what a parser makes of rubbish is anything at all
        if is_ours(error):
            # Without the error's words, which may be the document's.
            return BUG, "".join([*traceback.format_tb(error.__traceback__), type(error).__name__])
        return UNREADABLE, "It is damaged, or not what it says it is."


def is_ours(error: Exception) -> bool:
    """Whether an error was raised by a line of ours, and not in a library below it by what the document holds."""
    if isinstance(error, RecursionError):
        return False  # whoever had the last of the stack
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    module: str = frame.f_globals["__name__"]
    return module == "__main__" or module.startswith("aqueduct.")


def _judge(known: dict[str, str], data: bytes) -> tuple[int, str]:
    if len(data) > MAX_FILE_BYTES:
        return TOO_LARGE, ""
    if not data:
        raise Unreadable("It is empty.")
    kind = kinds.media_type(data, known["name"], known["declared"])
    is_text = kind.startswith("text/")
    # Who reads text reads UTF-8; for everything else there is what `charset` makes of it.
    told = f"{kind};charset=other" if is_text and not is_utf8(data) else kind
    if told in known["native"]:
        return NATIVE, kind
    if kind not in _READERS and not is_text:
        return UNSUPPORTED, kind
    return TEXT, f"{told}\n{read(kind, data)}"


def read(kind: str, data: bytes) -> str:
    """Return the text of a document of this kind."""
    reader = importlib.import_module(f"aqueduct.gateway.documents.readers.{_READERS.get(kind, 'plain')}")
    text = TextBuilder()
    with contextlib.suppress(Full):
        reader.read(data, text)
    return text.build()


def decode(text: str) -> bytes:
    """Return the bytes of a `data:` URL or of bare base64, in either alphabet, padded or not."""
    match = _DATA_URL.match(text)
    if match is not None and ";base64" not in match[2].lower():
        return unquote_to_bytes(text[match.end() :])
    encoded = _BASE64_SPACES.sub("", text[match.end() :] if match else text)
    encoded = encoded.replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Unreadable("Its data is not base64.") from None


if __name__ == "__main__":
    run(answer, memory_bytes=MEMORY_BYTES)
