"""The reference pages say all there is, and nothing that is not: each is compared with the code it describes."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer
from pydantic import ByteSize
from tests.docs.pages import REFERENCE, blocks, table_rows
from tests.gateway_process import GatewayProcess

from aqueduct import cli
from aqueduct.admin_api.application import describe_application
from aqueduct.admin_api.schemas import PREFIX
from aqueduct.config import schema, steering_nodes
from aqueduct.domain.http import PLAIN_TIMEOUTS, STREAM_TIMEOUTS
from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import AllTargetsFailed, AqueductError, InvalidRequest, RequestError, UpstreamError
from aqueduct.providers.openai import GOVERNED_FIELDS
from aqueduct.providers.registry import KINDS
from aqueduct.settings import FILE_NAMES, UNPREFIXED, Settings, variable
from aqueduct.wire.errors import render
from aqueduct.wire.openapi import PREFIXES, build_openapi

SETTINGS = REFERENCE / "settings.md"
ERRORS = REFERENCE / "errors.md"
COMMANDS = REFERENCE / "commands.md"
CONFIG = REFERENCE / "config.md"

UNREACHED = {"target_down", "upstream_error", "upstream_rejected"}
"""Codes that are recorded of attempts, but that no client is answered with."""


def descendants(kind: type[AqueductError]) -> Iterator[type[AqueductError]]:
    for child in kind.__subclasses__():
        yield child
        yield from descendants(child)


def command_paths(command: object, path: str = "aqueduct") -> Iterator[tuple[str, object]]:
    """Yield every command that does something, with the words that call it."""
    children = getattr(command, "commands", {})
    if path != "aqueduct" and (not children or getattr(command, "invoke_without_command", False)):
        yield path, command
    for name, child in children.items():
        yield from command_paths(child, f"{path} {name}")


def written(default: object) -> str | None:
    """Write a setting's default as its page does; None where the page has words for it."""
    match default:
        case None | ():
            return None
        case bool():
            return str(default).lower()
        case ByteSize():
            return default.human_readable(separator="").replace(".0", "")
        case float():
            return f"{default:g}"
        case _:
            return str(default)


def test_every_setting_is_documented_with_its_default_and_no_other() -> None:
    documented = {row[0]: row[1] for row in table_rows(SETTINGS, "Settings")}
    fields = {
        name.upper() if name in UNPREFIXED else variable(name): field for name, field in Settings.model_fields.items()
    }
    assert set(documented) == set(fields)
    for name, field in fields.items():
        default = written(field.default)
        assert default is None or documented[name] == default, name


def test_every_secret_setting_is_said_to_have_a_file_twin() -> None:
    twins = {row[0] for row in table_rows(SETTINGS, "Settings") if "`_FILE` twin" in row[2]}
    assert twins == {name.removesuffix("_FILE") for name in FILE_NAMES}


def test_every_operation_of_the_admin_api_has_its_command_and_every_command_its_operation() -> None:
    rows = table_rows(COMMANDS, "Commands and the admin API")
    operations = [tuple(row[0].replace("`", "").split()) for row in rows if not row[0].startswith("none")]
    described = {
        (method.upper(), path.removeprefix(PREFIX))
        for path, item in describe_application()["paths"].items()
        for method in item
    }
    assert len(operations) == len(set(operations))
    assert set(operations) == described
    named = set(re.findall(r"aqueduct [a-z -]+[a-z]", " | ".join(row[1] for row in rows)))
    assert named == {path for path, _ in command_paths(typer.main.get_command(cli.program()))}


