"""Tool calls of a model that is held to `{"name": …, "arguments": …}` by its grammar, as OpenAI's `tool_calls`."""

import json
from typing import Any

import msgspec
from typing_extensions import override

from aqueduct.errors import InvalidRequest
from aqueduct.providers.base import Event
from aqueduct.providers.grammar.compiler import Function
from aqueduct.providers.openai_stream import OpenAIStreamReader
from aqueduct.wire.request import Request
from aqueduct.wire.sse import DONE_PAYLOAD, SseSplitter, encode_event

_NO_ARGUMENTS = b'{"type":"object","maxProperties":0}'


class ToolUse(msgspec.Struct, frozen=True):
    """The functions that the model may call, or (`is_required`) one of which it has to call."""

    functions: tuple[Function, ...] = ()
    descriptions: tuple[str, ...] = ()
    is_required: bool = False


def read_tool_use(request: Request) -> ToolUse:
    """Return what the request says about tools, `tool_choice` applied; refuse tools that are not functions."""
    tools = _decoded(request, "tools") or []
    choice = _decoded(request, "tool_choice")
    for index, tool in enumerate(tools):
        if tool["type"] != "function":
            raise InvalidRequest("This model can only call tools of the type 'function'.", param=f"tools[{index}].type")
    functions = {tool["function"]["name"]: tool["function"] for tool in tools}
    names, is_required = _chosen(choice, list(functions))
    missing = [name for name in names if name not in functions]
    if missing:
        raise InvalidRequest(f"The function '{missing[0]}' is not among the 'tools'.", param="tool_choice")
    return ToolUse(
        tuple(Function(name, _parameters(functions[name])) for name in names),
        tuple(json.dumps(functions[name], ensure_ascii=False) for name in names),
        is_required and bool(names),
    )


def _decoded(request: Request, name: str) -> Any:
    raw = request.fields.get(name)
    return None if raw is None else msgspec.json.decode(raw)


def _chosen(choice: Any, names: list[str]) -> tuple[list[str], bool]:
    """Return the names that may be called, and whether one of them has to be."""
    if choice in (None, "auto", "required"):
        return names, choice == "required"
    if choice == "none":
        return [], False
    if isinstance(choice, dict) and choice.get("type") == "function":
        return [choice["function"]["name"]], True
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice["allowed_tools"]
        return [tool.get("function", tool).get("name") for tool in allowed["tools"]], allowed["mode"] == "required"
    raise InvalidRequest("This 'tool_choice' is not supported by this model.", param="tool_choice")


def _parameters(function: dict[str, Any]) -> bytes:
    schema = function.get("parameters")
    if not schema or not schema.keys() - {"type", "title", "description", "$schema"} or schema.get("properties") == {}:
        return _NO_ARGUMENTS
    return msgspec.json.encode({"type": "object", **schema})


class _Calls:
    """Recognises the calls of a request's functions at the beginning of a text."""

    def __init__(self, functions: tuple[Function, ...]) -> None:
        self._openings = {
            f'{{"name": {msgspec.json.encode(function.name).decode()}, "arguments": ': function.name
            for function in functions
        }

    def may_begin(self, text: str) -> bool:
        """Whether the text may yet become a call."""
        return any(opening.startswith(text) for opening in self._openings)

    def split(self, text: str) -> tuple[str, str] | None:
        """Return the function's name and the text after the opening, or None if it is no call."""
        for opening, name in self._openings.items():
            if text.startswith(opening):
                return name, text[len(opening) :]
        return None


def release_calls(body: bytes, functions: tuple[Function, ...]) -> bytes:
    """Return a plain answer in which the contents that are calls have become `tool_calls`."""
    try:
        document = msgspec.json.decode(body)
        calls = _Calls(functions)
        for choice in document["choices"]:
            content = choice["message"].get("content") or ""
            found = calls.split(content)
            if found is None:
                if calls.may_begin(content) and choice.get("finish_reason") == "length":
                    choice["message"]["content"] = None  # a call that was cut before its arguments
                continue
            arguments = found[1]
            if choice.get("finish_reason") == "stop":
                choice["finish_reason"] = "tool_calls"
                arguments = arguments[:-1]
            function = {"name": found[0], "arguments": arguments}
            call = {"id": _call_id(document, choice), "type": "function", "function": function}
            choice["message"] = {**choice["message"], "content": None, "tool_calls": [call]}
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return body  # whatever it is, OpenAI's reader says so
    return msgspec.json.encode(document)


