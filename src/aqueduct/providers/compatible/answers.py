"""What quirks make of a whole answer: thoughts where clients read them, tokens of reasoning within the completion's."""

from typing import Any

import msgspec

from aqueduct.providers.compatible.quirks import Quirks, Reasoning
from aqueduct.providers.compatible.thoughts import MARKS, move_thoughts, split_tags


def adapt_body(body: bytes, quirks: Quirks) -> bytes:
    """Return the answer as OpenAI would have written it; the same bytes where it does not differ, or is no answer."""
    mark = MARKS.get(quirks.reasoning)
    if not quirks.counts_reasoning_apart and (mark is None or mark not in body):
        return body
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return body
    if not isinstance(document, dict):
        return body
    moved = [
        split_tags(message) if quirks.reasoning is Reasoning.TAGS else move_thoughts(message, quirks.reasoning)
        for message in members_of(document, "message")
    ]
    counted = quirks.counts_reasoning_apart and count_reasoning(document.get("usage"))
    return msgspec.json.encode(document) if any(moved) or counted else body


def adapt_deltas(payload: bytes, place: Reasoning) -> bytes:
    """Return the chunk with the thoughts of its deltas where clients read them."""
    document = msgspec.json.decode(payload)
    moved = [move_thoughts(delta, place) for delta in members_of(document, "delta")]
    return msgspec.json.encode(document) if any(moved) else payload


def count_reasoning(usage: Any) -> bool:
    """Count the tokens of the reasoning among the completion's, where only their sum does; return whether it did so."""
    if not isinstance(usage, dict):
        return False
    details = usage.get("completion_tokens_details")
    reasoning = details.get("reasoning_tokens") if isinstance(details, dict) else None
    if not isinstance(reasoning, int) or reasoning <= 0:
        return False
    prompt, completion, total = (usage.get(f"{name}_tokens") for name in ("prompt", "completion", "total"))
    if not (isinstance(prompt, int) and isinstance(completion, int) and prompt + completion + reasoning == total):
        return False
    usage["completion_tokens"] = completion + reasoning
    return True


def members_of(document: Any, name: str) -> list[dict[str, Any]]:
    """Return the messages or deltas of all choices."""
    choices = document.get("choices") if isinstance(document, dict) else None
    members = [choice.get(name) for choice in choices or () if isinstance(choice, dict)]
    return [member for member in members if isinstance(member, dict)]
