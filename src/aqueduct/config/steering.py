"""Turns a model's `rules`, `split` and `mirror` into the domain's words, or points at the line that is wrong."""

import re
from collections.abc import Iterator, Sequence

import msgspec

from aqueduct.config.load import Source
from aqueduct.config.schema import ModelNode
from aqueduct.config.steering_nodes import (
    By,
    GroupName,
    HeaderGroupNode,
    MatchesNode,
    PercentageNode,
    RuleNode,
    TextTest,
    WhenNode,
)
from aqueduct.domain.model import Model, Target
from aqueduct.domain.routing import Routing
from aqueduct.domain.snapshot import Snapshot
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
    Side,
    Split,
    Text,
    TextSource,
)
from aqueduct.domain.steering_words import FLAGS

_KEYED_TEXTS = (TextSource.HEADER, TextSource.METADATA)
_SINGLE_TEXTS = tuple(source for source in TextSource if source not in _KEYED_TEXTS)
_SECRET_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "cookie", "proxy-authorization"})
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_WHOLE = 100.0
_TOLERANCE = 1e-6


def compile_steering(
    node: ModelNode, targets: Sequence[Target], routing: Routing, source: Source, path: str
) -> Routing:
    """Return the routing with what steers the model's requests, and what can be found out once found out."""
    compiler = _Compiler(node, targets, source, path)
    return msgspec.structs.replace(
        routing, rules=compiler.rules(), split=compiler.split(), mirror=compiler.mirror()
    ).compiled()


class _Compiler:
    """Compiles what steers one model's requests."""

    def __init__(self, node: ModelNode, targets: Sequence[Target], source: Source, path: str) -> None:
        self._node = node
        self._labels = {target.label for target in targets if target.label is not None}
        self._names = {target.name for target in targets}
        self._source = source
        self._path = path

    def rules(self) -> tuple[Rule, ...]:
        rules: list[Rule] = []
        for index, node in enumerate(self._node.rules):
            path = f"{self._path}.rules[{index}]"
            if rules and not rules[-1].when.conditions:
                raise self._source.error(path, f"is never reached: '{rules[-1].name}' before it takes every request")
            if (node.model is None) == (node.targets is None):
                raise self._source.error(path, "a rule names either a model or targets")
            self._check_targets(node, path)
            when = self._all_of(node.when, f"{path}.when")
            name = node.name or f"rule {index + 1}"
            if name in [rule.name for rule in rules]:
                raise self._source.error(f"{path}.name", f"the name '{name}' is taken by another rule of this model")
            rules.append(Rule(name=name, when=when, model=node.model, targets=tuple(node.targets or ())))
        return tuple(rules)

    def split(self) -> Split | None:
        given = self._node.split
        path = f"{self._path}.split"
        by = self._grouping(self._node.split_by, f"{path}_by")
        if given is None:
            return None
        if abs((total := sum(given.values())) - _WHOLE) > _TOLERANCE:
            raise self._source.error(path, f"the percentages make {total:g}, not 100")
        sides = tuple(Side(name, share, is_model=name not in self._labels) for name, share in given.items())
        return Split(sides, by)

    def mirror(self) -> Mirror | None:
        node = self._node.mirror
        if node is None:
            return None
        if (node.model is None) == (node.target is None):
            raise self._source.error(f"{self._path}.mirror", "a mirror names either a model or a target")
        if node.target is not None:
            self._check_target(node.target, f"{self._path}.mirror.target")
        return Mirror(
            model=node.model,
            target=node.target or "",
            share=node.share,
            concurrency=node.concurrency,
            timeout_seconds=node.timeout,
            is_captured=node.capture,
        )

    def _check_targets(self, node: RuleNode, path: str) -> None:
        for number, name in enumerate(node.targets or ()):
            self._check_target(name, f"{path}.targets[{number}]")

    def _check_target(self, name: str, path: str) -> None:
        known = self._labels | self._names
        if name not in known:
            shown = ", ".join(sorted(known))
            message = f"no target of '{self._node.name}' has the label or name '{name}' (known: {shown})"
            raise self._source.error(path, message)

    def _all_of(self, node: WhenNode, path: str) -> AllOf:
        return AllOf(tuple(self._conditions(node, path)))

    def _conditions(self, node: WhenNode, path: str) -> Iterator[Condition]:
        """Yield what a mapping says; what costs the least to find out comes first."""
        for name in FLAGS:
            if (wanted := getattr(node, name)) is not None:
                yield Flag(name, wanted)
        yield from self._texts(node, path)
        yield from self._numbers(node, path)
        if node.any:
            yield AnyOf(tuple(self._part(each, f"{path}.any[{index}]") for index, each in enumerate(node.any)))
        if node.not_ is not None:
            yield Not(self._part(node.not_, f"{path}.not"))

    def _part(self, node: WhenNode, path: str) -> AllOf:
        if node == WhenNode():
            raise self._source.error(path, "holds of every request: say what it is about")
        return self._all_of(node, path)

    def _texts(self, node: WhenNode, path: str) -> Iterator[Condition]:
        for source in _SINGLE_TEXTS:
            if (test := getattr(node, source.value)) is not None:
                yield self._text(source, "", test, f"{path}.{source.value}")
        for name, test in node.headers.items():
            where = f"{path}.headers.{name}"
            yield self._text(TextSource.HEADER, self._header(name, where), test, where)
        for name, test in node.metadata.items():
            yield self._text(TextSource.METADATA, name, test, f"{path}.metadata.{name}")

    def _numbers(self, node: WhenNode, path: str) -> Iterator[Condition]:
        if node.n_at_least is not None:
            yield Choices(node.n_at_least)
        longer, shorter = node.longer_than, node.shorter_than
        if longer is not None and shorter is not None and shorter <= longer + 1:
            raise self._source.error(
                f"{path}.shorter_than", f"nothing is longer than {longer} and shorter than {shorter}"
            )
        if longer is not None or shorter is not None:
            yield Length(longer_than=longer, shorter_than=shorter)
        if isinstance(given := node.percentage, PercentageNode):
            yield Percentage(value=given.value, by=self._grouping(given.by, f"{path}.percentage.by"))
        elif given is not None:
            yield Percentage(value=given)

    def _text(self, source: TextSource, key: str, test: TextTest, path: str) -> Text:
        if isinstance(test, bool):
            return Text(source=source, key=key, is_present=test)
        if isinstance(test, MatchesNode):
            try:
                re.compile(test.matches)
            except re.error as error:
                raise self._source.error(f"{path}.matches", f"is not a regular expression: {error}") from error
            return Text(source=source, key=key, pattern=test.matches)
        values = (test,) if isinstance(test, str) else tuple(test)
        if not values:
            raise self._source.error(path, "an empty list never holds")
        return Text(source=source, key=key, values=values)

    def _grouping(self, by: By, path: str) -> Grouping:
        if isinstance(by, HeaderGroupNode):
            return Grouping(GroupKind.HEADER, self._header(by.header, f"{path}.header"))
        return Grouping(GroupKind.END_USER if by is GroupName.USER else GroupKind(by.value))

    def _header(self, name: str, path: str) -> str:
        if not _HEADER_NAME.fullmatch(name) or name.lower() in _SECRET_HEADERS:
            raise self._source.error(path, f"the header '{name}' cannot be looked at")
        return name.lower()


