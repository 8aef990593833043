"""What the OpenAPI document says beyond what the framework finds out by itself: our errors, and API tokens."""

from typing import Any

from fastapi import FastAPI

ERRORS = {
    "400": "The request is not what it has to be; `param` names the member.",
    "401": "No API token, or one that is unknown, revoked or expired.",
    "403": "The API token, or its owner, may not do this.",
    "404": "There is no such object, or none that you may see.",
    "409": "The name is taken, or a request with the same idempotency key is being answered.",
    "412": "It was changed since the version that `If-Match` names.",
    "413": "The body is too large.",
    "415": "The body is of another type than the one described, or it is compressed.",
    "422": "The idempotency key came with another request before.",
    "428": "`If-Match` is missing.",
    "500": "The gateway made a mistake.",
    "503": "The gateway is shutting down, or its database does not answer.",
}
WITHOUT_BODY = frozenset({"409", "413", "415", "422", "428"})
ONLY_CHANGES = frozenset({"428"})
METHODS = ("get", "post", "patch", "delete")

ENVELOPE: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
            "additionalProperties": False,
        }
    },
}
ERROR_CONTENT = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}}


def describe(app: FastAPI) -> dict[str, Any]:
    """Return the application's description."""
    document = app.openapi()
    complete(document)
    return document


def complete(document: dict[str, Any]) -> None:
    """Put our errors in the place of the framework's, and say how a request is authenticated."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ErrorEnvelope"] = ENVELOPE
    document["components"]["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"bearer": []}]
    for item in document["paths"].values():
        for method in METHODS:
            if method in item:
                complete_responses(item[method]["responses"], method)


def complete_responses(responses: dict[str, Any], method: str) -> None:
    """Add the errors that a request with this method may be answered with."""
    responses.pop("422", None)
    for status, description in ERRORS.items():
        if (method in ("get", "delete") and status in WITHOUT_BODY) or (method != "patch" and status in ONLY_CHANGES):
            continue
        if method in ("get", "post") and status == "412":
            continue
        responses[status] = {"description": description, "content": ERROR_CONTENT}
    for status, response in responses.items():
        response["headers"] = {"x-request-id": {"schema": {"type": "string"}}}
        if status.startswith("2") and method in ("patch", "delete"):
            response["headers"]["etag"] = {"schema": {"type": "string"}}
