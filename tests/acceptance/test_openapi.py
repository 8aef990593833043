"""Requests made from our own OpenAPI description, good and bad: never a 500, every answer of a documented shape."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from tests.gateway_process import GatewayProcess
from tests.scripted_upstream import ScriptedUpstream, completion, json_reply

from aqueduct.wire.openapi import build_openapi

FUZZING = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
UPSTREAM_CODES = {"upstream_invalid_response", "schema_not_satisfied", "upstream_server_error"}

DOCUMENT = build_openapi()
DESCRIPTION = schemathesis.openapi.from_dict(DOCUMENT)


def paths() -> Iterator[tuple[str, str]]:
    """Yield every path without the prefix, which changes nothing, with its method."""
    for path, item in DOCUMENT["paths"].items():
        if not path.startswith("/v1/"):
            yield from ((path, method) for method in item if method in {"get", "post"})


def takes_input(path: str) -> bool:
    """Whether there is anything about a request to the path that could be wrong."""
    return "completions" in path or "{" in path


CASES = [
    pytest.param(DESCRIPTION[path][method], mode, id=f"{method} {path} {mode.value}")
    for path, method in paths()
    for mode in GenerationMode
    if mode is GenerationMode.POSITIVE or takes_input(path)
]


@pytest.mark.parametrize(("operation", "mode"), CASES)
def test_every_answer_is_one_that_the_description_knows(
    operation: Any, mode: GenerationMode, gateway: GatewayProcess, upstream: ScriptedUpstream
) -> None:
    upstream.script(json_reply(completion()))
    cases = operation.as_strategy(generation_mode=mode)

    @FUZZING
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(cases)
        if isinstance(case.body, dict) and isinstance(case.body.get("model"), str):
            case.body["model"] = "one"
        answer = case.call(base_url=gateway.url, headers={"authorization": f"Bearer {gateway.token}"})
        documented = operation.definition.raw["responses"]
        assert answer.status_code != 500
        assert str(answer.status_code) in documented or answer.status_code in (404, 405), answer.status_code
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert set(error) == {"message", "type", "param", "code"}
            assert answer.status_code != 502 or error["code"] in UPSTREAM_CODES

    ask()
