"""The guide to backups, typed as it stands, in order."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.docs.pages import ROOT, runnable_blocks
from tests.migrated import lay_out, make_tables
from tests.postgres_server import PostgresServer

from aqueduct.settings import Settings

GUIDE = ROOT / "docs" / "guides" / "backup.md"


def test_the_guides_commands_bring_everything_to_where_they_say(
    tmp_path: Path, sqlite_template: Path, postgres: PostgresServer
) -> None:
    settings = Settings(data_dir=tmp_path / "aqueduct-data")
    lay_out(settings, sqlite_template)
    make_tables(settings)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AQUEDUCT_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
        "POSTGRESQL_URL": postgres.create_database(),
    }

    def run(text: str) -> str:
        done = subprocess.run(
            ["bash", "-e", "-c", text],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("aqueduct token create --name ci")
    back_up, restore, move, return_ = runnable_blocks(GUIDE, "bash")
    run(back_up)
    assert (tmp_path / "backup.db").stat().st_mode & 0o077 == 0
    restored = run(restore)
    assert "api_tokens\t1" in restored
    assert re.search(r"command line, \w+.*restore.*database.*backup.db", restored)
    assert "ci" in run(move)
    assert "api_tokens\t1" in run(return_)
    assert "ci" in run("aqueduct token list")
