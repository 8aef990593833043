"""What changes under a running gateway: its config file, its tokens, the local model's process."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.acceptance.asking import chat, fetch
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream

ONE_MODEL = """
providers: [{{name: lab, kind: openai, base_url: "{base_url}"}}]
models: [{{name: {name}, targets: [{{provider: lab, model: m}}]}}]
"""


def names(gateway: GatewayProcess) -> list[str]:
    return [model["id"] for model in fetch(gateway, "GET", "/v1/models").json["data"]]


def eventually(condition: Callable[[], bool], timeout_seconds: float = 10.0) -> bool:
    """Whether the condition comes true in time."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def replace(path: Path, text: str) -> None:
    """Change a file as editors and Kubernetes do: another file is renamed over it."""
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


@pytest.fixture
def own_gateway(tmp_path: Path, upstream: ScriptedUpstream) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path, ONE_MODEL.format(base_url=upstream.base_url, name="before")) as gateway:
        yield gateway


def test_a_changed_config_is_in_force_without_a_restart(
    own_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    replace(own_gateway.config_file, ONE_MODEL.format(base_url=upstream.base_url, name="after"))
    assert eventually(lambda: names(own_gateway) == ["after"])
    own_gateway.config_file.write_text(ONE_MODEL.format(base_url=upstream.base_url, name="again"))
    assert eventually(lambda: names(own_gateway) == ["again"])


def test_a_bad_config_is_refused_with_its_line_and_the_old_one_stays(
    own_gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    replace(own_gateway.config_file, "providers:\n  - name: lab\n    kind: opnai\n")
    assert eventually(lambda: own_gateway.metric("aqueduct_config_is_refused") == 1)
    assert "aqueduct.yaml:3: the kind 'opnai' is not known (did you mean 'openai'?)" in own_gateway.log
    assert names(own_gateway) == ["before"]
    replace(own_gateway.config_file, ONE_MODEL.format(base_url=upstream.base_url, name="mended"))
    assert eventually(lambda: names(own_gateway) == ["mended"])
    assert own_gateway.metric("aqueduct_config_is_refused") == 0


def test_a_config_that_is_empty_for_a_moment_changes_nothing(own_gateway: GatewayProcess) -> None:
    own_gateway.config_file.write_text("")
    assert eventually(lambda: own_gateway.metric("aqueduct_config_is_refused") == 1)
    assert names(own_gateway) == ["before"]


def test_a_config_that_disappears_changes_nothing(own_gateway: GatewayProcess) -> None:
    own_gateway.config_file.unlink()
    assert eventually(lambda: own_gateway.metric("aqueduct_config_is_refused") == 1)
    assert names(own_gateway) == ["before"]


def test_a_local_model_that_cannot_be_loaded_is_refused_like_any_other_mistake(own_gateway: GatewayProcess) -> None:
    rubbish = own_gateway.config_file.with_name("rubbish.gguf")
    rubbish.write_bytes(b"rubbish")
    target = f"{{provider: here, model_path: {rubbish}}}"
    replace(
        own_gateway.config_file,
        f"providers: [{{name: here, kind: local}}]\nmodels: [{{name: m, targets: [{target}]}}]\n",
    )
    assert eventually(lambda: own_gateway.metric("aqueduct_config_is_refused") == 1)
    assert "rubbish.gguf is not a GGUF file" in own_gateway.log
    assert names(own_gateway) == ["before"]


def test_what_the_command_line_changes_acts_on_the_next_request(own_gateway: GatewayProcess) -> None:
    value = own_gateway.run("token", "create", "--name", "ada").strip()
    assert fetch(own_gateway, "GET", "/v1/models", token=value).status == 200
    rotated = own_gateway.run("token", "rotate", "ada").strip()
    assert fetch(own_gateway, "GET", "/v1/models", token=value).status == 401
    assert fetch(own_gateway, "GET", "/v1/models", token=rotated).status == 200
    own_gateway.run("token", "revoke", "ada")
    assert fetch(own_gateway, "GET", "/v1/models", token=rotated).status == 401


def children(pid: int) -> list[int]:
    """Return the process's children that serve a local model."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"aqueduct.local.child" in command:
            found.append(int(entry.name))
    return found


@pytest.fixture
def own_embedded(tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(tmp_path) as gateway:
        yield gateway


def test_a_local_model_that_crashes_is_started_again_and_requests_wait_for_it(own_embedded: GatewayProcess) -> None:
    assert chat(own_embedded, model="default", max_tokens=1).status == 200
    (child,) = children(own_embedded.pid)
    os.kill(child, signal.SIGKILL)
    assert eventually(lambda: child not in children(own_embedded.pid))
    assert chat(own_embedded, model="default", max_tokens=1).status == 200
    assert children(own_embedded.pid) != [child]


def test_the_local_model_ends_with_the_gateway_however_it_ends(own_embedded: GatewayProcess) -> None:
    assert eventually(lambda: len(children(own_embedded.pid)) == 1)
    (child,) = children(own_embedded.pid)
    own_embedded.kill()
    assert eventually(lambda: not Path(f"/proc/{child}").exists())


def test_a_local_model_that_is_down_leaves_no_target(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + bytes(64))
    target = f"{{provider: here, model_path: {broken}}}"
    config = f"providers: [{{name: here, kind: local}}]\nmodels: [{{name: m, targets: [{target}]}}]\n"
    with GatewayProcess(tmp_path, config) as gateway:
        answer = chat(gateway, model="m")
        assert (answer.status, answer.json["error"]["code"]) == (503, "no_target_available")
        assert answer.json["error"]["type"] == "service_unavailable_error"
        assert int(answer.headers["retry-after"]) > 0
        assert str(tmp_path) not in answer.body.decode()
