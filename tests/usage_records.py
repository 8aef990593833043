"""Usage records as the gateway makes them, and their way into the database."""

import asyncio
import json
import secrets
import uuid
from typing import Any

import msgspec

from aqueduct.control.usage import select
from aqueduct.control.usage_export import LineFormat, export_records
from aqueduct.control.workspace import Workspace
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.storage.database import Database
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import Shipper

UNITS = {"input_tokens": 10, "output_tokens": 4, "cached_tokens": 2, "reasoning_tokens": 0}


def request_id(at: float) -> str:
    """Return a new id of that time, as `gateway/call.py` makes them (UUIDv7)."""
    number = int(at * 1000) << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=number))


def usage_record(at: float, **changes: Any) -> UsageRecord:
    """Return the record of a request that began then."""
    attempt = AttemptRecord(
        target="p/m",
        provider="p",
        started_at=at,
        status=200,
        units=UNITS,
        cost_nano=1_500,
        currency="USD",
        total_ms=9.5,
    )
    plain = UsageRecord(
        id=request_id(at),
        started_at=at,
        operation="chat",
        api_token_id="tok_1",
        request_model="m",
        target="p/m",
        provider="p",
        units=UNITS,
        cost_nano=1_500,
        currency="USD",
        total_ms=10.0,
        attempts=[attempt],
    )
    return msgspec.structs.replace(plain, **changes)


async def ship(workspace: Workspace, *records: UsageRecord) -> None:
    """Take records through the journal into the database."""
    journal = Journal(workspace.directory.journal)
    shipper = Shipper(workspace.database, journal, workspace.directory.journal)
    for record in records:
        journal.record(record)
    await asyncio.sleep(0)
    await shipper.ship()
    await shipper.close()
    journal.close()


async def exported(database: Database) -> list[dict[str, Any]]:
    """Return every raw record as it is exported."""
    chunks = [chunk async for chunk in export_records(database, select(since=0), LineFormat.JSONL)]
    return [json.loads(line) for line in b"".join(chunks).splitlines()]
