"""What becomes of each field of a request at a target that speaks another protocol, as data.

A field that is translated travels; one whose loss would change what the answer means is refused by name; any other is
dropped, and the client is told. The config may move a field from refused to dropped (`drop_fields`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.wire.request import Request


class FieldPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """`translated` are the fields that travel, `refused` those that cannot, with the values that ask for something.

    `silent` change nothing wherever they go, so that nothing need be said of them.
    """

    translated: frozenset[str]
    refused: Mapping[str, Callable[[Any], bool]]
    silent: frozenset[str] = frozenset({"model", "stream", "stream_options", "user", "metadata", "store"})

    def check(self, request: Request, target: Target) -> None:
        """Raise `InvalidRequest` naming a field that this target cannot carry."""
        given = given_fields(request)
        for name in self.refused.keys() & given.keys() - target.provider.drop_fields:
            if self.refused[name](msgspec.json.decode(given[name])):
                raise InvalidRequest(f"The parameter '{name}' is not supported by this model.", param=name)

    def dropped(self, request: Request, target: Target) -> tuple[str, ...]:
        """Return the fields that are left out, in the client's order."""
        kept = self.translated | self.silent
        return tuple(
            name
            for name, value in given_fields(request).items()
            if (name not in kept or name in target.provider.drop_fields) and self._asks(name, value)
        )

    def _asks(self, name: str, value: msgspec.Raw) -> bool:
        asks = self.refused.get(name)
        return asks is None or asks(msgspec.json.decode(value))


def given_fields(request: Request) -> dict[str, msgspec.Raw]:
    """Return the fields that are not null."""
    return {name: value for name, value in request.fields.items() if bytes(value) != b"null"}


def always(_: Any) -> bool:
    """Whatever the value, it asks for something."""
    return True
