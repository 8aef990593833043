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
