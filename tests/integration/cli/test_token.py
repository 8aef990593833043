"""`aqueduct token`, as a user types it."""

import json
import re

from tests.integration.cli.conftest import CommandLine


def test_a_value_is_printed_once_alone_on_standard_output(command_line: CommandLine) -> None:
    done = command_line.run("token", "create", "--name", "ci", "--expires", "30d", "--models", "a, b-*")
    assert done.returncode == 0
    assert re.fullmatch(r"aq-[A-Za-z0-9_-]{43}\n", done.stdout)
    assert "Created `ci`" in done.stderr
    assert done.stdout.strip() not in done.stderr
    listed = command_line.output("token", "list")
    assert done.stdout.strip() not in listed
    assert "a, b-*" in listed
    assert "active" in listed


def test_a_list_for_programs_is_json(command_line: CommandLine) -> None:
    command_line.output("token", "create", "--name", "ci", "--expires", "2099-12-31")
    (api_token,) = json.loads(command_line.output("token", "list", "--json"))
    assert api_token["name"] == "ci"
    assert api_token["expires_at"] == "2100-01-01T00:00:00Z"
    assert api_token["allowed_models"] is None


def test_rotate_prints_another_value_and_revoke_ends_it(command_line: CommandLine) -> None:
    first = command_line.output("token", "create", "--name", "ci")
    second = command_line.output("token", "rotate", "ci", "--grace", "1h")
    assert re.fullmatch(r"aq-[A-Za-z0-9_-]{43}\n", second)
    assert first != second
    assert command_line.output("token", "revoke", "ci") == ""
    assert "revoked" in command_line.output("token", "list")
    assert "There is no token `ci`" in command_line.error("token", "revoke", "ci")


def test_mistakes_are_one_line_and_status_1(command_line: CommandLine) -> None:
    command_line.output("token", "create", "--name", "ci")
    assert "already a token named `ci`" in command_line.error("token", "create", "--name", "ci")
    assert "`soon` is not a duration" in command_line.error("token", "create", "--name", "x", "--expires", "soon")
    assert "not a list of models" in command_line.error("token", "create", "--name", "x", "--models", "a,,b")
    assert "already passed" in command_line.error("token", "create", "--name", "x", "--expires", "2020-01-01")


def test_without_a_data_directory_nothing_is_made(fresh: CommandLine) -> None:
    assert "There is no data directory" in fresh.error("token", "create", "--name", "x")
    assert not fresh.data_dir.exists()


def test_a_wrong_setting_is_named_and_an_unknown_one_is_a_warning(command_line: CommandLine) -> None:
    wrong = CommandLine(command_line.data_dir, {"AQUEDUCT_PORT": "many"})
    assert "AQUEDUCT_PORT" in wrong.error("token", "list")
    unknown = CommandLine(command_line.data_dir, {"AQUEDUCT_DATABSE_URL": "x"}).run("token", "list")
    assert unknown.returncode == 0
    assert "Did you mean AQUEDUCT_DATABASE_URL?" in unknown.stderr
