"""The command, run as a user runs it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.aqueduct_process import run_aqueduct
from tests.migrated import lay_out, make_tables

from aqueduct.settings import Settings

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True)
class CommandLine:
    """Runs `aqueduct` on one data directory."""

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of the command: nothing of ours but what the test says."""
        names = {name for name in os.environ if name.startswith("AQUEDUCT_") or name.lower() in PROXIES}
        inherited = {name: value for name, value in os.environ.items() if name not in names}
        return {**inherited, "AQUEDUCT_DATA_DIR": str(self.data_dir), **self.settings}

    def run(self, *arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return run_aqueduct(*arguments, environment=self.environment, folder=self.data_dir.parent, text=text)

    def output(self, *arguments: str) -> str:
        """Return what a command that must succeed prints."""
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def error(self, *arguments: str) -> str:
        """Return the one line that a command that must fail says, having printed nothing."""
        done = self.run(*arguments)
        assert (done.returncode, done.stdout) == (1, ""), done
        assert done.stderr.startswith("aqueduct: ")
        assert done.stderr.count("\n") == 1
        return done.stderr


@pytest.fixture
def fresh(tmp_path: Path) -> CommandLine:
    """A command line on a data directory that nobody has made."""
    return CommandLine(tmp_path / "data")


@pytest.fixture
def command_line(fresh: CommandLine, sqlite_template: Path) -> CommandLine:
    """A command line on a data directory as `serve` leaves it."""
    settings = Settings(data_dir=fresh.data_dir)
    lay_out(settings, sqlite_template)
    make_tables(settings)
    return fresh
