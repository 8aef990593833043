import json
import re
from typing import Any

import jsonschema_rs

from aqueduct.errors import RequestError
from aqueduct.wire.chat import KNOWN_FIELDS
from aqueduct.wire.errors import render
from aqueduct.wire.openapi import build_openapi, encode_openapi

DOCUMENT = build_openapi()
SCHEMAS = DOCUMENT["components"]["schemas"]


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (path, item[method]) for path, item in DOCUMENT["paths"].items() for method in ("get", "post") if method in item
    ]


def test_every_endpoint_is_described_with_and_without_the_prefix() -> None:
    paths = {path for path in DOCUMENT["paths"] if not path.startswith("/v1")}
    assert paths == {
        "/chat/completions",
        "/completions",
        "/models",
        "/models/{id}",
        "/health/live",
        "/health/ready",
        "/metrics",
        "/openapi.json",
    }
    assert set(DOCUMENT["paths"]) == paths | {"/v1" + path for path in paths}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, operation in operations()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere() -> None:
    text = encode_openapi().decode()
    assert json.loads(text) == DOCUMENT
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', text)):
        found: Any = DOCUMENT
        for step in reference.split("/"):
            found = found[step]
    assert set(re.findall(r"#/components/schemas/(\w+)", text)) == set(SCHEMAS)


def test_every_schema_is_a_schema() -> None:
    for schema in SCHEMAS.values():
        jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})


def test_every_known_member_of_a_chat_is_described() -> None:
    schema = SCHEMAS["CreateChatCompletionRequest"]
    assert set(schema["properties"]) == KNOWN_FIELDS
    assert set(schema["required"]) == {"model", "messages"}


def test_only_health_and_the_document_need_no_token() -> None:
    unprotected = {path.removeprefix("/v1") for path, operation in operations() if operation.get("security") == []}
    assert unprotected == {"/health/live", "/health/ready", "/openapi.json"}
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert {name for requirement in DOCUMENT["security"] for name in requirement} == set(schemes)


def test_every_error_an_endpoint_may_give_is_described() -> None:
    answers = DOCUMENT["paths"]["/chat/completions"]["post"]["responses"]
    # A wrong method or path is no operation of the document; the last three are the admin API's own.
    statuses = {str(error.status) for error in RequestError.__subclasses__()} - {"405", "409", "412", "428"}
    assert set(answers) >= statuses | {"200", "422", "500", "504"}


def test_errors_have_the_shape_that_is_described() -> None:
    schema = {"$ref": "#/components/schemas/ErrorEnvelope", "components": DOCUMENT["components"]}
    answer = json.loads(render(ValueError()).body)
    assert jsonschema_rs.is_valid(schema, answer)
    del answer["error"]["param"]
    assert not jsonschema_rs.is_valid(schema, answer)
