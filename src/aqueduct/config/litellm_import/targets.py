"""One deployment of LiteLLM's as a target, or the note that says why it is none."""

from collections.abc import Mapping
from typing import Any

from aqueduct.config.litellm_import.numbers import amount, per_million, plain, read_count, read_number
from aqueduct.config.litellm_import.output import Block, Note
from aqueduct.config.litellm_import.parameters import (
    IMAGE_PRICES,
    PLACES,
    PRICES,
    REQUEST_FIELDS,
    ROUTED,
    SILENT,
    WORDS,
)
from aqueduct.config.litellm_import.providers import Providers
from aqueduct.config.litellm_import.rules import provider_of, rule_of
from aqueduct.config.litellm_import.tree import Node

_CHATS = (None, "chat", "completion", "responses")
_LIMITS = {
    "rpm": "requests_per_minute",
    "tpm": "tokens_per_minute",
    "max_parallel_requests": "concurrency",
}
_MAX_NAME = 200
_DAY_SECONDS = 86_400


class Skipped(Exception):
    """A deployment that cannot be a target; the note says why."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.text)
        self.note = note


def read_target(entry: Node, parameters: Mapping[str, Node], info: Mapping[str, Node], providers: Providers) -> Block:
    """Return the target of a deployment; raise `Skipped` where there is none."""
    model = parameters.get("model", entry)
    named = parameters["custom_llm_provider"].text if "custom_llm_provider" in parameters else None
    mode = info["mode"].text if "mode" in info else None
    if not model.text or len(model.text) > _MAX_NAME - 20 or not model.text.isprintable():
        raise Skipped(Note(model.line, "the deployment has no 'model' that could be asked for, and is left out"))
    if mode not in _CHATS:
        raise Skipped(Note(info["mode"].line, f"the mode '{mode}' is not served: only chats and completions are"))
    provider_name, bare = provider_of(model.text, named)
    rule, target_model = rule_of(provider_name, bare)
    if "*" in target_model and target_model != "*":
        if rule.kind == "litellm" or not target_model.endswith("/*"):
            raise Skipped(Note(model.line, f"'{model.text}' stands for many models: name each that is used"))
        target_model = "*"
    if target_model == "*" and rule.kind == "litellm":
        raise Skipped(Note(model.line, "a model of any provider cannot be asked for: name each that is used"))
    notes: list[Note] = []
    own = {name: node for name, node in parameters.items() if _is_providers(name)}
    provider, taken = providers.place(rule, own or {"model": model}, model.line)
    entries: dict[str, Any] = {"provider": provider, "model": target_model}
    entries |= _order(parameters, notes)
    entries |= _limits(parameters, notes)
    entries |= _window(info, notes)
    entries |= _price({**info, **parameters}, notes)
    entries |= _timeouts(parameters, notes)
    notes += _leftovers(parameters, taken)
    notes += _leftovers(info, set())
    return Block(entries, notes, is_flat=True)


def _is_providers(name: str) -> bool:
    """Whether a parameter may say where and as whom to ask."""
    known = ROUTED | PRICES.keys() | REQUEST_FIELDS | SILENT | WORDS.keys() | {*IMAGE_PRICES, "model"}
    return name not in known and "cost" not in name


def _leftovers(parameters: Mapping[str, Node], taken: set[str]) -> list[Note]:
    """Return a note for each parameter that went nowhere."""
    known = taken | PLACES | ROUTED | PRICES.keys() | SILENT | {*IMAGE_PRICES, "max_input_tokens"}
    return [
        Note(node.line, f"'{name}' is not carried over{_advice(name)}")
        for name, node in parameters.items()
        if name not in known and not name.startswith("supports_") and not node.is_empty
    ]


def _advice(name: str) -> str:
    if name in REQUEST_FIELDS:
        return ": what a request says is its client's business"
    return f": {WORDS[name]}" if name in WORDS else ""


def _order(parameters: Mapping[str, Node], notes: list[Note]) -> dict[str, Any]:
    if "order" not in parameters or parameters["order"].is_empty:
        return {}
    order = read_number(parameters["order"], 0, 1_000)
    if order is None or order != order.to_integral_value():
        notes.append(Note(parameters["order"].line, "'order' is no whole number up to 1000, and is left out"))
        return {}
    return {"priority": int(order)}


def _limits(parameters: Mapping[str, Node], notes: list[Note]) -> dict[str, Any]:
    limits: dict[str, Any] = {}
    for name, ours in _LIMITS.items():
        node = parameters.get(name)
        if node is None or node.is_empty:
            continue
        count = read_count(node)
        if count is None:
            notes.append(Note(node.line, f"'{name}' is no whole number from 1 on, and is left out"))
        else:
            limits[ours] = count
    return {"limits": limits} if limits else {}


def _window(info: Mapping[str, Node], notes: list[Note]) -> dict[str, Any]:
    node = info.get("max_input_tokens")
    if node is None or node.is_empty:
        return {}
    count = read_count(node)
    if count is None:
        notes.append(Note(node.line, "'max_input_tokens' is no whole number from 1 on, and is left out"))
        return {}
    return {"context_window": count}


def _price(given: Mapping[str, Node], notes: list[Note]) -> dict[str, Any]:
    price: dict[str, Any] = {}
    for name, node in given.items():
        if "cost" not in name or node.is_empty:
            continue
        image = name in IMAGE_PRICES
        value = amount(node) if image else per_million(node) if name in PRICES else None
        if value is None:
            notes.append(Note(node.line, f"the price '{name}' is not carried over: see `price`"))
        else:
            price["per_image" if image else PRICES[name]] = value
    return {"price": price} if price else {}


def _timeouts(parameters: Mapping[str, Node], notes: list[Note]) -> dict[str, Any]:
    """LiteLLM's timeout is one for each read; a stream's own has no counterpart."""
    stream = parameters.get("stream_timeout")
    if stream is not None and not stream.is_empty:
        notes.append(Note(stream.line, "'stream_timeout' is not carried over: `timeouts` hold for streams too"))
    node = parameters.get("timeout")
    if node is None or node.is_empty:
        return {}
    seconds = read_number(node, 0.001, _DAY_SECONDS)
    if seconds is None:
        notes.append(Note(node.line, "'timeout' is no number of seconds up to a day, and is left out"))
        return {}
    return {"timeouts": {"first_byte": plain(seconds), "idle": plain(seconds)}}