def _call_id(document: dict[str, Any], choice: dict[str, Any]) -> str:
    return f"call_{str(document.get('id', '')).removeprefix('chatcmpl-')}{choice.get('index', 0)}"


class CallStreamReader(OpenAIStreamReader):
    """Reads a stream of one choice in which a content that is a call becomes deltas of `tool_calls` on the way."""

    def __init__(self, functions: tuple[Function, ...], *, wants_usage: bool) -> None:
        super().__init__(wants_usage=wants_usage)
        self._calls = _Calls(functions)
        self._chunks = SseSplitter()
        self._text = ""
        self._held: list[bytes] = []
        self._is_text = False
        self._is_call = False

    @override
    def feed(self, data: bytes) -> list[Event]:
        """Take what arrived, cut anywhere; return the events that are now complete."""
        return super().feed(b"".join(map(self._rewrite, self._chunks.feed(data))))

    @override
    def finish(self) -> list[Event]:
        """Take the end of the body; return what was left, or raise if the stream was not whole."""
        rest = b"".join(map(self._rewrite, self._chunks.finish()))
        events = super().feed(rest)
        return events + super().finish()

    def _rewrite(self, payload: bytes) -> bytes:
        """Return the events that take the place of one."""
        if not self._is_text and payload != DONE_PAYLOAD:
            try:
                chunk = msgspec.json.decode(payload)
                choice = chunk["choices"][0]
                return self._decide(payload, chunk, choice, choice["delta"].get("content") or "")
            except (msgspec.DecodeError, LookupError, TypeError, AttributeError):
                pass  # usage, an error: not ours to read
        return self._released() + encode_event(payload)

    def _decide(self, payload: bytes, chunk: dict[str, Any], choice: dict[str, Any], content: str) -> bytes:
        """Hold the text back until it is clear whether it is a call."""
        if self._is_call:
            return self._continue_call(chunk, choice, content)
        self._text += content
        if not self._text and choice.get("finish_reason") is None:
            return encode_event(payload)
        found = self._calls.split(self._text)
        if found is not None:
            return self._begin_call(chunk, choice, found)
        if self._calls.may_begin(self._text):
            if choice.get("finish_reason") == "length":
                self._held = []  # a call that was cut before its arguments
                return encode_event(_with_delta(chunk, choice, {}, "length"))
            if choice.get("finish_reason") is None:
                self._held.append(payload)
                return b""
        self._held.append(payload)
        self._is_text = True
        return self._released()

    def _released(self) -> bytes:
        held, self._held = self._held, []
        return b"".join(map(encode_event, held))

    def _begin_call(self, chunk: dict[str, Any], choice: dict[str, Any], found: tuple[str, str]) -> bytes:
        self._is_call = True
        self._held = []
        self._text = ""
        function = {"name": found[0], "arguments": ""}
        call = {"index": 0, "id": _call_id(chunk, choice), "type": "function", "function": function}
        opening = encode_event(_with_delta(chunk, choice, {"tool_calls": [call]}, None))
        return opening + self._continue_call(chunk, choice, found[1])

    def _continue_call(self, chunk: dict[str, Any], choice: dict[str, Any], content: str) -> bytes:
        """Hand on the arguments but for the last character: it may be the bracket around the call."""
        text = self._text + content
        finish_reason = choice.get("finish_reason")
        ready, self._text = (text[:-1], text[-1:]) if finish_reason in (None, "stop") else (text, "")
        events = b""
        if ready:
            delta = {"tool_calls": [{"index": 0, "function": {"arguments": ready}}]}
            events = encode_event(_with_delta(chunk, choice, delta, None))
        if finish_reason is not None:
            reason = "tool_calls" if finish_reason == "stop" else finish_reason
            events += encode_event(_with_delta(chunk, choice, {}, reason))
        return events


def _with_delta(chunk: dict[str, Any], choice: dict[str, Any], delta: dict[str, Any], reason: str | None) -> bytes:
    changed = {"index": choice.get("index", 0), "delta": delta, "logprobs": None, "finish_reason": reason}
    return msgspec.json.encode({**chunk, "choices": [changed]})
