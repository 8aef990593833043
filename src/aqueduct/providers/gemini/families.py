"""What tells one family of Gemini models from another, as data; a model that is not known is taken for a new one.

Sources: the "Thinking", "Thought signatures", "Structured output" and "Function calling" pages of the Gemini API, and
its page on OpenAI compatibility for how an effort becomes a level or a budget. Efforts that a family does not have
become the nearest that it has.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

Thinking = Mapping[str, Mapping[str, Any]]
"""By `reasoning_effort`: the members of `thinkingConfig`."""


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What the models of a family can do.

    `thinking` is None where they do not reason. `has_json_schema`: they take JSON Schema as it is, for answers and for
    functions; otherwise a dialect of OpenAPI's. `has_json_beside_tools`: an answer may be held to JSON while functions
    may be called. `needs_signatures`: a call without its thought signature is refused. `sees_results`: the result of a
    function may hold images and files.
    """

    thinking: Thinking | None = None
    has_json_schema: bool = True
    has_json_beside_tools: bool = False
    has_call_ids: bool = False
    needs_signatures: bool = False
    sees_results: bool = False


EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _budgets(none: int, minimal: int, largest: int) -> Thinking:
    budgets = (none, minimal, 1024, 8192, 24_576, largest, largest)
    return {effort: {"thinkingBudget": budget} for effort, budget in zip(EFFORTS, budgets, strict=True)}


def _levels(least: str, medium: str = "MEDIUM") -> Thinking:
    levels = (least, least, "LOW", medium, "HIGH", "HIGH", "HIGH")
    return {effort: {"thinkingLevel": level} for effort, level in zip(EFFORTS, levels, strict=True)}


def _third(thinking: Thinking | None) -> Family:
    return Family(
        thinking=thinking, has_json_beside_tools=True, has_call_ids=True, needs_signatures=True, sees_results=True
    )


FAMILIES: dict[str, tuple[str, Family]] = {
    "before Gemini 2.5": (r"gemini-(?:1|2\.0)\b", Family(has_json_schema=False)),
    "Gemini 2.5, images and speech": (r"gemini-2\.5-.*(?:image|tts|audio|computer)", Family()),
    "Gemini 2.5 Pro": (r"gemini-2\.5-pro\b", Family(thinking=_budgets(128, 1024, 32_768))),
    "Gemini 2.5 Flash-Lite": (r"gemini-2\.5-flash-lite\b", Family(thinking=_budgets(0, 512, 24_576))),
    "Gemini 2.5 Flash": (r"gemini-2\.5\b", Family(thinking=_budgets(0, 1024, 24_576))),
    "since Gemini 3, images and speech": (r"gemini-\d.*(?:image|tts|audio)", _third(None)),
    "Gemini 3 Pro": (r"gemini-3-pro\b", _third(_levels("LOW", "HIGH"))),
    "Gemini 3, 3.1 and 3.5 Flash": (r"gemini-3(?:\.1|\.5)?-flash\b", _third(_levels("MINIMAL"))),
    "Gemma": (r"(?:gemma|learnlm)-", Family()),
    "all others": (r"", _third(_levels("LOW"))),
}
"""By the name the documentation has for it: the beginning of its models' names, as a pattern; the first that fits."""

_PATTERNS = [(re.compile(pattern), family) for pattern, family in FAMILIES.values()]
_PREFIX = re.compile(r"(?:.*/)?models/")


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """Return the family of a model by its name, with or without what stands before it in a path."""
    name = _PREFIX.sub("", model, count=1)
    return next(family for pattern, family in _PATTERNS if pattern.match(name))
