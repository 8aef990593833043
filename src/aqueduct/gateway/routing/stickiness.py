"""What requests have in common that are to go to the same target, so that its caches hit."""

import msgspec

from aqueduct.domain.routing import Stickiness
from aqueduct.wire.request import Request

_PREFIX_BYTES = 4096
_PROMPT_BYTES = 512


def sticky_key(kind: Stickiness, request: Request, api_token_id: str) -> bytes | None:
    """Return what a request has in common with those that belong to it; None where it does not say."""
    match kind:
        case Stickiness.TOKEN:
            return api_token_id.encode()
        case Stickiness.USER:
            return None if request.end_user is None else request.end_user.encode()
        case Stickiness.PROMPT_CACHE_KEY:
            raw = request.fields.get("prompt_cache_key")
            return None if raw is None or bytes(raw) == b"null" else bytes(raw)
        case Stickiness.PREFIX:
            return _prefix(request)


def _prefix(request: Request) -> bytes | None:
    """Return how the conversation begins: up to its first user's message, which every later turn repeats."""
    raw = request.fields.get("messages")
    if raw is None:
        prompt = request.fields.get("prompt")
        return None if prompt is None else bytes(prompt)[:_PROMPT_BYTES]
    beginning: list[bytes] = []
    for message in msgspec.json.decode(raw, type=list[msgspec.Raw]):
        beginning.append(bytes(message))
        if msgspec.json.decode(message, type=_Message).role == "user":
            break
    return b"".join(beginning)[:_PREFIX_BYTES]


class _Message(msgspec.Struct):
    role: str = ""
