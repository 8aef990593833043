"""The mapped counter."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aqueduct.storage.revision import Revision


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Revision, Revision]]:
    one, other = Revision(tmp_path / "revision"), Revision(tmp_path / "revision")
    yield one, other
    one.close()
    other.close()


def test_a_change_shows_at_once_through_every_mapping(pair: tuple[Revision, Revision]) -> None:
    one, other = pair
    assert (one.read(), other.read()) == (0, 0)
    one.bump()
    assert other.read() == 1


def test_the_number_outlives_the_process_that_raised_it(tmp_path: Path) -> None:
    first = Revision(tmp_path / "revision")
    first.bump()
    first.close()
    second = Revision(tmp_path / "revision")
    assert second.read() == 1
    second.close()


def test_no_change_is_lost_among_many_at_once(pair: tuple[Revision, Revision]) -> None:
    threads = [threading.Thread(target=lambda each=each: [each.bump() for _ in range(200)]) for each in pair * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pair[0].read() == 800


def test_it_says_what_changes_concerned(pair: tuple[Revision, Revision]) -> None:
    one, other = pair
    one.bump({"tok_1"})
    other.bump({"usr_1", "tem_2"})
    assert one.concerned(0, 2) == frozenset({"tok_1", "usr_1", "tem_2"})
    assert other.concerned(1, 2) == frozenset({"usr_1", "tem_2"})
    assert other.concerned(2, 2) == frozenset()


@pytest.mark.parametrize("concerned", [None, {f"tok_{number:016x}" for number in range(100)}])
def test_a_change_may_concern_everything(pair: tuple[Revision, Revision], concerned: set[str] | None) -> None:
    one, other = pair
    one.bump({"tok_1"})
    one.bump(concerned)
    one.bump({"tok_2"})
    assert other.concerned(0, 3) is None
    assert other.concerned(2, 3) == frozenset({"tok_2"})


def test_what_was_overwritten_or_never_written_may_be_everything(pair: tuple[Revision, Revision]) -> None:
    one, other = pair
    for _ in range(2000):
        one.bump({"tok_1"})
    assert other.concerned(0, 2000) is None
    assert other.concerned(1990, 2000) == frozenset({"tok_1"})
    assert other.concerned(2000, 1) is None


def test_it_knows_which_changes_it_has_been_told_of(pair: tuple[Revision, Revision]) -> None:
    one, other = pair
    assert not one.has_told("chg_1")
    one.bump({"tok_1", "chg_1"})
    one.bump()
    assert other.has_told("chg_1")
    assert not other.has_told("chg_2")
    for _ in range(600):
        one.bump({"tok_1"})
    assert not other.has_told("chg_1")
