"""What a client may ask of the cache."""

import pytest

from aqueduct.domain.cache import CachePolicy
from aqueduct.errors import InvalidRequest
from aqueduct.gateway.cache.directives import read_directives

ALWAYS = CachePolicy(ttl_seconds=60, is_always=True, max_bytes=1000, version="v")
ASKED = CachePolicy(ttl_seconds=60, is_always=False, max_bytes=1000, version="v")


def read(policy: CachePolicy, word: bytes = b"", control: bytes | None = None) -> tuple[bool, bool, float]:
    headers = {b"x-aqueduct-cache": word} if word else {}
    return read_directives(headers | ({} if control is None else {b"cache-control": control}), policy)


@pytest.mark.parametrize(
    ("word", "always", "asked"),
    [
        (b"", (True, True), (False, False)),
        (b" Use ", (True, True), (True, True)),
        (b"refresh", (False, True), (False, True)),
        (b"bypass", (False, False), (False, False)),
    ],
)
def test_the_header_s_words(word: bytes, always: tuple[bool, bool], asked: tuple[bool, bool]) -> None:
    assert read(ALWAYS, word)[:2] == always
    assert read(ASKED, word)[:2] == asked


@pytest.mark.parametrize(
    ("control", "expected"),
    [
        (b"no-cache", (False, True, 60)),
        (b"No-Store", (True, False, 60)),
        (b"max-age=5, no-store", (True, False, 5)),
        (b'max-age="5"', (True, True, 5)),
        (b"max-age=99999999999999999999", (True, True, 60)),
        (b"max-age=-1, min-fresh=3,, x", (True, True, 60)),
        (b"", (True, True, 60)),
    ],
)
def test_cache_control_as_the_rfc_has_it(control: bytes, expected: tuple[bool, bool, float]) -> None:
    assert read(ALWAYS, b"", control) == expected


def test_another_word_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(ALWAYS, b"no")
    assert caught.value.param == "x-aqueduct-cache"


def test_only_who_takes_any_answer_and_lets_his_own_be_kept_shares_one_that_is_being_made() -> None:
    def shares(control: bytes) -> bool:
        return read_directives({b"cache-control": control}, ALWAYS).shares(ALWAYS)

    assert [shares(each) for each in (b"", b"max-age=60", b"max-age=59", b"no-store", b"no-cache")] == [
        True,
        True,
        False,
        False,
        False,
    ]
