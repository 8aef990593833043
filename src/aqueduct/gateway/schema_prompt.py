"""Holding a model to a JSON schema by means it has: natively, by a forced tool call, or by an instruction.

Only what is asked changes, always in OpenAI's format: an adapter translates it like any other request.
"""

from typing import Any

import msgspec

from aqueduct.domain.model import StructuredOutput
from aqueduct.errors import InvalidRequest
from aqueduct.providers.base import Answer
from aqueduct.wire.chat_answer import read_answer
from aqueduct.wire.request import Request

_TOOL_NAME = "answer"


def hold_to_schema(request: Request, schema: dict[str, Any] | bool, way: StructuredOutput) -> Request:
    """Return the request that makes the target keep to the schema in that way."""
    if way is StructuredOutput.NATIVE or request.operation != "chat":
        return request
    if way is StructuredOutput.TOOL:
        if any(bytes(request.fields.get(name, b"null")) != b"null" for name in ("tools", "functions")):
            raise InvalidRequest("This model cannot be held to a JSON schema while it may call tools.", param="tools")
        parameters = schema if isinstance(schema, dict) else {}
        function = {"name": _TOOL_NAME, "description": "Gives the answer.", "parameters": parameters}
        return request.with_fields(
            response_format=None,
            tools=[{"type": "function", "function": function}],
            tool_choice={"type": "function", "function": {"name": _TOOL_NAME}},
        )
    instruction = (
        "Answer with one JSON value and nothing else: no explanation, no code fence. It must satisfy this schema:\n"
        + msgspec.json.encode(schema).decode()
    )
    messages = _messages(request)
    return request.with_fields(response_format=None, messages=[{"role": "system", "content": instruction}, *messages])


def release_content(answer: Answer, way: StructuredOutput) -> Answer:
    """Turn what the way makes of the answer back into content."""
    if way is StructuredOutput.TOOL:
        return _from_tool_call(answer)
    if way is StructuredOutput.INSTRUCTION:
        return _without_fences(answer)
    return answer


def ask_again(request: Request, text: str, violation: str) -> Request:
    """Return the request with the bad answer and the validator's words after its messages."""
    words = f"That answer does not satisfy the JSON schema: {violation} Answer again with valid JSON only."
    messages = [*_messages(request), {"role": "assistant", "content": text}, {"role": "user", "content": words}]
    return request.with_fields(messages=messages)


def _messages(request: Request) -> list[Any]:
    return msgspec.json.decode(request.fields["messages"], type=list[msgspec.Raw])


def _from_tool_call(answer: Answer) -> Answer:
    """Make the arguments of the forced call the content."""
    document = read_answer(answer.body)
    contents: dict[int, str] = {}
    for choice in document["choices"]:
        message = choice["message"]
        calls = message.pop("tool_calls", None) or []
        functions = [call["function"] for call in calls if call.get("function")]
        if functions and choice["finish_reason"] in ("tool_calls", "stop"):
            message["content"] = contents[choice["index"]] = functions[0]["arguments"]
            choice["finish_reason"] = "stop"
        elif choice["finish_reason"] == "stop":
            content = message.get("content")
            contents[choice["index"]] = content if isinstance(content, str) else ""
    return _with_document(answer, document, contents)


def _without_fences(answer: Answer) -> Answer:
    """Take a code fence off the content: the one thing models add most however they are told."""
    document = read_answer(answer.body)
    contents: dict[int, str] = {}
    for choice in document["choices"]:
        if choice["index"] in answer.contents:
            content = answer.contents[choice["index"]].strip()
            if content.startswith("```") and content.endswith("```") and "\n" in content:
                content = content[content.index("\n") : -3].strip()
            choice["message"]["content"] = contents[choice["index"]] = content
    return _with_document(answer, document, contents)


def _with_document(answer: Answer, document: Any, contents: dict[int, str]) -> Answer:
    finish_reason = document["choices"][0]["finish_reason"]
    return msgspec.structs.replace(
        answer, body=msgspec.json.encode(document), contents=contents, finish_reason=finish_reason
    )
