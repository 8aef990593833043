"""A whole chat completion as plain values, for where it is not handed on byte for byte.

It comes from an upstream, so nothing about it is taken for granted.
"""

from typing import Any

import msgspec

from aqueduct.errors import UpstreamInvalidResponse


class _Function(msgspec.Struct):
    arguments: str


class _ToolCall(msgspec.Struct):
    function: _Function | None = None


class _Message(msgspec.Struct):
    content: str | list[Any] | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str | None = None


class _Completion(msgspec.Struct):
    choices: list[_Choice]


def read_answer(body: bytes) -> dict[str, Any]:
    """Return the completion in `body`, with all members; every choice has an index, a message and a finish reason.

    Raises `UpstreamInvalidResponse` for what is none.
    """
    try:
        document: dict[str, Any] = msgspec.json.decode(body)
        msgspec.convert(document, _Completion)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamInvalidResponse(f"the answer is not a chat completion: {error}") from error
    for choice in document["choices"]:
        choice.setdefault("index", 0)
        choice.setdefault("finish_reason", None)
    return document
