"""Requests made from the admin API's own description, good and bad: never a 500, every answer a documented one."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.generation import GenerationMode
from tests.gateway_process import GatewayProcess

from aqueduct.admin_api.application import RESOURCES, describe_application

FUZZING = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
DOCUMENT: dict[str, Any] = describe_application()
DESCRIPTION = schemathesis.openapi.from_dict(DOCUMENT)


def operations() -> Iterator[tuple[str, str]]:
    """Yield every path with each of its methods."""
    for path, item in DOCUMENT["paths"].items():
        yield from ((path, method) for method in item if method in {"get", "post", "patch", "delete"})


@pytest.mark.parametrize(("path", "method"), list(operations()))
def test_every_answer_is_one_that_the_description_knows(path: str, method: str, administered: GatewayProcess) -> None:
    operation: Any = DESCRIPTION[path][method]
    cases = st.one_of([operation.as_strategy(generation_mode=mode) for mode in GenerationMode])

    @FUZZING
    @given(st.data())
    def ask(data: st.DataObject) -> None:
        case = data.draw(cases)
        answer = case.call(base_url=administered.url, headers={"authorization": f"Bearer {administered.token}"})
        documented = operation.definition.raw["responses"]
        assert answer.status_code != 500, answer.text
        assert str(answer.status_code) in documented or answer.status_code in (404, 405, 431), answer.status_code
        if answer.status_code >= 400:
            assert set(answer.json()["error"]) == {"message", "type", "param", "code"}

    ask()


def test_the_document_is_served_to_anybody_and_says_who_may_ask_for_the_rest(administered: GatewayProcess) -> None:
    served = schemathesis.openapi.from_url(f"{administered.url}/api/admin/openapi.json").raw_schema
    assert served == DOCUMENT
    assert served["security"] == [{"bearer": []}]
    assert {path.split("/")[3] for path in served["paths"]} == {each.router.prefix[1:] for each in RESOURCES}


def test_operations_have_names_of_their_own() -> None:
    names = [item[method]["operationId"] for path, item in DOCUMENT["paths"].items() for method in item]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and "api_admin" not in name for name in names)