def test_every_command_is_documented_with_its_options_and_no_other() -> None:
    documented = {row[0]: row[1] for row in table_rows(COMMANDS, "Commands")}
    commands = dict(command_paths(typer.main.get_command(cli.program())))
    assert set(documented) == set(commands)
    for path, command in commands.items():
        options = {
            option
            for parameter in getattr(command, "params", [])
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        long_options = {option for option in options if option.startswith("--") and option != "--help"}
        assert set(re.findall(r"`(--[a-z-]+)", documented[path])) == long_options, path


def test_every_route_is_documented_and_no_other() -> None:
    documented = {(method.lower(), path) for method, path, _, _ in table_rows(ERRORS, "Paths")}
    served = {
        (method, path)
        for path, item in build_openapi()["paths"].items()
        for method in item
        if method in {"get", "post", "put", "patch", "delete"}
    }
    assert served == {(method, prefix + path) for method, path in documented for prefix in PREFIXES}


def test_the_documented_need_of_a_token_is_true() -> None:
    described = build_openapi()["paths"]
    for method, path, token, _ in table_rows(ERRORS, "Paths"):
        operation = described[path][method.lower()]
        assert (operation.get("security") == []) == (token == "no"), path


def test_every_refusal_is_documented_as_it_is_and_no_other() -> None:
    rows = [
        *table_rows(ERRORS, "What the request got wrong"),
        *table_rows(ERRORS, "What the gateway cannot do now"),
    ]
    documented = {tuple(row[:4]) for row in rows}
    kinds = [kind for kind in descendants(RequestError) if issubclass(kind, RequestError)]
    raised = {
        (str(kind.status), kind.type, kind.code or "-", "the path" if kind is InvalidRequest else kind.param or "-")
        for kind in kinds
    }
    rendered_alone = {row[:4] for row in map(tuple, rows) if row[2] in {"no_target_available", "internal_error"}}
    assert documented - rendered_alone == raised
    for error in (AllTargetsFailed([]), RuntimeError("a bug")):
        answer = render(error)
        body = msgspec.json.decode(answer.body)["error"]
        assert (str(answer.status), body["type"], body["code"], body["param"] or "-") in rendered_alone
    assert {row[2] for row in rows if "not to be retried" in row[4]} == {
        kind.code for kind in kinds if kind.should_retry is False
    }


def test_every_failure_of_an_upstream_is_documented_as_it_is_and_no_other() -> None:
    rows = table_rows(ERRORS, "What an upstream did")
    kinds = {kind.code: kind for kind in descendants(UpstreamError) if issubclass(kind, UpstreamError)}
    assert {row[2] for row in rows} == set(kinds) - UNREACHED
    for status, kind, code, meaning in rows:
        answer = render(AllTargetsFailed([kinds[code]("it failed")]))
        body = msgspec.json.decode(answer.body)["error"]
        assert (str(answer.status), body["type"], body["code"]) == (status, kind, code)
        assert ((b"x-should-retry", b"false") in answer.headers) == ("not to be retried" in meaning), code


@pytest.mark.parametrize(
    ("heading", "node"),
    [
        ("providers", schema.ProviderNode),
        ("models", schema.ModelNode),
        ("targets", schema.TargetNode),
        ("timeouts", schema.TimeoutsNode),
        ("price", schema.PriceNode),
        ("breaker", schema.BreakerNode),
        ("health_check", schema.HealthCheckNode),
        ("limits", schema.TargetLimitsNode),
        ("hedge", schema.HedgeNode),
        ("retries", schema.RetriesNode),
        ("cache", schema.CacheNode),
        ("rules", steering_nodes.RuleNode),
        ("when", steering_nodes.WhenNode),
        ("percentage", steering_nodes.PercentageNode),
        ("mirror", steering_nodes.MirrorNode),
    ],
)
def test_every_key_of_the_config_is_documented_and_no_other(heading: str, node: type[msgspec.Struct]) -> None:
    documented = {row[0]: row[1] for row in table_rows(CONFIG, heading)}
    fields = {field.encode_name: field for field in msgspec.structs.fields(node)}
    assert set(documented) == set(fields)
    required = {name for name, field in fields.items() if field.required}
    assert {name for name, default in documented.items() if default == "required"} == required


def test_the_documented_timeouts_are_the_defaults() -> None:
    for name, plain, stream, _ in table_rows(CONFIG, "timeouts"):
        for shown, defaults in ((plain, PLAIN_TIMEOUTS), (stream, STREAM_TIMEOUTS)):
            default = getattr(defaults, f"{name}_seconds")
            assert shown == "none" if default is None else float(shown) == default


def test_every_kind_and_every_way_of_structured_output_is_documented() -> None:
    text = CONFIG.read_text()
    words = {*KINDS, *(way.value for way in StructuredOutput), *GOVERNED_FIELDS}
    assert {word for word in words if f"`{word}`" not in text} == set()


def test_the_config_of_the_page_is_accepted(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path, settings={"OPENAI_API_KEY": "sk-of-nobody"})
    config = tmp_path / "page.yaml"
    config.write_text(blocks(CONFIG, "yaml")[0])
    shown = process.run("check", "--config", str(config))
    assert "gpt-4.1" in shown
    assert "sk-of-nobody" not in shown
