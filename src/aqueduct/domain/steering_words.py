"""Rules, splits and mirrors in plain words, as administrators read them."""

from collections.abc import Iterator
from typing import NamedTuple

from aqueduct.domain.model import Model
from aqueduct.domain.steering import (
    AllOf,
    AnyOf,
    Choices,
    Condition,
    Flag,
    Grouping,
    GroupKind,
    Length,
    Mirror,
    Not,
    Percentage,
    Rule,
    Text,
    TextSource,
)

FLAGS = {
    "has_images": ("with images", "without images"),
    "has_audio": ("with audio", "without audio"),
    "has_files": ("with files", "without files"),
    "needs_tools": ("with tools", "without tools"),
    "wants_json": ("for JSON", "not for JSON"),
    "stream": ("streamed", "not streamed"),
}
_SOURCES = {TextSource.HEADER: "header {}", TextSource.METADATA: "metadata {}", TextSource.END_USER: "end user"}


class Route(NamedTuple):
    """Some of a model's requests and where they go; `model` and `labels` are what they get to, the latter its own."""

    requests: str
    destination: str
    model: str | None
    labels: tuple[str, ...] = ()


def list_routes(model: Model) -> Iterator[Route]:
    """Yield where a model's requests go, in the order in which it is decided; nothing where nothing steers them."""
    routing = model.routing
    for rule in routing.rules:
        yield Route(f"{rule.name}: {condition_words(rule.when)}", rule_words(rule), rule.model, rule.targets)
    split = routing.split
    for side in () if split is None else split.sides:
        goes_to = f"model {side.name}" if side.is_model else f"targets {side.name}"
        share = f"{side.percentage:g} %, {grouping_words(split.by) if split else ''}"
        yield Route(share, goes_to, side.name if side.is_model else None, () if side.is_model else (side.name,))
    if routing.rules and split is None and routing.rules[-1].when.conditions:
        yield Route("all others", "its targets", None)
    if (mirror := routing.mirror) is not None:
        share = f"a copy of {mirror.share * 100:g} %, at most {mirror.concurrency} at once"
        yield Route(share, f"{mirror_words(mirror)}, its answer dropped", mirror.model, (mirror.target,))


def rule_words(rule: Rule) -> str:
    """Return where a rule sends what it takes."""
    return f"targets {', '.join(rule.targets)}" if rule.model is None else f"model {rule.model}"


def mirror_words(mirror: Mirror) -> str:
    """Return where copies go."""
    return f"targets {mirror.target}" if mirror.model is None else f"model {mirror.model}"


def grouping_words(by: Grouping) -> str:
    """Return what goes the same way together."""
    if by.kind is GroupKind.REQUEST:
        return "request by request"
    return f"by header {by.header}" if by.kind is GroupKind.HEADER else f"by {by.kind.value.replace('_', ' ')}"


def condition_words(condition: Condition) -> str:
    """Return what a condition says."""
    match condition:
        case AllOf():
            return ", ".join(map(condition_words, condition.conditions)) or "all"
        case AnyOf():
            return " or ".join(f"({condition_words(each)})" for each in condition.conditions)
        case Not():
            return f"not ({condition_words(condition.condition)})"
        case Percentage():
            return f"{condition.value:g} %, {grouping_words(condition.by)}"
    return _request_words(condition)


def _request_words(condition: Flag | Length | Choices | Text) -> str:
    match condition:
        case Flag():
            return FLAGS[condition.name][0 if condition.is_wanted else 1]
        case Length():
            bounds = (("longer", condition.longer_than), ("shorter", condition.shorter_than))
            return ", ".join(f"{word} than {bound} tokens" for word, bound in bounds if bound is not None)
        case Text():
            return _text_words(condition)
        case Choices():
            return f"with {condition.at_least} choices or more"


def _text_words(condition: Text) -> str:
    name = _SOURCES.get(condition.source, condition.source.value.replace("_", " ")).format(condition.key)
    if condition.is_present is not None:
        return f"{name} given" if condition.is_present else f"{name} not given"
    if condition.pattern is not None:
        return f"{name} matching {condition.pattern}"
    return f"{name} {' or '.join(condition.values)}"
