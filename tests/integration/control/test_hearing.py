"""What gateways with data directories of their own hear of each other's changes, on one database of either engine."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.migrated import lay_out
from tests.postgres_server import PostgresServer

from aqueduct.control.databases import back_up, restore
from aqueduct.control.workspace import Workspace, create_workspace
from aqueduct.domain.actor import SYSTEM
from aqueduct.settings import Settings
from aqueduct.storage.changes import KEPT, read_from, read_newest, tell
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.hearing import TIMEOUT_SECONDS, Hearing
from aqueduct.storage.tables import changes as table


@dataclass
class Machine:
    """A data directory of its own, and what is heard there."""

    workspace: Workspace
    hearing: Hearing
    seen: int = field(default=0)

    async def news(self) -> frozenset[str] | None:
        """Listen, and return the ids that changed since the last time; None is anything."""
        await self.hearing.listen()
        seen, self.seen = self.seen, self.workspace.revision.read()
        return self.workspace.revision.concerned(seen, self.seen)


async def boot(workspace: Workspace) -> Machine:
    hearing = Hearing(workspace.database, workspace.revision)
    await hearing.begin()
    return Machine(workspace, hearing, workspace.revision.read())


@dataclass(frozen=True)
class Pair:
    """Two machines on one database."""

    here: Machine
    there: Machine


@pytest.fixture
async def pair(tmp_path: Path, database_url: str | None, sqlite_template: Path) -> AsyncIterator[Pair]:
    first = Settings.model_validate({"data_dir": tmp_path / "here", "database_url": database_url})
    lay_out(first, sqlite_template)
    url = database_url or f"sqlite:///{DataDirectory(first.data_dir).database}"
    second = Settings.model_validate({"data_dir": tmp_path / "there", "database_url": url})
    async with create_workspace(first) as here, create_workspace(second) as there:
        yield Pair(await boot(here), await boot(there))


async def test_a_change_is_heard_elsewhere_with_the_ids_it_concerns(pair: Pair) -> None:
    assert await pair.there.news() == frozenset()
    created = await pair.here.workspace.api_tokens.create("ci")
    news = await pair.there.news()
    assert news is not None
    assert created.api_token.id in news
    assert await pair.there.news() == frozenset()
    await pair.there.workspace.api_tokens.revoke(SYSTEM, "ci")
    heard = await pair.here.news()
    assert heard is not None
    assert created.api_token.id in heard


async def test_what_is_changed_here_is_not_told_here_twice(pair: Pair) -> None:
    await pair.here.workspace.api_tokens.create("ci")
    revision = pair.here.workspace.revision.read()
    await pair.here.news()
    assert pair.here.workspace.revision.read() == revision


async def test_a_change_whose_author_died_before_he_told_of_it_is_heard_by_his_own_gateway(pair: Pair) -> None:
    async with pair.here.workspace.database.writing() as connection:
        await tell(connection, "chg_lost", {"tok_1"})
    assert await pair.here.news() == frozenset({"tok_1", "chg_lost"})


async def test_a_commit_that_was_not_answered_is_told_of_and_what_was_rolled_back_is_not(pair: Pair) -> None:
    engine = pair.here.workspace.database.engine.sync_engine
    revision = pair.here.workspace.revision

    def lose(_connection: sa.Connection) -> None:
        raise ConnectionResetError("the answer did not come")

    seen = revision.read()
    sa.event.listen(engine, "commit", lose)
    with pytest.raises(ConnectionResetError):
        await pair.here.workspace.api_tokens.create("ci")
    sa.event.remove(engine, "commit", lose)
    assert revision.read() == seen + 1
    with pytest.raises(ZeroDivisionError):
        async with pair.here.workspace.registry.changing(SYSTEM, taken=""):
            raise ZeroDivisionError
    assert revision.read() == seen + 1
    assert await pair.there.news() == frozenset()


async def test_of_many_changes_at_once_everywhere_none_is_missed(pair: Pair) -> None:
    heard: set[str] = set()

    async def listen() -> None:
        news = await pair.there.news()
        assert news is not None
        heard.update(news)

    async def keep_listening() -> None:
        while True:
            await listen()

    listening = asyncio.create_task(keep_listening())
    made = await asyncio.gather(
        *(pair.here.workspace.api_tokens.create(f"here {number}") for number in range(40)),
        *(pair.there.workspace.api_tokens.create(f"there {number}") for number in range(40)),
    )
    listening.cancel()
    await asyncio.wait([listening])
    assert listening.cancelled()
    await listen()
    assert {created.api_token.id for created in made} <= heard


async def test_numbers_are_in_the_order_of_commits(pair: Pair) -> None:
    if pair.here.workspace.database.is_sqlite:
        pytest.skip("SQLite has one writer")
    begun = asyncio.Event()

    async def change_second() -> None:
        async with pair.there.workspace.database.writing() as connection:
            begun.set()
            await tell(connection, "chg_second", {"tok_2"})

    async with pair.here.workspace.database.writing() as connection:
        await tell(connection, "chg_first", {"tok_1"})
        second = asyncio.create_task(change_second())
        await begun.wait()
        await asyncio.wait([second], timeout=0.2)
        assert not second.done()
        assert await pair.there.news() == frozenset()
    await second
    assert await pair.there.news() == frozenset({"tok_1", "chg_first", "tok_2", "chg_second"})


async def test_the_list_stays_short_and_whoever_missed_too_much_forgets_all(pair: Pair) -> None:
    async with pair.here.workspace.database.writing() as connection:
        rows = [{"number": number, "id": f"chg_{number}", "concerned": ["tok_1"]} for number in range(1, KEPT + 5)]
        await connection.execute(sa.insert(table), rows)
        await tell(connection, "chg_last", {"tok_1"})
        assert await connection.scalar(sa.select(sa.func.count()).select_from(table)) == KEPT
    assert await pair.there.news() is None
    await pair.here.workspace.api_tokens.create("ci")
    assert await pair.there.news() is not None


async def test_a_change_that_concerns_very_many_concerns_everybody(pair: Pair) -> None:
    async with pair.here.workspace.database.writing() as connection:
        await tell(connection, "chg_1", {f"usr_{number}" for number in range(1000)})
        assert (await read_from(connection, 1))[-1].concerned is None
    assert await pair.there.news() is None


async def test_a_restored_database_is_heard_of_however_many_changes_it_has(pair: Pair, tmp_path: Path) -> None:
    here = pair.here.workspace
    await here.api_tokens.create("one")
    assert await pair.there.news() is not None
    await back_up(here, tmp_path / "backup.db", lambda _table, _rows: None)
    await restore(here, SYSTEM, tmp_path / "backup.db", lambda _table, _rows: None, replaces=True)
    for number in range(3):
        await here.api_tokens.create(f"later {number}")
    assert await pair.there.news() is None
    await here.api_tokens.create("last")
    assert await pair.there.news() is not None


async def test_where_nothing_was_changed_a_start_forgets_nobody(pair: Pair) -> None:
    await pair.here.workspace.api_tokens.create("one")
    revision = pair.there.workspace.revision.read()
    later = await boot(pair.there.workspace)
    assert await later.news() == frozenset()
    assert pair.there.workspace.revision.read() == revision


async def test_a_server_that_does_not_answer_is_heard_again_when_it_does(
    postgres: PostgresServer, postgres_template: str, tmp_path: Path
) -> None:
    url = postgres.create_database(postgres_template)
    async with create_workspace(
        Settings.model_validate({"data_dir": tmp_path / "data", "database_url": url})
    ) as workspace:
        machine = await boot(workspace)
        # Every connection is given up, so that the next needs the process that does not answer.
        await workspace.database.engine.dispose()
        postgres.freeze()
        running = asyncio.create_task(machine.hearing.run())
        try:
            await asyncio.wait([running], timeout=TIMEOUT_SECONDS + 2)
            assert not running.done()
        finally:
            postgres.thaw()
        async with workspace.database.writing() as connection:
            await tell(connection, "chg_1", {"tok_1"})
        async with asyncio.timeout(30):
            while workspace.revision.read() == machine.seen:  # noqa: ASYNC110 - a mapped file has no event
                await asyncio.sleep(0.02)
        assert workspace.revision.has_told("chg_1")
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled()
        async with workspace.database.reading() as connection:
            newest = await read_newest(connection)
        assert newest is not None
        assert newest.id == "chg_1"
