"""PostgreSQL going away and coming back while usage is recorded."""

from pathlib import Path

import pytest
from tests.postgres_server import running_postgres
from tests.usage_records import exported, usage_record

from aqueduct.control.usage import summarise
from aqueduct.control.workspace import create_workspace
from aqueduct.settings import Settings
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import UNAVAILABLE, Shipper

NOW = 1_790_000_000.0


async def test_what_is_recorded_while_the_server_is_gone_is_stored_when_it_is_back(tmp_path: Path) -> None:
    records = [usage_record(NOW + number) for number in range(30)]
    with running_postgres() as server:
        url = server.create_database()
        settings = Settings.model_validate({"data_dir": tmp_path / "data", "database_url": url})
        async with create_workspace(settings) as workspace:
            journal = Journal(workspace.directory.journal)
            shipper = Shipper(workspace.database, journal, workspace.directory.journal)
            # The tests' server does not wait for its disk, so what it has before it is stopped would be lost with it.
            server.stop()
            for record in records:
                await journal.record(record)
            for _ in range(2):
                with pytest.raises(UNAVAILABLE):
                    await shipper.ship()
            assert journal.is_writable
            server.start()
            await shipper.ship()
            await shipper.close()
            journal.close()
            assert {each["id"] for each in await exported(workspace.database)} == {each.id for each in records}
            (summary,) = [each async for each in summarise(workspace.database, since=0, by=("model",))]
            assert summary.requests == 30
