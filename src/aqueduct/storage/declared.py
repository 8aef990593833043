"""The marks of what a file declares."""

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.scopes import Kind
from aqueduct.storage.records import Records
from aqueduct.storage.tables import declared_objects


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """That an object is, or once was, declared; `label` is what the file called it."""

    object_type: Kind
    object_id: str
    label: str
    declared_at: float


MARKS = Records(declared_objects, Mark)


async def read_marks(connection: AsyncConnection) -> dict[tuple[Kind, str], Mark]:
    """Return every mark, by the object's kind and id."""
    rows = (await connection.execute(sa.select(*MARKS.columns))).mappings()
    return {(mark.object_type, mark.object_id): mark for mark in map(MARKS.read, rows)}


async def remove_marks(connection: AsyncConnection, marks: Iterable[Mark]) -> None:
    """Remove marks; the objects stay."""
    for mark in marks:
        await MARKS.remove_where(connection, object_type=mark.object_type, object_id=mark.object_id)
