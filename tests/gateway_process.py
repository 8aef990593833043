"""A real gateway in a process of its own, as a user starts it."""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.aqueduct_process import Process, run_aqueduct, start_aqueduct, start_installed
from tests.migrated import lay_out, sqlite_template

from aqueduct.settings import Settings

START_SECONDS = 60.0
STOP_SECONDS = 45.0


def free_port() -> int:
    """Return a port that nothing listens on right now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class GatewayProcess:
    """`aqueduct serve` on a free port with a data directory of its own.

    `config` is the text of an `aqueduct.yaml` (None: the embedded model alone), `settings` are `AQUEDUCT_*` variables.
    Use it as a context manager: it waits until the gateway is ready, and at the end insists on a clean exit.
    `is_installed` has it start as a user's does: the installed executable on nothing. Otherwise the process is forked
    from one that has imported everything, and finds a database with tables.
    """

    def __init__(
        self,
        folder: Path,
        config: str | None = None,
        settings: Mapping[str, str] | None = None,
        *,
        is_installed: bool = False,
    ) -> None:
        self.data_dir = folder / "data"
        self.config_file = folder / "aqueduct.yaml"
        self.log_file = folder / "gateway.log"
        self.port = free_port()
        self.token = ""
        self._settings = dict(settings or {})
        self._has_config = config is not None
        self._is_installed = is_installed
        if config is not None:
            self.config_file.write_text(config)
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """The base URL, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running.pid

    @property
    def log(self) -> str:
        """What the process has printed so far."""
        return self.log_file.read_text(errors="replace")

    @property
    def environment(self) -> dict[str, str]:
        """The environment of the gateway and of commands on its data directory."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
        # A proxy of the machine is for packages; the tests' upstreams are on this host.
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            inherited.pop(name, None)
            inherited.pop(name.upper(), None)
        return {**inherited, **self._settings, "AQUEDUCT_DATA_DIR": str(self.data_dir)}

    def start(self) -> Self:
        """Start the process and wait until it is ready and its first token, if it has made one, is known."""
        arguments = ["--port", str(self.port)]
        if self._has_config:
            arguments += ["--config", str(self.config_file)]
        if not (self._is_installed or self.data_dir.exists() or "AQUEDUCT_DATABASE_URL" in self._settings):
            lay_out(Settings(data_dir=self.data_dir), sqlite_template())
        start = start_installed if self._is_installed else start_aqueduct
        with self.log_file.open("ab") as log:
            self._process = start(
                "serve", *arguments, environment=self.environment, folder=self.log_file.parent, stdout=log, stderr=log
            )
        self._wait_until_ready()
        first_token = self.data_dir / "first-token"
        self.token = first_token.read_text().strip() if first_token.exists() else ""
        return self

    def stop(self) -> None:
        """End the process as a service manager does, and insist that it ends by itself and cleanly."""
        process = self._running
        process.send_signal(signal.SIGTERM)
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"the gateway did not end:\n{self.log[-5000:]}") from None
        self._process = None
        if status != 0:
            raise AssertionError(f"the gateway ended with status {status}:\n{self.log[-5000:]}")

    def kill(self) -> None:
        """End the process without a warning."""
        self._running.kill()
        self._running.wait()
        self._process = None

    def wait(self, timeout_seconds: float = STOP_SECONDS) -> int:
        """Wait for the process to end by itself and return its status."""
        status = self._running.wait(timeout_seconds)
        self._process = None
        return status

    def terminate(self) -> None:
        """Tell the process to end, without waiting for it."""
        self._running.send_signal(signal.SIGTERM)

    def run(self, *arguments: str, status: int = 0) -> str:
        """Run an `aqueduct` command on the gateway's data directory, which is to end so; return what it printed."""
        done = run_aqueduct(*arguments, environment=self.environment, folder=self.log_file.parent)
        if done.returncode != status:
            raise AssertionError(f"aqueduct {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def create_token(self, *options: str) -> str:
        """Create an API token and return its value."""
        return self.run("token", "create", "--name", f"test-{secrets.token_hex(4)}", *options).strip()

    def usage(self, request_id: str) -> dict[str, Any]:
        """Return the usage record of a request, once it has reached the database."""
        return self.find_usage(id=request_id)

    def find_usage(self, timeout_seconds: float = 10.0, **members: object) -> dict[str, Any]:
        """Return the usage record with these members, once it has reached the database."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            for record in self.usage_records():
                if all(record.get(name) == value for name, value in members.items()):
                    return record
            time.sleep(0.02)
        raise AssertionError(f"no usage record with {members}")

    def usage_records(self) -> list[dict[str, Any]]:
        """Return every usage record that has reached the database, its attempts in it.

        The table is read directly: `aqueduct usage export` shows the same, but a process each time takes too long here.
        """
        records = self.query("SELECT * FROM usage_requests ORDER BY id")
        attempts = self.query("SELECT * FROM usage_attempts ORDER BY request_id, position")
        for record in records:
            record["attempts"] = [attempt for attempt in attempts if attempt["request_id"] == record["id"]]
        return records

    def query(self, statement: str, *parameters: object) -> list[dict[str, Any]]:
        """Run a statement on the gateway's database, commit it, and return its rows."""
        with contextlib.closing(sqlite3.connect(self.data_dir / "aqueduct.db", timeout=10)) as connection, connection:
            connection.row_factory = sqlite3.Row
            rows = [dict(row) for row in connection.execute(statement, parameters)]
        for row in rows:
            if "units" in row:
                row["units"] = json.loads(row["units"])
            row.update((name, bool(row[name])) for name in ("is_stream", "is_estimated") if name in row)
        return rows

    def metric(self, name: str) -> float:
        """Return the sum of a metric's samples."""
        request = urllib.request.Request(f"{self.url}/metrics", headers={"authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: object, *_: object) -> None:
        if self._process is None:
            return
        if kind is None:
            self.stop()
        else:
            self.kill()

    @property
    def _running(self) -> Process:
        if self._process is None:
            raise AssertionError("the gateway is not running")
        return self._process

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            if self._running.poll() is not None:
                status = self.wait()
                raise AssertionError(f"the gateway ended with status {status}:\n{self.log}")
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the gateway was not ready after {START_SECONDS} seconds:\n{self.log}")
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False
