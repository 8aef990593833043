"""What the tests of adapters ask: requests that have been checked, and a schema and a function to ask with."""

import json
from typing import Any

from aqueduct.wire.chat import ChatRequest, parse_chat

USER = {"role": "user", "content": "Hello"}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}
WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}


def asked(**members: Any) -> ChatRequest:
    """Return a request that has been checked."""
    body = json.dumps({"model": "m", "messages": [USER], **members}).encode()
    return parse_chat(body).received("0198", 1_700_000_000)
