"""Brings `.venv` up to date with the hashed lock: `environment.py [--is-current] serve [test] [check]`.

Runs before anything is installed, so it needs only the standard library. What was installed is remembered by the hash
of its lock, and a later run that finds nothing changed touches nothing; `--is-current` only tells, by its exit status.
One run at a time holds a file lock; a run that was interrupted leaves a mark, and the next one starts the environment
anew.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
STATE = ENVIRONMENT / "aqueduct-set-up"
UNFINISHED = STATE / "unfinished"
IDENTITY = STATE / "identity"
LOG = ENVIRONMENT / "install.log"

PURPOSES = {
    "serve": "what the gateway needs (180 MB, half of it the embedded model)",
    "test": "what the tests need",
    "check": "what the checks need",
}

IMPORTED = (
    "aqueduct.app",
    "aqueduct.cli",
    "aqueduct.config.price_catalogue",
    "aqueduct.gateway.schema.worker",
    "aqueduct.local.child",
    "aqueduct.local.litellm.child",
    "aiosqlite",
    "alembic.command",
    "asyncpg",
    "uvloop",
)

# The lock is complete, so pip has nothing to resolve. Compiling every module would cost half the installation's time
# again; `compile_what_is_imported` does those that matter.
PIP_INSTALL = ("-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--no-deps", "--no-compile")
FROM_LOCK = ("--require-hashes", "--only-binary", ":all:", "--retries", "3", "--progress-bar", "off")
THE_PROJECT = ("--no-build-isolation", "--no-index", "--editable", str(ROOT))

PACKAGE = re.compile(r"(?:Collecting|Requirement already satisfied:) ([\w.-]+)")
UNREACHABLE = re.compile(
    "NewConnectionError|NameResolutionError|name resolution|ConnectTimeoutError|ReadTimeoutError|ProxyError|SSLError"
    "|Network is unreachable|Connection refused|Connection reset"
)


class SetUpError(Exception):
    """The environment could not be made; the message says what to do about it."""


def identity() -> str:
    """Name the place and the interpreter that an environment is bound to: it survives neither's move."""
    return f"{ENVIRONMENT}\n{PYTHON.resolve()}\n"


def fingerprint(source: Path) -> str:
    """Return the hash by which a lock, or the project's own description, is remembered."""
    return hashlib.sha256(source.read_bytes()).hexdigest()


def sources(layers: Sequence[str]) -> dict[str, Path]:
    """Map the name of each thing to install to the file that says what it is; the project itself comes last."""
    return {**{layer: ROOT / "requirements" / f"{layer}.txt" for layer in layers}, "project": ROOT / "pyproject.toml"}


def read(path: Path) -> str | None:
    """Return a small file's text, or None where there is none."""
    try:
        return path.read_text()
    except OSError:
        return None


def stale(layers: Sequence[str]) -> dict[str, Path]:
    """Return those of `sources` that are not installed as they are now."""
    wanted = sources(layers)
    if read(IDENTITY) != identity() or not PYTHON.exists() or UNFINISHED.exists():
        return wanted
    return {name: source for name, source in wanted.items() if read(STATE / name) != fingerprint(source)}


def say(message: str) -> None:
    """Tell the person; standard output belongs to what runs afterwards."""
    print(message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def one_at_a_time() -> Iterator[TextIO]:
    """Hold the lock beside the environment, waiting for another run to end."""
    with (ROOT / ".venv.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another run is setting up .venv: waiting for it.")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock


def create(lock: TextIO) -> None:
    """Make the environment, anew if there is a broken one; one that somebody else made is used as it is."""
    is_ours = STATE.exists()
    if PYTHON.exists() and not (is_ours and (UNFINISHED.exists() or read(IDENTITY) != identity())):
        outdated = "import sys; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([PYTHON, "-c", outdated], check=False).returncode != 0:
            raise SetUpError(f"{ENVIRONMENT} has an older Python than 3.11: remove it and run this again.")
        mark_unfinished()
        if subprocess.run([PYTHON, "-c", "import pip"], check=False, capture_output=True).returncode != 0:
            run([str(PYTHON), "-m", "ensurepip"], lock)
        return
    run([sys.executable, "-m", "venv", "--clear", str(ENVIRONMENT)], lock)
    mark_unfinished()


def mark_unfinished() -> None:
    """Leave the mark by which the next run knows that this one did not end."""
    STATE.mkdir(exist_ok=True)
    UNFINISHED.touch()


def run(command: list[str], lock: TextIO, total: int = 0) -> None:
    """Run a command, its output into the log; `total` is how many packages to count on a terminal.

    The child holds the lock too, so that it cannot outlive its parent beside a second run.
    """
    held = [lock.fileno()]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, pass_fds=held) as process:
        output = collect(process.stdout or (), total if sys.stderr.isatty() else 0)
    if ENVIRONMENT.is_dir():
        with LOG.open("a") as log:
            log.write(f"$ {' '.join(command)}\n{output}\n")
    if process.returncode != 0:
        raise SetUpError(explain(command, output))


