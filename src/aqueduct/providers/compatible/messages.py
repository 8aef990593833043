"""What quirks make of a request's messages: roles under another name, members renamed or left out."""

from typing import Any

import msgspec

from aqueduct.providers.compatible.quirks import Quirks

_decode = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def adapt_messages(raw: msgspec.Raw, quirks: Quirks) -> msgspec.Raw | list[dict[str, Any]]:
    """Return the messages as the service spells them; byte for byte where nothing in them differs."""
    if not _may_differ(bytes(raw), quirks):
        return raw
    return [_adapt(message, quirks) for message in _decode(raw)]


def lost_members(raw: msgspec.Raw, quirks: Quirks) -> tuple[str, ...]:
    """Return the members that are left out though they say something, as `messages[].name`."""
    lost = [name for name, new in quirks.message_members.items() if new is None and _holds(bytes(raw), name)]
    if not lost:
        return ()
    messages = _decode(raw)
    return tuple(f"messages[].{name}" for name in lost if any(_says(message.get(name)) for message in messages))


def _may_differ(text: bytes, quirks: Quirks) -> bool:
    """A look at the bytes: an escaped name would be missed, and is left to the service."""
    return any(_holds(text, name) for name in (*quirks.roles, *quirks.message_members))


def _holds(text: bytes, name: str) -> bool:
    return b'"%b"' % name.encode() in text


def _says(value: msgspec.Raw | None) -> bool:
    return value is not None and bytes(value) not in (b"null", b"[]", b'""')


def _adapt(message: dict[str, msgspec.Raw], quirks: Quirks) -> dict[str, Any]:
    adapted: dict[str, Any] = {}
    for name, value in message.items():
        new = quirks.message_members.get(name, name)
        if new is None or (new != name and not _says(value)):
            continue
        adapted[new] = value
    role = msgspec.json.decode(message["role"])
    if role in quirks.roles:
        adapted["role"] = quirks.roles[role]
    return adapted
