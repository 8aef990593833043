"""What quirks make of a request's fields: renamed, mapped, left out or refused by name."""

from typing import Any

import msgspec

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.compatible.messages import adapt_messages, lost_members
from aqueduct.providers.compatible.quirks import Quirks
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.request import Request

_UNDROPPABLE = frozenset({"messages", "model", "prompt", "stream"})
_SILENT = frozenset({"metadata", "store", "stream_options", "user"})
"""They change no answer, so that nothing need be said where they are left out."""

_ANY_OBJECT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}


def carried_fields(request: Request, target: Target, quirks: Quirks) -> dict[str, Any]:
    """Return the fields that travel, as the service spells them; raise `InvalidRequest` naming one that cannot."""
    given = given_fields(request)
    unwanted, dropped = _unwanted(target, quirks)
    for name in quirks.refused.keys() & given.keys() - unwanted:
        if quirks.refused[name](msgspec.json.decode(given[name])):
            raise InvalidRequest(f"The parameter '{name}' is not supported by this model.", param=name)
    left_out = unwanted | dropped | quirks.refused.keys()
    fields: dict[str, Any] = {
        quirks.renamed.get(name, name): value for name, value in given.items() if name not in left_out
    }
    for name, spellings in quirks.values.items():
        if name in fields and isinstance(value := msgspec.json.decode(fields[name]), str):
            fields[name] = spellings.get(value, value)
    if "messages" in fields:
        fields["messages"] = adapt_messages(fields["messages"], quirks)
    if "response_format" in fields:
        fields["response_format"] = _response_format(request, fields["response_format"], quirks)
    return fields


def dropped_fields(request: Request, target: Target, quirks: Quirks) -> tuple[str, ...]:
    """Return the fields that are left out, in the client's order, and the members of messages that are."""
    unwanted, dropped = _unwanted(target, quirks)
    if not (unwanted or dropped or quirks.message_members):
        return ()
    given = given_fields(request)
    names = [
        name
        for name, value in given.items()
        if name not in _SILENT and (name in unwanted or name in dropped) and _asks(name, value, quirks)
    ]
    return (*names, *(lost_members(given["messages"], quirks) if "messages" in given else ()))


def _unwanted(target: Target, quirks: Quirks) -> tuple[frozenset[str], frozenset[str]]:
    """Return what the config leaves out, and what the service does, save what the config says it may have."""
    provider = target.provider
    return provider.drop_fields - _UNDROPPABLE, quirks.dropped - provider.governed_fields


def _asks(name: str, value: msgspec.Raw, quirks: Quirks) -> bool:
    asks = quirks.refused.get(name)
    return asks is None or asks(msgspec.json.decode(value))


def _response_format(request: Request, raw: msgspec.Raw, quirks: Quirks) -> msgspec.Raw | dict[str, Any]:
    """Return the format as the service spells it; one of an unknown type goes as it is."""
    if request.schema is None or (quirks.schema_member is None and quirks.has_json_object):
        return raw
    is_bare = msgspec.json.decode(raw)["type"] == "json_object"
    if quirks.schema_member is None:
        return _ANY_OBJECT if is_bare else raw
    schema = request.schema if isinstance(request.schema, dict) else {}
    return {"type": "json_object", quirks.schema_member: schema}
