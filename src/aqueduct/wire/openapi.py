"""`/openapi.json`: exactly the endpoints of the data plane, with and without `/v1`, as OpenAPI 3.1 describes them."""

from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import msgspec

from aqueduct.wire.openapi_schemas import CHAT_REQUEST, COMPLETION_REQUEST, Json, component_schemas

PREFIXES = ("", "/v1")

_REF = "#/components/schemas/"

_ERRORS = {
    400: "The body is not what it has to be; `param` names the member.",
    401: "No API token, or one that is unknown, revoked or expired.",
    403: "The API token may not do this.",
    404: "The model does not exist, or the API token may not use it.",
    413: "The body is too large.",
    415: "The body is not `application/json`, or it is compressed.",
    422: "The upstream provider refused the request.",
    429: "A limit or a budget is used up, here or at every upstream provider.",
    431: "The request's headers are too large or too many.",
    500: "The gateway made a mistake.",
    502: "An upstream provider failed, or its answer breaks the JSON schema.",
    503: "No target is available, or the gateway is overloaded or shutting down.",
    504: "The upstream provider took too long.",
}

_CHAT_RULES = """\
Beyond the schema, these are refused with 400:
- a member that comes twice, or whose name differs from a known one in case only;
- `stream_options` unless `stream` is true, `top_logprobs` above 0 unless `logprobs` is true, `tool_choice` without
  `tools`, `max_tokens` together with `max_completion_tokens`;
- a `response_format` whose `schema` is not a JSON schema, refers outside itself or is too large;
- what the model behind the name cannot do.

Members unknown here, and content parts, tools, formats and enum values of unknown kinds, travel on to the model's
provider where its policy allows."""

_COMPLETION_RULES = """\
Beyond the schema, these are refused with 400:
- a member that comes twice, or whose name differs from a known one in case only;
- `stream_options` unless `stream` is true, `best_of` below `n`, or above it when `stream` is true;
- what the model behind the name cannot do."""


def encode_openapi() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(build_openapi())


def build_openapi() -> Json:
    """Return the document."""
    operations = {
        "/chat/completions": _completion_path("createChatCompletion", CHAT_REQUEST, "ChatCompletion", _CHAT_RULES),
        "/completions": _completion_path("createCompletion", COMPLETION_REQUEST, "Completion", _COMPLETION_RULES),
        "/models": _get("listModels", "The models this API token may use.", _json("ModelList"), (401, 403, 429)),
        "/models/{id}": _model_path(),
        "/health/live": _open_path("showLive", "Whether the process runs.", _json("Health")),
        "/health/ready": _ready_path(),
        "/metrics": _get("showMetrics", "Metrics for Prometheus.", {"text/plain": {}}, (401, 403, 429)),
        "/openapi.json": _open_path("showOpenApi", "This document.", {"application/json": {}}),
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Aqueduct",
            "version": version("aqueduct-gateway"),
            "description": "One OpenAI-compatible endpoint in front of any model.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {prefix + path: _versioned(item, prefix) for path, item in operations.items() for prefix in PREFIXES},
        "security": [{"bearer": []}, {"apiKey": []}, {"xApiKey": []}],
        "components": {
            "schemas": component_schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "api-key"},
                "xApiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "headers": _headers(),
        },
    }


def _versioned(item: Json, prefix: str) -> Json:
    """Return a path item for one prefix: operation ids are unique in a document."""
    suffix = "V1" if prefix else ""
    return {
        key: {**value, "operationId": value["operationId"] + suffix} if isinstance(value, dict) else value
        for key, value in item.items()
    }


def _completion_path(operation: str, request: str, answer: str, rules: str) -> Json:
    chunk = "ChatCompletionChunk" if answer == "ChatCompletion" else answer
    content = {
        **_json(answer),
        "text/event-stream": {
            "schema": {"type": "string"},
            "x-event-schema": {"$ref": _REF + chunk},
        },
    }
    answered = _response("The answer, whole or as a stream of events that `data: [DONE]` ends.", content)
    return {
        "post": {
            "operationId": operation,
            "summary": "Generate an answer to a chat." if answer == "ChatCompletion" else "Continue a text.",
            "description": rules,
            "requestBody": {"required": True, "content": {"application/json": {"schema": {"$ref": _REF + request}}}},
            "responses": {"200": answered, **_errors(_ERRORS)},
        }
    }


def _model_path() -> Json:
    path = _get("showModel", "One model.", _json("ModelObject"), (401, 403, 404, 429))
    name = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    return {"parameters": [{**name, "description": "The model's name; slashes in it may stand as they are."}], **path}


def _ready_path() -> Json:
    path = _open_path("showReady", "Whether requests are taken.", _json("Health"))
    path["get"]["responses"]["503"] = _response("Not ready, or shutting down.", _json("Health"))
    return path


def _open_path(operation: str, summary: str, content: Json) -> Json:
    """Return a path that needs no API token."""
    path = _get(operation, summary, content, ())
    path["get"]["security"] = []
    return path


def _get(operation: str, summary: str, content: Json, errors: Iterable[int]) -> Json:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "responses": {"200": _response(summary, content), **_errors((*errors, 431, 500, 503))},
        }
    }


def _errors(statuses: Iterable[int]) -> Json:
    responses: Json = {}
    for status in statuses:
        response = _response(_ERRORS[status], _json("ErrorEnvelope"))
        if status in (429, 503):
            names = ("retry-after", "retry-after-ms", "x-should-retry")
            response["headers"] |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        responses[str(status)] = response
    return responses


def _response(description: str, content: Json) -> Json:
    headers = {"x-request-id": {"$ref": "#/components/headers/x-request-id"}}
    return {"description": description, "headers": headers, "content": content}


def _json(name: str) -> Json:
    return {"application/json": {"schema": {"$ref": _REF + name}}}


def _headers() -> Json:
    described: dict[str, tuple[str, Any]] = {
        "x-request-id": ("The gateway's own name for the request.", {"type": "string"}),
        "retry-after": ("How long to wait, in seconds.", {"type": "integer"}),
        "retry-after-ms": ("How long to wait, in milliseconds.", {"type": "integer"}),
        "x-should-retry": ("Whether official clients should ask again by themselves.", {"enum": ["true", "false"]}),
    }
    return {name: {"description": text, "schema": schema} for name, (text, schema) in described.items()}
