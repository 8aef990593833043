"""The guide on simulation names every key of a scenario with its default, and its examples run as it says."""

import re
import subprocess
import sys
import typing
from pathlib import Path

import msgspec
import pytest
from tests.docs.pages import ROOT, blocks, table_rows

from aqueduct.simulation import scenario
from aqueduct.simulation.file import read_scenario

GUIDE = ROOT / "docs" / "guides" / "simulate.md"
EXAMPLES = ROOT / "docs" / "examples" / "simulate"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the installed program to its end."""
    command = [str(Path(sys.executable).with_name("aqueduct")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("heading", "node"),
    [
        ("The file", scenario.Scenario),
        ("traffic", scenario.TrafficNode),
        ("targets", scenario.TargetNode),
        ("outages", scenario.OutageNode),
    ],
)
def test_every_key_is_documented_with_its_default(heading: str, node: type[msgspec.Struct]) -> None:
    documented = {row[0]: row[1] for row in table_rows(GUIDE, heading)}
    fields = {field.encode_name: field for field in msgspec.structs.fields(node)}
    assert set(documented) == set(fields)
    for name, field in fields.items():
        assert (documented[name] == "required") == field.required, name
        if isinstance(field.default, int | float | str):
            default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default).lower()
            assert documented[name] == default, name


def test_every_shape_and_everything_that_may_be_expected_is_documented() -> None:
    shapes = {row[0]: set(re.findall(r"\w+", row[1])) for row in table_rows(GUIDE, "arrivals")}
    assert shapes == {
        shape.__struct_config__.tag: {field.encode_name for field in msgspec.structs.fields(shape)}
        for shape in typing.get_args(scenario.Shape)
    }
    expected = re.findall(r"\w+", " ".join(row[0] for row in table_rows(GUIDE, "expect")))
    assert set(expected) == set(scenario.ExpectNode.__struct_fields__)


@pytest.mark.parametrize("name", ["outage", "overload"])
def test_the_examples_come_out_as_they_expect(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["simulate", str(EXAMPLES / f"{name}.yaml"), "--config", str(EXAMPLES / "aqueduct.yaml"), "--json"]
    result = run(*arguments)
    assert result.returncode == 0, result.stderr
    report = msgspec.json.decode(result.stdout)
    assert report["failing"] == []
    assert report["targets"].keys() == {"azure/gpt-4.1", "lab/llama-4", "openai/gpt-4.1"}


def test_what_is_not_as_expected_is_said_and_is_status_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "scenario.yaml"
    file.write_text(
        "duration: 20\ntraffic: [{model: chat, arrivals: {shape: constant, per_second: 1}}]\n"
        'targets: [{target: "*", outages: [{start: 0, end: 20, answer: 401}]}]\nexpect: {success_rate: 0.9}\n'
    )
    result = run("simulate", str(file), "--config", str(EXAMPLES / "aqueduct.yaml"))
    assert result.returncode == 1
    assert "not as expected: success_rate is 0.0, expected at least 0.9" in result.stderr
    assert "upstream_unauthorized" in result.stdout


def test_the_scenario_of_the_guide_is_accepted(tmp_path: Path) -> None:
    from aqueduct.cli.simulate import Placeholders
    from aqueduct.config.file import ConfigFile
    from aqueduct.providers.registry import KINDS

    snapshot = ConfigFile(EXAMPLES / "aqueduct.yaml", Placeholders({}), KINDS).load()
    (text,) = blocks(GUIDE, "yaml")
    file = tmp_path / "scenario.yaml"
    file.write_text(text)
    assert read_scenario(file, {}, snapshot).seed == 7
