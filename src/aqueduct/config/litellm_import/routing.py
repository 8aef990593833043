"""`router_settings`, and what `litellm_settings` says of routing too: strategies, fallbacks, aliases."""

from collections.abc import Iterator, Mapping

from aqueduct.config.litellm_import.models import Group, share_out
from aqueduct.config.litellm_import.numbers import plain, read_number
from aqueduct.config.litellm_import.output import Note
from aqueduct.config.litellm_import.tree import EMPTY, Node

_STRATEGIES = {
    "simple-shuffle": "weighted",
    "least-busy": "least-busy",
    "latency-based-routing": "lowest-latency",
    "cost-based-routing": "lowest-cost",
    "usage-based-routing": "least-busy",
    "usage-based-routing-v2": "least-busy",
}
_FALLBACKS = {
    "fallbacks": "fallbacks",
    "context_window_fallbacks": "context_overflow_fallbacks",
    "content_policy_fallbacks": "content_policy_fallbacks",
}


def apply_strategy(root: Node, groups: Mapping[str, Group], notes: list[Note]) -> None:
    """Give every model with several targets the strategy that the router has."""
    node = root.members.get("router_settings", EMPTY).members.get("routing_strategy", EMPTY)
    strategy = _STRATEGIES.get(node.text or "simple-shuffle")
    if strategy is None:
        notes.append(Note(node.line, f"the strategy '{node.text}' is not known here: targets are drawn by weight"))
        strategy = "weighted"
    elif (node.text or "").startswith("usage-based"):
        notes.append(Note(node.line, "routing by usage becomes `least-busy`; `limits` are kept to by every strategy"))
    for group in groups.values():
        if len(group.targets) > 1:
            group.block.entries["strategy"] = strategy
            if strategy == "weighted":
                share_out(group)


def apply_aliases(root: Node, groups: Mapping[str, Group], notes: list[Note]) -> None:
    """`model_group_alias`: other names of models."""
    taken = set(groups)
    for alias, node in (
        root.members.get("router_settings", EMPTY).members.get("model_group_alias", EMPTY).members.items()
    ):
        name = node.text or node.members.get("model", EMPTY).text
        group = groups.get(name or "")
        is_name = 0 < len(alias) <= 200 and alias.isprintable() and "*" not in alias
        if group is None or alias in taken or not is_name or name == "*":
            notes.append(
                Note(node.line, f"the alias '{alias}' is not carried over: no model of this file, or a taken name")
            )
            continue
        taken.add(alias)
        group.block.entries.setdefault("aliases", []).append(alias)


def apply_fallbacks(root: Node, groups: Mapping[str, Group], notes: list[Note]) -> None:
    """Fallbacks by model, and the default ones; what would lead back to its model is left out."""
    names = {
        name: group.block.entries["name"]
        for group in groups.values()
        for name in (group.block.entries["name"], *group.block.entries.get("aliases", ()))
    }
    for theirs, ours in _FALLBACKS.items():
        edges: dict[str, list[str]] = {}
        for model, wanted in _listed(root, theirs, notes):
            _connect(edges, names, (model, wanted), notes)
        if theirs == "fallbacks":
            for wanted in _default_fallbacks(root):
                for name in groups:
                    if not _leads_to(edges, names.get(wanted.text or "", ""), name):
                        _connect(edges, names, (name, wanted), notes)
        for name, fallbacks in edges.items():
            if name in groups and fallbacks:
                groups[name].block.entries[ours] = fallbacks


def apply_cooldowns(root: Node, notes: list[Note]) -> dict[str, object]:
    """Return when every provider's targets are taken out of use, where the router says so."""
    settings = root.members.get("router_settings", EMPTY).members
    breaker: dict[str, object] = {}
    for name, ours, most in (("allowed_fails", "failures", 1_000), ("cooldown_time", "cooling", 86_400)):
        node = settings.get(name, EMPTY)
        if node.is_empty:
            continue
        number = read_number(node, 0, most)
        if number is None or (ours == "failures" and number != number.to_integral_value()):
            notes.append(Note(node.line, f"'{name}' is no number that could be taken, and is left out"))
        elif ours == "failures":
            breaker[ours] = min(int(number) + 1, most)  # LiteLLM's are those that are still allowed
        elif number > 0:
            breaker[ours] = plain(number)
    if settings.get("disable_cooldowns", EMPTY).value is True:
        return {"": False}
    return breaker


def _listed(root: Node, name: str, notes: list[Note]) -> Iterator[tuple[str, Node]]:
    """Yield a model and one of its fallbacks, wherever LiteLLM takes them."""
    for section in ("router_settings", "litellm_settings"):
        for item in root.members.get(section, EMPTY).members.get(name, EMPTY).items:
            if not item.members:
                notes.append(Note(item.line, f"an item of '{name}' names no model, and is left out"))
            for model, wanted in item.members.items():
                for each in wanted.items or [wanted]:
                    yield model, each


def _default_fallbacks(root: Node) -> list[Node]:
    return [
        node
        for section in ("router_settings", "litellm_settings")
        for node in root.members.get(section, EMPTY).members.get("default_fallbacks", EMPTY).items
    ]


def _connect(edges: dict[str, list[str]], names: Mapping[str, str], wish: tuple[str, Node], notes: list[Note]) -> None:
    """Add a fallback to a model, or say why not."""
    model, wanted = wish
    start, end = names.get(model), names.get(wanted.text or "")
    if start is None or end is None or end == "*":
        notes.append(
            Note(wanted.line, f"the fallback from '{model}' to '{wanted.text}' is not carried over: no such model")
        )
    elif _leads_to(edges, end, start):
        notes.append(
            Note(wanted.line, f"the fallback from '{model}' to '{end}' is left out: it leads back to '{model}'")
        )
    elif end not in edges.setdefault(start, []):
        edges[start].append(end)


def _leads_to(edges: Mapping[str, list[str]], start: str, end: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            waiting += edges.get(name, [])
    return False
