"""What makes two requests equal: one canonical text, hashed.

Nested objects may hold a member twice, of which parsers take one or the other: such a request has no key, or an answer
to what one of them reads would be kept for what another one does.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from aqueduct.config.caching import version_of
from aqueduct.domain.model import Model
from aqueduct.domain.principal import Principal
from aqueduct.domain.snapshot import WILDCARD
from aqueduct.gateway.routing.steering import speaks_for
from aqueduct.wire.request import Request

MAX_REQUEST_BYTES = 4 * 1024 * 1024
"""How long a request may be to have a key: making one takes about a millisecond for 200 kB."""

_FORMAT = b"aqueduct-cache-1"
_WHOLE_FLOATS = 2.0**53

IGNORED_FIELDS = frozenset(
    {
        "model",
        "stream",
        "stream_options",
        "user",
        "safety_identifier",
        "metadata",
        "store",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
    }
)
"""What does not decide the answer: how it is sent, for whom, and what becomes of it elsewhere. The model's name is part
of the key by itself."""


def cache_key(request: Request, model: Model, principal: Principal, answerer: Model | None = None) -> str | None:
    """Return what an answer is kept under; None for a request that has no one meaning, or is too long.

    No two organisations share a key, nor an organisation and the tokens that belong to none; nor do requests that the
    rules of the model sent to different answerers.
    """
    if model.cache is None or size_of(request) > MAX_REQUEST_BYTES:
        return None
    text = canonical(request.fields)
    if text is None:
        return None
    is_asked_name = model.name == WILDCARD or model.cache.goes_by_asked_name
    name = request.model if model.name == WILDCARD else model.name
    generations = [each for cleared, each in principal.cache_generations if cleared in ("", name)]
    scope = (
        principal.organisation_id,
        request.operation,
        name,
        request.model if is_asked_name else None,
        model.cache.version,
        generations,
        None if answerer is None or answerer is model else (answerer.name, _version(answerer)),
    )
    return hashlib.sha256(b"\n".join((_FORMAT, msgspec.json.encode(scope), text))).hexdigest()


def _version(answerer: Model) -> str:
    return version_of([target for target in answerer.targets if speaks_for(answerer, target)])


def size_of(request: Request) -> int:
    """Return about how many bytes a request's body had."""
    return sum(map(len, request.fields.values()))


def canonical(fields: Mapping[str, msgspec.Raw]) -> bytes | None:
    """Return what decides the answer as JSON: members in order, numbers in one spelling, no null, which is a default.

    None where an object has a member twice, a number is out of range, or a text is none.
    """
    try:
        kept = {
            name: value
            for name in fields
            if name not in IGNORED_FIELDS and (value := _decode(str(fields[name], "utf-8"))) is not None
        }
        return json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        return None


def _number(text: str) -> float | int:
    """Read a number with a point or an exponent; 1.0 is 1."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is out of range")
    return int(value) if value.is_integer() and abs(value) < _WHOLE_FLOATS else value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member is there twice")
    return members


_decode = json.JSONDecoder(object_pairs_hook=_object, parse_float=_number).decode