def collect(lines: Iterable[str], total: int) -> str:
    """Return all of pip's output, counting its packages on one line of the terminal meanwhile."""
    output = []
    count = 0
    for line in lines:
        output.append(line)
        if total and (match := PACKAGE.match(line)):
            count += 1
            print(f"\r\x1b[K  {count}/{total} {match[1]}", end="", file=sys.stderr, flush=True)
    if count:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
    return "".join(output)


def explain(command: Sequence[str], output: str) -> str:
    """Say in a few lines why a command failed, and what helps."""
    lines = output.splitlines()
    errors = [line for line in lines if line.lower().startswith("error")] or lines
    if "ensurepip" in output and "venv" in command:
        hint = "Python's venv module is not whole. On Debian and Ubuntu: apt install python3-venv"
    elif "No space left on device" in output:
        hint = f"The disk is full: {ROOT} needs about 400 MB."
    elif "Read-only file system" in output or "Permission denied" in output:
        hint = f"{ENVIRONMENT} cannot be written to."
    elif UNREACHABLE.search(output):
        hint = "The package index could not be reached. Check the network, or set PIP_INDEX_URL to a mirror of yours."
    elif "No matching distribution" in output:
        hint = "The package index has no prebuilt package for this system (docs/guides/install.md says which have)."
    else:
        hint = f"A command failed: {' '.join(command)}"
    return "\n  ".join([hint, *errors[-3:], f"The whole output is in {LOG}."])


def install(name: str, source: Path, lock: TextIO) -> None:
    """Install one layer of the lock, or the project itself."""
    if name == "project":
        run([str(PYTHON), *PIP_INSTALL, *THE_PROJECT], lock)
        return
    total = len(re.findall(r"^[\w.-]+==", source.read_text(), re.MULTILINE))
    if (STATE / name).exists():
        say(f"Updating to the changed requirements/{source.name} …")
    else:
        say(f"Installing {PURPOSES[name]} into .venv …")
    run([str(PYTHON), *PIP_INSTALL, *FROM_LOCK, "-r", str(source)], lock, total)


def compile_what_is_imported() -> None:
    """Have Python keep the compiled modules that starting takes.

    It would do so by itself at the first start, but not where PYTHONDONTWRITEBYTECODE is set (containers set it): there
    every start would take a second longer. The migrations and the processes beside the gateway count too. Nothing
    depends on it, so a failure is left for the start to show.
    """
    writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Each by itself: one that cannot be imported, since an extra is missing, keeps no other back.
    code = "import contextlib, importlib\n" + "\n".join(
        f"with contextlib.suppress(ImportError): importlib.import_module({module!r})" for module in IMPORTED
    )
    subprocess.run([str(PYTHON), "-c", code], env=writing, capture_output=True, check=False)


def bring_up_to_date(layers: Sequence[str]) -> None:
    """Install what is stale, and remember it."""
    if not stale(layers):
        return
    started_at = time.monotonic()
    with one_at_a_time() as lock:
        wanted = stale(layers)
        if not wanted:
            return
        create(lock)
        for name, source in wanted.items():
            install(name, source, lock)
            (STATE / name).write_text(fingerprint(source))
        compile_what_is_imported()
        IDENTITY.write_text(identity())
        UNFINISHED.unlink()
    say(f"Installed in {time.monotonic() - started_at:.0f} s.")


def main(arguments: Sequence[str]) -> int:
    """Do it, and turn a failure into a message; returns the exit status."""
    layers = [argument for argument in arguments if argument != "--is-current"]
    if len(layers) != len(arguments):
        return 1 if stale(layers) else 0
    try:
        bring_up_to_date(layers)
    except SetUpError as failure:
        say(f"error: {failure}")
    except OSError as failure:
        say(f"error: {failure.filename or ROOT} cannot be written to: {failure.strerror}.")
    except KeyboardInterrupt:
        say("\nInterrupted; the next run starts over.")
        return 130
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
