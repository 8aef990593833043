"""Taking one member out of a JSON object, byte for byte the same elsewhere."""

from collections.abc import Mapping

import msgspec

from aqueduct.wire.json_object import read_members

_SPACE = b" \t\n\r"


def without_member(payload: bytes, name: str, fields: Mapping[str, msgspec.Raw] | None = None) -> bytes:
    """Return the JSON object `payload` without its top-level member `name`; what was valid JSON stays so.

    `fields` are its members where the caller has decoded them, which saves a look. Raises msgspec's errors for what is
    not a JSON object.
    """
    if fields is not None and name not in fields:
        return payload
    key = b'"%b"' % name.encode()
    # The usual place is the end. The count makes sure that it is not there twice.
    tail = b",%b:%b}" % (key, b"null" if fields is None else fields[name])
    if payload.endswith(tail) and payload.count(key) == 1:
        return payload[: -len(tail)] + b"}"
    return _walk(payload, name)


def _walk(payload: bytes, name: str) -> bytes:
    """Copy what stands between braces and commas, but for the members called `name`."""
    position = payload.index(b"{") + 1
    head = payload[:position]
    members = read_members(payload)
    kept: list[bytes] = []
    for key, value in members:
        start = position
        colon = _after_space(payload, _after_key(payload, payload.index(b'"', start)))
        position = _after_space(payload, _after_space(payload, colon + 1) + len(value))
        if key != name:
            kept.append(payload[start:position])
        # Past the comma, or the closing brace.
        position += 1
    return payload if len(kept) == len(members) else head + b",".join(kept) + payload[position - 1 :]


def _after_space(payload: bytes, position: int) -> int:
    while payload[position] in _SPACE:
        position += 1
    return position


def _after_key(payload: bytes, opening: int) -> int:
    """Return the position behind the string that begins at `opening`."""
    position = opening + 1
    while payload[position] != 0x22:
        position += 2 if payload[position] == 0x5C else 1
    return position + 1
