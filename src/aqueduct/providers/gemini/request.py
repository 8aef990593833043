"""A chat request as the body of `generateContent`.

Source: `GenerateContentRequest` of the Gemini API (v1beta) and of Vertex AI (v1beta1).
"""

from typing import Any

import msgspec

from aqueduct.domain.model import Target
from aqueduct.errors import InvalidRequest
from aqueduct.providers.chat_target import upstream_model
from aqueduct.providers.field_policy import FieldPolicy, always, given_fields
from aqueduct.providers.gemini.families import Family, family_of
from aqueduct.providers.gemini.messages import read_messages
from aqueduct.providers.gemini.schema import translate
from aqueduct.providers.gemini.tools import Fields, read_tools
from aqueduct.wire.request import Request

_COPIED = {
    "temperature": "temperature",
    "top_p": "topP",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
}
_JSON = "application/json"
_MODALITIES = {"text": "TEXT", "image": "IMAGE"}
_SEEDS = 2**31
"""Gemini's seeds have 32 bits and a sign."""

POLICY = FieldPolicy(
    translated=frozenset(_COPIED)
    | {"messages", "n", "stop", "seed", "logprobs", "top_logprobs", "reasoning_effort", "response_format", "tools"}
    | {"tool_choice", "web_search_options", "modalities", "parallel_tool_calls"},
    refused={
        "audio": always,
        "function_call": lambda value: value != "none",
        "functions": always,
        "logit_bias": bool,
        "modalities": lambda value: not set(value) <= set(_MODALITIES),
        "moderation": always,
        "parallel_tool_calls": lambda value: value is False,
    },
)


class AnswerFormat(msgspec.Struct, frozen=True):
    """How an answer is held to JSON: by members of `generationConfig`, by words where they do not say it all.

    `is_exact`: the members alone hold it to the schema.
    """

    config: dict[str, Any]
    instruction: str | None = None
    is_exact: bool = True


def carried_fields(request: Request, target: Target) -> Fields:
    """Return the fields that travel; raise `InvalidRequest` naming one that cannot."""
    POLICY.check(request, target)
    drops = target.provider.drop_fields
    return {name: value for name, value in given_fields(request).items() if name not in drops or name == "messages"}


def dropped_fields(request: Request, target: Target) -> tuple[str, ...]:
    """Return the fields that are left out; a model that does not reason has no use for an effort."""
    dropped = POLICY.dropped(request, target)
    has_effort = "reasoning_effort" in given_fields(request) and "reasoning_effort" not in dropped
    thinks = family_of(upstream_model(request, target)).thinking is not None
    return dropped if thinks or not has_effort else (*dropped, "reasoning_effort")


def build_body(request: Request, target: Target) -> bytes:
    """Return the body, or raise `InvalidRequest` naming what this model cannot be asked for."""
    fields = carried_fields(request, target)
    family = family_of(upstream_model(request, target))
    contents = read_messages(request.fields["messages"], family)
    tools = read_tools(fields, family)
    answer = answer_format(fields, family)
    if answer.instruction is not None:
        contents.instructions.append({"text": answer.instruction})
    body: dict[str, Any] = {"contents": contents.turns, **tools}
    if contents.instructions:
        body["systemInstruction"] = {"parts": contents.instructions}
    if config := {**_generation(fields, family), **answer.config}:
        body["generationConfig"] = config
    return msgspec.json.encode(body)


def answer_format(fields: Fields, family: Family) -> AnswerFormat:
    """Return how the answer is held to what `response_format` asks for."""
    if "response_format" not in fields:
        return AnswerFormat({})
    wanted = msgspec.json.decode(fields["response_format"])
    kind = wanted["type"]
    if kind == "text":
        return AnswerFormat({})
    if kind not in ("json_object", "json_schema"):
        raise InvalidRequest("This model has no such format.", param="response_format.type")
    schema = (wanted["json_schema"].get("schema") if kind == "json_schema" else None) or {}
    in_words = _instruction(schema)
    if _has_tools(fields) and not family.has_json_beside_tools:
        return AnswerFormat({}, in_words, is_exact=False)
    if not schema:
        return AnswerFormat({"responseMimeType": _JSON})
    translated = translate(schema, has_json_schema=family.has_json_schema)
    if translated is None:
        return AnswerFormat({"responseMimeType": _JSON}, in_words, is_exact=False)
    member = "responseJsonSchema" if family.has_json_schema else "responseSchema"
    config = {"responseMimeType": _JSON, member: translated.schema}
    return AnswerFormat(config, None if translated.is_exact else in_words, is_exact=translated.is_exact)


def _has_tools(fields: Fields) -> bool:
    return "tools" in fields and msgspec.json.decode(fields["tools"], type=list[msgspec.Raw]) != []


def _instruction(schema: Any) -> str:
    words = "Unless you call a function, answer with one JSON value and nothing else."
    return f"{words} It must satisfy this schema:\n{msgspec.json.encode(schema).decode()}" if schema else words


def _generation(fields: Fields, family: Family) -> dict[str, Any]:
    """Return `generationConfig`, the format of the answer excepted."""
    config: dict[str, Any] = {_COPIED[name]: value for name, value in fields.items() if name in _COPIED}
    if "stop" in fields:
        stop = msgspec.json.decode(fields["stop"])
        if stops := [each for each in ([stop] if isinstance(stop, str) else stop) if each]:
            config["stopSequences"] = stops
    if "seed" in fields:
        config["seed"] = _seed(msgspec.json.decode(fields["seed"]))
    if "logprobs" in fields and msgspec.json.decode(fields["logprobs"]):
        config["responseLogprobs"] = True
        if "top_logprobs" in fields and (top := msgspec.json.decode(fields["top_logprobs"])):
            config["logprobs"] = top
    if "modalities" in fields:
        modalities = msgspec.json.decode(fields["modalities"])
        if modalities != ["text"]:
            config["responseModalities"] = [_MODALITIES[modality] for modality in modalities]
    if "reasoning_effort" in fields and family.thinking is not None:
        config["thinkingConfig"] = _thinking(msgspec.json.decode(fields["reasoning_effort"]), family.thinking)
    return config


def _seed(seed: int) -> int:
    return seed if -_SEEDS <= seed < _SEEDS else seed % _SEEDS


def _thinking(effort: str, thinking: Any) -> dict[str, Any]:
    """Return how much the model reasons, and that it shows what it reasoned unless it is not to reason."""
    if effort not in thinking:
        raise InvalidRequest("There is no such effort.", param="reasoning_effort")
    return {**thinking[effort], **({} if effort == "none" else {"includeThoughts": True})}
