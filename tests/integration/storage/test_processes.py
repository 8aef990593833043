"""Several processes on one data directory, and processes that die without a word."""

import asyncio
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import sqlalchemy as sa

from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.settings import Settings
from aqueduct.storage import api_tokens
from aqueduct.storage.journal import Journal
from aqueduct.storage.shipper import Shipper
from aqueduct.storage.tables import usage_attempts, usage_requests

JOURNALLING = Path(__file__).with_name("journalling.py")
FIRST_START = """
import asyncio, sys
from pathlib import Path
from aqueduct.control.bootstrap import create_first_token
from aqueduct.control.workspace import create_workspace
from aqueduct.settings import Settings

async def main():
    async with create_workspace(Settings(data_dir=Path(sys.argv[1]))) as workspace:
        print(await create_first_token(workspace) or "")

asyncio.run(main())
"""


class Journalling:
    """A process that records as fast as it can, on a data directory that it may share."""

    def __init__(self, folder: Path, name: str) -> None:
        self._seen = folder / name
        with self._seen.open("wb") as seen:
            self._process = subprocess.Popen([sys.executable, JOURNALLING, folder / "data"], stdout=seen)

    def kill_after(self, seconds: float) -> list[str]:
        """Let it work for a while after its first record, kill it, and return the ids it saw acknowledged."""
        deadline = time.monotonic() + 30
        while self._seen.stat().st_size == 0:
            assert self._process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(seconds)  # how long it may work is the point, not something waited for
        self._process.kill()
        self._process.wait()
        return self._seen.read_text().rpartition("\n")[0].split("\n")


async def replay(data_dir: Path) -> tuple[list[str], list[str]]:
    """Start as the gateway does and return the ids of all requests and of all attempts in the database."""
    async with create_workspace(Settings(data_dir=data_dir)) as workspace:
        journal = Journal(workspace.directory.journal)
        shipper = Shipper(workspace.database, journal, workspace.directory.journal)
        await shipper.ship()
        journal.close()
        async with workspace.database.reading() as connection:
            requests = list(await connection.scalars(sa.select(usage_requests.c.id)))
            attempts = list(await connection.scalars(sa.select(usage_attempts.c.request_id)))
    return requests, attempts


def test_killed_at_random_moments_no_acknowledged_record_is_missing_and_none_is_twice(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    seed = random.randrange(2**32)
    moments = random.Random(seed)
    for number in range(4):
        acknowledged += Journalling(tmp_path, f"seen-{number}").kill_after(moments.uniform(0.05, 1.6))
    requests, attempts = asyncio.run(replay(tmp_path / "data"))
    assert len(acknowledged) > 100
    assert set(acknowledged) - set(requests) == set(), f"seed {seed}"
    assert max(Counter(requests).values()) == 1
    assert sorted(attempts) == sorted(requests)


def test_two_processes_at_once_share_a_data_directory_and_one_takes_over_from_the_dead(tmp_path: Path) -> None:
    one, other = Journalling(tmp_path, "one"), Journalling(tmp_path, "other")
    acknowledged = one.kill_after(0.3) + other.kill_after(0.3)
    requests, attempts = asyncio.run(replay(tmp_path / "data"))
    assert set(acknowledged) <= set(requests)
    assert sorted(attempts) == sorted(requests)
    assert sorted(path.name for path in (tmp_path / "data" / "journal").iterdir()) == ["journal.lock"]


def test_processes_that_start_at_once_migrate_once_and_make_one_first_token(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    command = [sys.executable, "-c", FIRST_START, str(data_dir)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    shown = {output.strip() for output, _ in outputs} - {b""}
    assert len(shown) == 1

    async def count(workspace: Workspace) -> int:
        async with workspace.database.reading() as connection:
            return await api_tokens.count(connection)

    async def reopen() -> int:
        async with create_workspace(Settings(data_dir=data_dir)) as workspace:
            return await count(workspace)

    assert asyncio.run(reopen()) == 1