def check_steering(models: Sequence[Model], snapshot: Snapshot, source: Source) -> None:
    """Raise `ConfigurationError` where requests would be sent to what is no model, or in a circle."""
    for index, model in enumerate(models):
        for path, name in _destinations(model, f"$.models[{index}]"):
            other = snapshot.find(name)
            if other is None:
                labels = ", ".join(sorted({target.label for target in model.targets if target.label is not None}))
                known = f"; labels of its targets: {labels or 'none'}" if ".split" in path else ""
                raise source.error(path, f"'{name}' is not a model of this file{known}")
            if path.endswith(".mirror.model"):
                if other is model:
                    raise source.error(path, "a model cannot be its own shadow")
            elif _comes_to(other, model, snapshot, set()):
                raise source.error(path, f"'{name}' leads back to '{model.name}'")
            elif ".split" in path and other.routing.is_steered:
                raise source.error(path, f"'{name}' has rules or a split of its own, which a side of a split may not")


def _destinations(model: Model, path: str) -> Iterator[tuple[str, str]]:
    """Yield the other models that requests are sent to, each with its place in the file."""
    routing = model.routing
    for number, rule in enumerate(routing.rules):
        if rule.model is not None:
            yield f"{path}.rules[{number}].model", rule.model
    for side in routing.split.sides if routing.split is not None else ():
        if side.is_model:
            yield f"{path}.split.{side.name}", side.name
    if routing.mirror is not None and routing.mirror.model is not None:
        yield f"{path}.mirror.model", routing.mirror.model


def _comes_to(start: Model, end: Model, snapshot: Snapshot, seen: set[str]) -> bool:
    if start.name == end.name:
        return True
    if start.name in seen:
        return False
    seen.add(start.name)
    others = map(snapshot.find, start.routing.destinations)
    return any(_comes_to(other, end, snapshot, seen) for other in others if other is not None)
