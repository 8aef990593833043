"""The ring of server keys."""

import stat
from pathlib import Path

import pytest

from aqueduct.errors import ConfigurationError
from aqueduct.settings import ServerKey
from aqueduct.storage.directory import DataDirectory
from aqueduct.storage.keys import KeyRing, create_keys, load_keys

OLD, NEW = ServerKey("old", b"o" * 32), ServerKey("new", b"n" * 32)


@pytest.fixture
def directory(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "data")
    directory.create()
    return directory


def test_new_values_are_hashed_with_the_first_key_and_found_under_every_one() -> None:
    ring = KeyRing([NEW, OLD])
    assert ring.digest("aq-x")[0] == "new"
    assert ring.digest("aq-x") == ring.candidates("aq-x")[0]
    assert KeyRing([OLD]).digest("aq-x") in ring.candidates("aq-x")


def test_the_hash_depends_on_the_key() -> None:
    assert KeyRing([OLD]).digest("aq-x")[1] != KeyRing([NEW]).digest("aq-x")[1]


def test_the_key_file_is_private_and_made_once(directory: DataDirectory) -> None:
    create_keys(directory)
    before = directory.keys.read_bytes()
    create_keys(directory)
    assert directory.keys.read_bytes() == before
    assert stat.S_IMODE(directory.keys.stat().st_mode) == 0o600


def test_keys_of_the_settings_come_first_and_those_of_the_file_still_count(directory: DataDirectory) -> None:
    create_keys(directory)
    from_file = load_keys(directory, ()).digest("aq-x")
    ring = load_keys(directory, [NEW])
    assert ring.digest("aq-x")[0] == "new"
    assert from_file in ring.candidates("aq-x")


def test_no_key_at_all_is_an_error_that_names_the_way_out(directory: DataDirectory) -> None:
    with pytest.raises(ConfigurationError, match="AQUEDUCT_HASH_KEYS"):
        load_keys(directory, ())


@pytest.mark.parametrize("content", ["", "{}", '{"hash": [{"id": "k", "key": "not hex"}]}'])
def test_a_damaged_key_file_is_an_error_that_does_not_show_it(directory: DataDirectory, content: str) -> None:
    directory.keys.write_text(content)
    with pytest.raises(ConfigurationError, match=r"damaged|missing") as caught:
        load_keys(directory, ())
    assert "not hex" not in str(caught.value)
