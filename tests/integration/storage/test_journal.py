"""The journal on a real file system: one write a turn, full disks, and what cancelled waiters may not do."""

import asyncio
import contextlib
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aqueduct.domain.usage import Undelivered, UsageRecord
from aqueduct.errors import JournalUnavailable
from aqueduct.storage.journal import Journal
from aqueduct.storage.segments import claim_dead

LIMIT_BYTES = 4096


@contextlib.contextmanager
def opened(directory: Path, *, fsync: bool = False) -> Iterator[Journal]:
    journal = Journal(directory, fsync=fsync)
    try:
        yield journal
    finally:
        journal.close()


@contextlib.contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Let writes fail as on a full disk: the kernel takes what fits and refuses the rest."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens in its own time, 5 seconds at most."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.02)


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def lines_in(directory: Path) -> list[bytes]:
    return [line for path in sorted(directory.glob("*.jsonl")) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.mark.parametrize("fsync", [False, True])
async def test_an_acknowledged_line_is_in_the_file(tmp_path: Path, fsync: bool) -> None:
    with opened(tmp_path, fsync=fsync) as journal:
        await journal.append(b"one")
        assert lines_in(tmp_path) == [b"one\n"]


async def test_records_of_both_kinds_are_json_lines(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        journal.record(UsageRecord(id="r1", started_at=1.0, operation="chat", api_token_id="t"))
        await journal.record(Undelivered(undelivered="r1"))
        assert lines_in(tmp_path) == [
            b'{"id":"r1","started_at":1.0,"operation":"chat","api_token_id":"t"}\n',
            b'{"undelivered":"r1"}\n',
        ]


async def test_lines_of_one_turn_share_a_future_and_keep_their_order(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        futures = [journal.append(b"%d" % number) for number in range(100)]
        assert len(set(futures)) == 1
        assert lines_in(tmp_path) == []
        await futures[0]
        assert lines_in(tmp_path) == [b"%d\n" % number for number in range(100)]
        assert journal.append(b"later") is not futures[0]


async def test_a_cancelled_waiter_leaves_the_others_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        both_wait = asyncio.Event()

        async def wait(line: bytes) -> bytes:
            future = journal.append(line)
            both_wait.set()
            await future
            return line

        leaving, staying = asyncio.ensure_future(wait(b"a")), asyncio.ensure_future(wait(b"b"))
        await both_wait.wait()
        leaving.cancel()
        assert await staying == b"b"
        with pytest.raises(asyncio.CancelledError):
            await leaving
        assert sorted(lines_in(tmp_path)) == [b"a\n", b"b\n"]


async def test_with_fsync_turns_that_end_meanwhile_are_all_acknowledged(tmp_path: Path) -> None:
    with opened(tmp_path, fsync=True) as journal:
        futures = []
        for number in range(50):
            futures.append(journal.append(b"%d" % number))
            await asyncio.sleep(0)
            if number == 25:
                journal.rotate()
        await asyncio.gather(*futures)
    assert len(lines_in(tmp_path)) == 50


async def test_close_writes_what_is_waiting(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        future = journal.append(b"last")
    await future
    assert lines_in(tmp_path) == [b"last\n"]


async def test_rotation_hands_out_the_complete_segment_and_nothing_when_empty(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        assert journal.rotate() is None
        await journal.append(b"one")
        segment = journal.rotate()
        assert segment is not None
        assert segment.read_bytes() == b"one\n"
        assert journal.sealed() == [segment]
        await journal.append(b"two")
        assert segment.read_bytes() == b"one\n"


async def test_an_unused_journal_leaves_nothing_behind(tmp_path: Path) -> None:
    with opened(tmp_path):
        pass
    assert names_in(tmp_path) == ["journal.lock"]


async def test_a_full_disk_refuses_the_whole_turn_and_leaves_whole_lines(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.append(b"kept")
        with files_no_larger_than(LIMIT_BYTES):
            refused = [journal.append(b"x" * 1500) for _ in range(3)]
            with pytest.raises(JournalUnavailable):
                await refused[2]
            assert not journal.is_writable
            assert lines_in(tmp_path) == [b"kept\n"]


async def test_a_full_disk_still_takes_a_turn_that_fits(tmp_path: Path) -> None:
    with opened(tmp_path) as journal, files_no_larger_than(LIMIT_BYTES):
        with pytest.raises(JournalUnavailable):
            await journal.append(b"x" * LIMIT_BYTES)
        await journal.append(b"fits")
        assert lines_in(tmp_path) == [b"fits\n"]


async def test_the_journal_finds_out_by_itself_that_there_is_room_again(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        with files_no_larger_than(LIMIT_BYTES), pytest.raises(JournalUnavailable):
            await journal.append(b"x" * LIMIT_BYTES)
        await until(lambda: journal.is_writable)
        assert lines_in(tmp_path) == []
        await journal.append(b"again")
        assert lines_in(tmp_path) == [b"again\n"]


async def test_a_failure_that_nobody_waits_for_is_quiet(tmp_path: Path) -> None:
    with opened(tmp_path) as journal, files_no_larger_than(LIMIT_BYTES):
        journal.append(b"x" * LIMIT_BYTES)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not journal.is_writable


async def test_two_writers_use_files_of_their_own_and_neither_takes_the_other_for_dead(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        await one.append(b"one")
        await other.append(b"other")
        assert claim_dead(tmp_path) == []
        assert sorted(lines_in(tmp_path)) == [b"one\n", b"other\n"]


async def test_what_an_ended_writer_left_is_claimed_once(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        await journal.append(b"left")
    (dead,) = claim_dead(tmp_path)
    assert claim_dead(tmp_path) == []
    (segment,) = dead.segments()
    segment.unlink()
    dead.release()
    assert claim_dead(tmp_path) == []
