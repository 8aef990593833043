"""The messages of a chat as Gemini's contents: turns of user and model made of parts, and instructions apart.

Results of functions carry a name there and none here, so it is found by the call's id. A thought signature travels in
`extra_content.google.thought_signature`, of a call or of the message, as in Google's own OpenAI-compatible API.
"""

import re
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.gemini.families import Family
from aqueduct.providers.gemini.media import read_media

Message = dict[str, Any]
Part = dict[str, Any]

DUMMY_SIGNATURE = "skip_thought_signature_validator"
"""What stands for a signature that a client has lost, or that another model's call never had (see "Thought signatures",
its questions and answers)."""

_SIGNATURE = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


class Contents(msgspec.Struct):
    """What becomes of the messages."""

    instructions: list[Part]
    turns: list[dict[str, Any]]


def read_messages(raw: msgspec.Raw, family: Family) -> Contents:
    """Return the messages as contents; raise `InvalidRequest` naming the part that cannot be carried."""
    builder = _Builder(family)
    for index, message in enumerate(msgspec.json.decode(raw, type=list[Message])):
        builder.add(message, f"messages[{index}]")
    return builder.contents()


class _Builder:
    """Puts turns together."""

    def __init__(self, family: Family) -> None:
        self._family = family
        self._instructions: list[Part] = []
        self._turns: list[dict[str, Any]] = []
        self._names: dict[str, str] = {}
        self._holds_results = False

    def contents(self) -> Contents:
        """Return what was put together; instructions alone are what the user says."""
        if not self._turns:
            parts = self._instructions or [{"text": ""}]
            return Contents([], [{"role": "user", "parts": parts}])
        return Contents(self._instructions, self._turns)

    def add(self, message: Message, path: str) -> None:
        """Add one message."""
        role = message["role"]
        if role in ("system", "developer"):
            self._instructions += self._parts(message.get("content"), f"{path}.content", texts_only=True)
        elif role == "user":
            self._turn("user", self._parts(message.get("content"), f"{path}.content"))
        elif role == "assistant":
            self._turn("model", self._said(message, path))
        else:
            self._turn("user", [self._result(message, path)], is_result=True)

    def _turn(self, role: str, parts: list[Part], *, is_result: bool = False) -> None:
        """Add to the last turn if it is of the same role; what functions said stays by itself, whole."""
        if not parts:
            return
        if self._turns and self._turns[-1]["role"] == role and self._holds_results == is_result:
            self._turns[-1]["parts"] += parts
        else:
            self._turns.append({"role": role, "parts": parts})
        self._holds_results = is_result

    def _parts(self, content: Any, path: str, *, texts_only: bool = False) -> list[Part]:
        if not isinstance(content, list):
            return [{"text": content}] if content else []
        parts: list[Part] = []
        for index, part in enumerate(content):
            kind = part["type"]
            if kind in ("text", "refusal"):
                parts += [{"text": part[kind]}] if part[kind] else []
            elif texts_only:
                raise InvalidRequest(f"Only text is possible here, not '{kind}'.", param=f"{path}[{index}]")
            else:
                parts.append(read_media(part, f"{path}[{index}]"))
        return parts

    def _said(self, message: Message, path: str) -> list[Part]:
        """Return what the model said and which functions it called."""
        if message.get("audio"):
            raise InvalidRequest("An earlier spoken answer cannot be given to this model.", param=f"{path}.audio")
        parts = self._parts(message.get("content"), f"{path}.content", texts_only=True)
        if not parts and message.get("refusal"):
            parts = [{"text": message["refusal"]}]
        calls = [
            self._call(call, f"{path}.tool_calls[{index}]")
            for index, call in enumerate(message.get("tool_calls") or ())
        ]
        if call := message.get("function_call"):
            calls.append(self._function_call(call, None))
        if (signature := _signature(message)) and not (calls and "thoughtSignature" in calls[0]):
            holder = parts[-1] if parts else {"text": ""}
            holder["thoughtSignature"] = signature
            parts = parts or [holder]
        if calls and self._family.needs_signatures and not any("thoughtSignature" in call for call in calls):
            calls[0]["thoughtSignature"] = DUMMY_SIGNATURE
        return parts + calls

    def _call(self, call: dict[str, Any], path: str) -> Part:
        if call["type"] != "function":
            raise InvalidRequest("This model knows calls of functions only.", param=f"{path}.type")
        part = self._function_call(call["function"], call["id"])
        if signature := _signature(call):
            part["thoughtSignature"] = signature
        return part

    def _function_call(self, function: dict[str, str], call_id: str | None) -> Part:
        name = function["name"]
        call: Part = {"name": name, "args": _arguments(function["arguments"])}
        if call_id is not None:
            self._names[call_id] = name
            if self._family.has_call_ids:
                call["id"] = call_id
        return {"functionCall": call}

    def _result(self, message: Message, path: str) -> Part:
        """Return what a function answered, with the name that its call had."""
        call_id = message.get("tool_call_id")
        name = message.get("name") if call_id is None else self._names.get(call_id) or message.get("name")
        if name is None:
            raise InvalidRequest(
                "No earlier message calls a tool by this id, so that its name is not known.",
                param=f"{path}.tool_call_id",
            )
        parts = self._parts(message.get("content"), f"{path}.content", texts_only=not self._family.sees_results)
        texts = [part["text"] for part in parts if "text" in part]
        is_error = message.get("is_error") is True
        result: Part = {"name": name, "response": _response("\n".join(texts), is_error=is_error)}
        if media := [part for part in parts if "text" not in part]:
            result["parts"] = media
        if call_id is not None and self._family.has_call_ids:
            result["id"] = call_id
        return {"functionResponse": result}


def _signature(holder: dict[str, Any]) -> str | None:
    """Return the signature that a client sent back; one that cannot be one is as good as lost."""
    found: Any = holder
    for name in ("extra_content", "google", "thought_signature"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, str) and _SIGNATURE.fullmatch(found) else None


def _arguments(text: str) -> Any:
    """Return a call's arguments as the object they are; what a model wrote instead of one is kept in one."""
    if not text.strip():
        return {}
    value = _object(text)
    return {"arguments": text} if value is None else value


def _response(text: str, *, is_error: bool) -> Any:
    """Return what a function said as an object: itself if it is one, else as Gemini's own `output` or `error`."""
    value = None if is_error else _object(text)
    return {"error" if is_error else "output": text} if value is None else value


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
