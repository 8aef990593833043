"""A process that records usage as fast as it can, and says which requests were acknowledged.

Run as `python journalling.py DATA_DIR`; it prints an id a line, each after its record was acknowledged, until killed.
"""

import asyncio
import os
import sys
import time
import uuid
from pathlib import Path

from aqueduct.control.workspace import create_workspace
from aqueduct.domain.usage import AttemptRecord, UsageRecord
from aqueduct.settings import Settings
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import Shipper
from aqueduct.telemetry.logs import configure_logs

CLIENTS = 8


async def request(journal: Journal) -> None:
    identity = str(uuid.uuid4())
    attempt = AttemptRecord(target="p/m", provider="p", started_at=time.time(), status=200)
    await journal.record(
        UsageRecord(id=identity, started_at=time.time(), operation="chat", api_token_id="t", attempts=[attempt])
    )
    os.write(1, f"{identity}\n".encode())


async def client(journal: Journal) -> None:
    while True:
        await request(journal)
        await asyncio.sleep(0.001)


async def main(data_dir: Path) -> None:
    settings = Settings(data_dir=data_dir)
    configure_logs(settings)
    async with create_workspace(settings) as workspace, asyncio.TaskGroup() as group:
        journal = Journal(workspace.directory.journal)
        group.create_task(Shipper(workspace.database, journal, workspace.directory.journal).run())
        for _ in range(CLIENTS):
            group.create_task(client(journal))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
