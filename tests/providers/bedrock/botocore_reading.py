"""What botocore, AWS's own library, makes of the same bytes, and what it says of our requests."""

import base64
import json
from functools import cache
from typing import Any

from botocore.eventstream import EventStreamBuffer
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator


@cache
def service() -> ServiceModel:
    """Return AWS's own description of the service."""
    return ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"), "bedrock-runtime")


def read_answer(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any]:
    """Return a whole answer, or an error, as botocore parses it."""
    shape = service().operation_model("Converse").output_shape
    response = {"status_code": status, "headers": headers, "body": body}
    parsed: dict[str, Any] = create_parser("rest-json").parse(response, shape)
    return parsed


def read_events(body: bytes) -> list[dict[str, Any]]:
    """Return the events of a stream as botocore parses them."""
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    output = service().operation_model("ConverseStream").get_event_stream_output()
    parser = create_parser("rest-json")._event_stream_parser
    return [parser.parse(message.to_response_dict(), output) for message in buffer]


def read_stream(body: bytes) -> dict[str, Any]:
    """Return the events of a stream put together as an answer."""
    blocks: dict[int, dict[str, Any]] = {}
    answer: dict[str, Any] = {}
    for event in read_events(body):
        ((kind, said),) = event.items()
        if kind == "contentBlockStart":
            blocks[said["contentBlockIndex"]] = {"toolUse": {**said["start"]["toolUse"], "input": ""}}
        elif kind == "contentBlockDelta":
            block, delta = blocks.setdefault(said["contentBlockIndex"], {}), said["delta"]
            if "text" in delta:
                block["text"] = block.get("text", "") + delta["text"]
            elif "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
        elif kind == "messageStop":
            answer["stopReason"] = said["stopReason"]
        elif kind == "metadata":
            answer["usage"] = said["usage"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return {**answer, "output": {"message": {"content": [blocks[index] for index in sorted(blocks)]}}}


def faults(model: str, body: dict[str, Any], operation: str = "Converse") -> str:
    """Return what botocore holds against a request, empty where it would send it."""
    shape = service().operation_model(operation).input_shape
    report = ParamValidator().validate({"modelId": model, **_with_bytes(body)}, shape)
    told: str = report.generate_report()
    return told


def unknown_members(body: dict[str, Any]) -> list[str]:
    """Return the paths of members that the service does not know: botocore's validator passes over some."""
    return list(_unknown(body, service().operation_model("Converse").input_shape, ""))


def _unknown(value: Any, shape: Any, path: str) -> list[str]:
    if shape.type_name == "structure" and not getattr(shape, "is_document_type", False):
        return [
            name
            for key, inner in value.items()
            for name in (
                _unknown(inner, shape.members[key], f"{path}.{key}") if key in shape.members else [f"{path}.{key}"]
            )
        ]
    if shape.type_name == "list":
        return [name for inner in value for name in _unknown(inner, shape.member, f"{path}[]")]
    return []


def _with_bytes(value: Any) -> Any:
    """Return a body as botocore wants it: what is base64 in JSON is bytes there."""
    if isinstance(value, dict):
        return {
            name: base64.b64decode(inner, validate=True)
            if name in ("bytes", "redactedContent") and isinstance(inner, str)
            else _with_bytes(inner)
            for name, inner in value.items()
        }
    return [_with_bytes(inner) for inner in value] if isinstance(value, list) else value
