"""`aqueduct apply` and `aqueduct webhook`, as a user types them."""

import json
import re

from tests.integration.cli.conftest import CommandLine
from tests.migrated import make_tables

from aqueduct.settings import Settings

TEXT = """\
providers: [{name: up, kind: openai, base_url: "http://127.0.0.1:1/v1", api_key: "${MISSING}"}]
models: [{name: m, targets: [{provider: up, model: m}]}]
organisations:
  - name: research
    users: [{name: ada}]
"""


def test_a_file_is_applied_with_a_plan_and_then_there_is_nothing_to_do(command_line: CommandLine) -> None:
    path = command_line.data_dir.parent / "aqueduct.yaml"
    path.write_text(TEXT)
    wanted = "create organisation research\ncreate user research/ada\n"
    dry = command_line.run("apply", "--dry-run", "--file", str(path))
    assert (dry.returncode, dry.stdout) == (0, wanted)
    assert "dry run" in dry.stderr
    by_setting = CommandLine(command_line.data_dir, {"AQUEDUCT_CONFIG_FILE": str(path)})
    assert by_setting.output("apply") == wanted
    done = command_line.run("apply", "--file", str(path))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Everything is as the file says.\n")
    path.write_text(TEXT.split("organisations", maxsplit=1)[0])
    left = command_line.run("apply", "--file", str(path))
    assert (left.returncode, left.stdout) == (0, "")
    assert "`--prune` deletes them" in left.stderr
    pruned = command_line.output("apply", "--file", str(path), "--prune")
    assert pruned == "delete user research/ada\ndelete organisation research\n"


def test_the_file_that_the_gateway_was_started_with_is_meant(command_line: CommandLine) -> None:
    path = command_line.data_dir.parent / "aqueduct.yaml"
    path.write_text(TEXT)
    make_tables(Settings(data_dir=command_line.data_dir, config_file=path))
    done = command_line.run("apply")
    assert (done.returncode, done.stdout) == (0, "create organisation research\ncreate user research/ada\n")
    assert str(path) in done.stderr
    make_tables(Settings(data_dir=command_line.data_dir))
    assert "--config" in command_line.error("apply")


def test_a_mistake_in_a_file_is_one_line_with_its_place(command_line: CommandLine) -> None:
    path = command_line.data_dir.parent / "aqueduct.yaml"
    path.write_text(TEXT.replace("name: ada", "nam: ada"))
    assert f"{path}:5: 'nam' is not known here" in command_line.error("apply", "--file", str(path))
    assert "--config" in command_line.error("apply")


def test_the_gateways_own_reading_passes_what_is_declared_over(command_line: CommandLine) -> None:
    path = command_line.data_dir.parent / "aqueduct.yaml"
    path.write_text(TEXT.replace("${MISSING}", "x").replace("ada", "'${UNSET}'"))
    assert "127.0.0.1:1" in command_line.output("check", "--config", str(path))


def test_a_webhook_is_made_shown_changed_and_deleted(command_line: CommandLine) -> None:
    created = command_line.run("webhook", "create", "--name", "ops", "--url", "https://example.com/hook")
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=\n", created.stdout)
    assert created.stdout.strip() not in created.stderr
    command_line.output("webhook", "change", "ops", "--events", "target.down, config.refused", "--inactive")
    (webhook,) = json.loads(command_line.output("webhook", "list", "--json"))
    assert (webhook["events"], webhook["is_active"]) == (["target.down", "config.refused"], False)
    listed = command_line.output("webhook", "list")
    assert "https://example.com/hook" in listed
    assert created.stdout.strip() not in listed
    rotated = command_line.output("webhook", "rotate", "ops")
    assert rotated != created.stdout
    assert json.loads(command_line.output("webhook", "deliveries", "ops", "--json")) == []
    assert "Event" in command_line.output("webhook", "deliveries", "ops")
    assert command_line.output("webhook", "delete", "ops") == ""
    assert "There is no webhook `ops`" in command_line.error("webhook", "delete", "ops")


def test_a_test_message_says_what_came_of_it(command_line: CommandLine) -> None:
    create = ("webhook", "create", "--name", "ops", "--url", "http://127.0.0.1:1/")
    assert "AQUEDUCT_WEBHOOK_NETWORKS" in command_line.error(*create)
    allowed = CommandLine(command_line.data_dir, {"AQUEDUCT_WEBHOOK_NETWORKS": "127.0.0.0/8"})
    allowed.output(*create)
    assert "unreachable" in allowed.error("webhook", "test", "ops")
    assert "address_not_public" in command_line.error("webhook", "test", "ops")


def test_mistakes_about_webhooks_are_one_line(command_line: CommandLine) -> None:
    assert "https://" in command_line.error("webhook", "create", "--name", "x", "--url", "example.com")
    assert "nothing to change" in command_line.error("webhook", "change", "x")
    wrong = ("webhook", "create", "--name", "x", "--url", "https://example.com/", "--events", "all")
    assert "The events are" in command_line.error(*wrong)
