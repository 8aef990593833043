"""What the README tells a newcomer to type, typed."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.pages import ROOT, blocks, runnable_blocks
from tests.gateway_process import GatewayProcess

README = ROOT / "README.md"
PLAIN, STREAMED, SCHEMA = range(3)
SHELL = runnable_blocks(README, "bash")
PYTHON = runnable_blocks(README, "python")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path_factory.mktemp("readme")) as process:
        yield process


def run(gateway: GatewayProcess, command: list[str], block: str) -> str:
    assert "http://127.0.0.1:8000" in block
    text = block.replace("http://127.0.0.1:8000", gateway.url)
    environment = {**os.environ, "AQUEDUCT_TOKEN": gateway.token, "no_proxy": "*"}
    ended = subprocess.run([*command, text], env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_the_readme_has_the_examples_that_are_tested() -> None:
    assert len(SHELL) == 3
    assert len(PYTHON) == 1


def test_the_first_call_is_answered(gateway: GatewayProcess) -> None:
    answer = json.loads(run(gateway, ["bash", "-c"], SHELL[PLAIN]))
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"].strip()


def test_the_streamed_call_is_answered_event_by_event(gateway: GatewayProcess) -> None:
    events = run(gateway, ["bash", "-c"], SHELL[STREAMED]).split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(event.removeprefix("data: ")) for event in events[:-2] if event.startswith("data: ")]
    assert len(chunks) > 3
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks).strip()


def test_the_schema_is_obeyed(gateway: GatewayProcess) -> None:
    answer = json.loads(run(gateway, ["bash", "-c"], SHELL[SCHEMA]))
    content = json.loads(answer["choices"][0]["message"]["content"])
    assert isinstance(content["greeting"], str)
    assert isinstance(content["count"], int)


def test_the_openai_library_is_answered(gateway: GatewayProcess) -> None:
    assert run(gateway, [sys.executable, "-c"], PYTHON[0]).strip()


def test_the_printed_curl_line_works_as_pasted(gateway: GatewayProcess) -> None:
    line = next(line for line in gateway.log.splitlines() if line.strip().startswith("curl "))
    rest = gateway.log[gateway.log.index(line) :].split("\n\n")[0]
    ended = subprocess.run(["bash", "-c", rest], capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["choices"][0]["message"]["content"].strip()


def test_the_config_of_the_readme_is_accepted(tmp_path: Path) -> None:
    process = GatewayProcess(tmp_path, settings={"OPENAI_API_KEY": "sk-of-nobody"})
    config = tmp_path / "readme.yaml"
    config.write_text(blocks(README, "yaml")[0])
    shown = process.run("check", "--config", str(config))
    assert "gpt-4.1" in shown
    assert "sk-of-nobody" not in shown
