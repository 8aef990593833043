"""Which config file a command takes, and what it says of that; `aqueduct models --probe` as scripts see it."""

import json
import socket

from tests.integration.cli.conftest import CommandLine
from tests.migrated import make_tables

from aqueduct.settings import Settings

TEXT = """\
providers:
  - {{name: lab, kind: openai, base_url: "http://127.0.0.1:{port}/v1"}}
  - {{name: spare, kind: local}}
models:
  - name: small
    cache: {{ttl: 60}}
    targets: [{{provider: lab, model: x}}]
"""


def test_commands_take_the_file_that_the_gateway_was_started_with(command_line: CommandLine) -> None:
    path = command_line.data_dir.parent / "aqueduct.yaml"
    with socket.socket() as refusing:
        refusing.bind(("127.0.0.1", 0))
        path.write_text(TEXT.format(port=refusing.getsockname()[1]))
        unnamed = command_line.run("check")
        assert "smollm2-135m" in unnamed.stdout
        assert "There is an aqueduct.yaml here" in unnamed.stderr
        make_tables(Settings(data_dir=command_line.data_dir, config_file=path))
        found = command_line.run("check")
        assert (found.returncode, "lab/x" in found.stdout, "the cache" in found.stdout) == (0, True, True)
        assert f"The config is {path}" in found.stderr
        assert f"warning: {path}:3: no model has a target at the provider 'spare'" in found.stderr
        probed = command_line.run("models", "--probe", "--url", "http://127.0.0.1:1")
    assert probed.returncode == 1
    assert "cannot be reached: no connection: Connection refused" in probed.stdout
    assert "--url names another" in probed.stderr or "No API token" in probed.stderr
    cleared = command_line.run("cache", "clear", "--model", "smal")
    assert "Did you mean `small`?" in cleared.stderr
    assert "Cleared" not in cleared.stderr


def test_an_amount_is_changed_as_it_was_given_and_shown_as_the_admin_api_does(command_line: CommandLine) -> None:
    command_line.output("organisation", "create", "acme")
    budget_id = command_line.output("budget", "create", "5/month", "--organisation", "acme").strip()
    command_line.output("budget", "change", budget_id, "12.50/month")
    (shown,) = json.loads(command_line.output("budget", "list", "--json"))
    assert (shown["amount"], shown["spent"], shown["period_began_at"][-10:]) == ("12.5", "0", "T00:00:00Z")
