"""How many tokens a request may put in, guessed by its size before it is sent; exact counts come with the answer."""

from msgspec import UnsetType

from aqueduct.wire.chat import ChatRequest
from aqueduct.wire.messages import AudioPart, ContentPart, FilePart, ImagePart, InputFile
from aqueduct.wire.request import Request

_BYTES_A_TOKEN = 4
_IMAGE_TOKENS = 1500
"""What large images come to: OpenAI's have at most 1,105 or 1,536 (by model), Anthropic's about 1,600."""

_SMALL_IMAGE_TOKENS = 85
"""OpenAI's for `detail: low`."""

_UNKNOWN_FILE_TOKENS = 1500
_DOCUMENT_BYTES_A_TOKEN = 16
"""A packed file has fewer bytes for each (XLSX), one with fonts and pictures (PDF) more."""

_MAX_DOCUMENT_TOKENS = 250_000
"""The text of a document is cut at so much."""

_AUDIO_BYTES_A_TOKEN = 1000
_BASE64_CHARACTERS, _BASE64_BYTES = 4, 3
_TEXT_NAMES = (".txt", ".md", ".markdown", ".csv", ".html", ".htm", ".json", ".xml")
_WEB = (b'"http', b'"HTTP')


def estimate_input_tokens(request: Request, body_bytes: int) -> int:
    """Return a guess: a token for four bytes of text, and for images, recordings and files what they usually take."""
    if not isinstance(request, ChatRequest):
        return body_bytes // _BYTES_A_TOKEN
    media_tokens = 0
    for message in request.parameters.messages:
        content = message.content
        if isinstance(content, list):
            for part in content:
                if isinstance(part, ImagePart | AudioPart | FilePart):
                    size, count = _estimate_part(part)
                    body_bytes -= size
                    media_tokens += count
    return max(body_bytes, 0) // _BYTES_A_TOKEN + media_tokens


def _estimate_part(part: ContentPart) -> tuple[int, int]:
    """Return the bytes of a part's data, and the tokens that they come to."""
    if isinstance(part, ImagePart):
        return len(part.image_url.url), _SMALL_IMAGE_TOKENS if part.image_url.detail == "low" else _IMAGE_TOKENS
    if isinstance(part, AudioPart):
        size = len(part.input_audio.data)
        return size, _decoded(size) // _AUDIO_BYTES_A_TOKEN
    if isinstance(part, FilePart):
        return _estimate_file(part.file)
    return 0, 0


def _estimate_file(file: InputFile) -> tuple[int, int]:
    if isinstance(file.file_data, UnsetType):
        return 0, _UNKNOWN_FILE_TOKENS
    size = len(file.file_data)
    head = bytes(memoryview(file.file_data)[:32])
    if head.startswith(_WEB) or head == b"null":
        return size, _UNKNOWN_FILE_TOKENS
    is_text = head.lower().startswith(b'"data:text/') or (file.filename or "").lower().endswith(_TEXT_NAMES)
    each = _BYTES_A_TOKEN if is_text else _DOCUMENT_BYTES_A_TOKEN
    return size, min(_decoded(size) // each, _MAX_DOCUMENT_TOKENS)


def _decoded(size: int) -> int:
    return size // _BASE64_CHARACTERS * _BASE64_BYTES
