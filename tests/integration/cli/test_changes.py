"""Changing what is there from the command line, and taking back what was set."""

import json
from typing import Any

from tests.integration.cli.conftest import CommandLine


def shown(command_line: CommandLine, *command: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(command_line.output(*command))
    return found


def test_a_token_is_changed_cleared_and_regenerated(command_line: CommandLine) -> None:
    value = command_line.output("token", "create", "--name", "ci", "--expires", "30d", "--models", "a,b")
    command_line.output(
        "token", "change", "ci", "--rename", "cd", "--networks", "10.0.0.0/8", "--clear", "expires,models"
    )
    changed = shown(command_line, "token", "show", "cd")
    assert (changed["expires_at"], changed["allowed_models"], changed["ip_allow_list"]) == (None, None, ["10.0.0.0/8"])
    assert command_line.output("token", "regenerate", "cd") != value
    assert "nothing to change" in command_line.error("token", "change", "cd")
    assert "cannot be cleared" in command_line.error("token", "change", "cd", "--clear", "name")
    assert "both given and cleared" in command_line.error(
        "token", "change", "cd", "--networks", "::/0", "--clear", "networks"
    )


def test_a_limit_a_budget_and_a_rule_are_changed(command_line: CommandLine) -> None:
    command_line.output("organisation", "create", "acme")
    whom = ("--organisation", "acme")
    weights = ("--multipliers", "gpt-*=2,a=b=0.5", "--model", "x")
    limit = command_line.output("limit", "create", *whom, "--requests-per-minute", "5", *weights).strip()
    assert shown(command_line, "limit", "show", limit)["multipliers"] == {"gpt-*": 2, "a=b": 0.5}
    command_line.output("limit", "change", limit, "--amount", "7", "--clear", "multipliers,model")
    changed = shown(command_line, "limit", "show", limit)
    assert (changed["amount"], changed["multipliers"], changed["model_pattern"]) == (7, {}, None)
    assert "multiplier" in command_line.error("limit", "change", limit, "--multipliers", "gpt=-1")
    budget = command_line.output("budget", "create", *whom, "5/month", "--alerts", "50").strip()
    command_line.output("budget", "change", budget, "7.5", "--soft", "--clear", "alerts")
    changed = shown(command_line, "budget", "show", budget)
    assert (changed["amount"], changed["is_hard"], changed["alert_thresholds"]) == ("7.5", False, [])
    rule = command_line.output("model-rule", "create", *whom, "--allow", "a").strip()
    command_line.output("model-rule", "change", rule, "--clear", "allow", "--deny", "b", "--alone")
    changed = shown(command_line, "model-rule", "show", rule)
    assert (changed["allow"], changed["deny"], changed["inherits"]) == (None, ["b"], False)
