"""Data in base64 is told from what is none, in a time that does not grow with it."""

import base64
import time

import pytest

from aqueduct.providers.base64_data import in_first_alphabet, is_base64, split_data_url, without_spaces

LONG = base64.b64encode(bytes(range(256)) * 40_000).decode()


def test_a_data_url_is_split_by_its_head_alone() -> None:
    assert split_data_url("data:image/PNG;base64,AAAA") == ("image/png", "AAAA", True)
    assert split_data_url("DATA:;name=a.pdf;BASE64,A,B") == ("", "A,B", True)
    assert split_data_url("data:text/plain;charset=utf-8,base64,") == ("text/plain", "base64,", False)
    assert split_data_url("https://a.example/b") is None
    assert split_data_url("data:" + "x" * 600 + ";base64,AAAA") is None


@pytest.mark.parametrize("data", ["", "AAAA", "AA==", "AAA=", "a+/9", LONG, LONG[:-4] + "AA=="])
def test_base64_is_taken(data: str) -> None:
    assert is_base64(data)


@pytest.mark.parametrize(
    "data",
    ["A", "AAAAA", "A===", "AA=A", "AA A", "ÄAAA", "-_-_", LONG[1:], "=" + LONG[1:], LONG[:-1] + "!", "~" * 80_000],
)
def test_what_is_no_base64_is_refused(data: str) -> None:
    assert not is_base64(data)


def test_the_other_alphabet_and_line_ends_are_made_plain() -> None:
    assert in_first_alphabet("-_-_A") == "+/+/A==="
    assert in_first_alphabet("AA") == in_first_alphabet("AA==") == "AA=="
    assert without_spaces("AA\r\n AA\t") == "AAAA"


def test_an_image_of_many_megabytes_keeps_the_event_loop_for_a_moment_only() -> None:
    data, broken = LONG * 4, LONG * 4 + "A"
    started = time.process_time()
    assert is_base64(data)
    assert not is_base64(broken)
    assert time.process_time() - started < 0.01
    spread = "A " * 5_000_000
    started = time.process_time()
    assert len(without_spaces(spread)) == 5_000_000
    assert time.process_time() - started < 0.5
