"""`model_list`: deployments of one name become one model with as many targets."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from aqueduct.config.litellm_import.numbers import plain, read_number
from aqueduct.config.litellm_import.output import Block, Note
from aqueduct.config.litellm_import.parameters import PLACES
from aqueduct.config.litellm_import.providers import Providers
from aqueduct.config.litellm_import.targets import Skipped, read_target
from aqueduct.config.litellm_import.tree import EMPTY, Node
from aqueduct.errors import ConfigurationError

_MAX_NAME = 200
_SHARES = ("weight", "rpm", "tpm")
"""By what LiteLLM draws a deployment: the first of these that one of them has."""


class Group(msgspec.Struct):
    """The deployments of one name: the new model, and the parameters that each of its targets came from."""

    line: int
    block: Block
    parameters: list[Mapping[str, Node]] = []

    @property
    def targets(self) -> list[Block]:
        """The targets, in the order of the file."""
        targets: list[Block] = self.block.entries["targets"]
        return targets


def read_models(root: Node, providers: Providers, file_name: str, notes: list[Note]) -> dict[str, Group]:
    """Return the models by name; raise `ConfigurationError` where the list is none of LiteLLM's."""
    listed = root.members.get("model_list", EMPTY)
    if not isinstance(listed.value, list) and not listed.is_empty:
        raise ConfigurationError(f"{file_name}:{listed.line}: 'model_list' must be a list of deployments")
    credentials = _credentials(root)
    groups: dict[str, Group] = {}
    for entry in listed.items:
        name = entry.members.get("model_name", EMPTY)
        parameters = entry.members.get("litellm_params", EMPTY)
        if not name.text or not isinstance(parameters.value, dict):
            wanted = "a deployment needs a 'model_name' and 'litellm_params'"
            raise ConfigurationError(f"{file_name}:{entry.line}: {wanted}")
        info = entry.members.get("model_info", EMPTY).members
        try:
            _check_name(name)
            merged = _with_credential(parameters, credentials)
            target = read_target(entry, merged, info, providers)
        except Skipped as skipped:
            notes.append(skipped.note)
            continue
        notes += [
            Note(node.line, f"'{key}' of a deployment is not carried over")
            for key, node in entry.members.items()
            if key not in ("model_name", "litellm_params", "model_info") and not node.is_empty
        ]
        group = groups.setdefault(name.text, Group(entry.line, Block({"name": name.text, "targets": []})))
        group.targets.append(target)
        group.parameters.append(merged)
    return groups


def share_out(group: Group) -> None:
    """Give the targets the weights by which LiteLLM draws them."""
    for name in _SHARES:
        weights = [read_number(each.get(name, EMPTY), 0, 1_000_000) for each in group.parameters]
        if any(weights):
            break
    else:
        return
    for target, weight in zip(group.targets, weights, strict=True):
        if weight:
            target.entries = _with_weight(target.entries, weight)
        else:
            target.notes.append(Note(group.line, "drawn by no weight there; here the last of its model to be asked"))
            target.entries = {**target.entries, "priority": min(1_000, target.entries.get("priority", 1) + 1)}


def _with_weight(entries: dict[str, Any], weight: Decimal) -> dict[str, Any]:
    return {"provider": entries["provider"], "model": entries["model"], "weight": plain(weight)} | entries


def _check_name(name: Node) -> None:
    text = name.text or ""
    if len(text) > _MAX_NAME or not text.isprintable():
        raise Skipped(Note(name.line, "the name of the model is too long or holds what a name cannot: it is left out"))
    if "*" in text and text != "*":
        raise Skipped(Note(name.line, f"'{text}' stands for many names; only `*` does here: name each that is used"))


def _credentials(root: Node) -> dict[str, Mapping[str, Node]]:
    """Return the values of `credential_list` by their name."""
    return {
        name: item.members.get("credential_values", EMPTY).members
        for item in root.members.get("credential_list", EMPTY).items
        if (name := item.members.get("credential_name", EMPTY).text)
    }


def _with_credential(parameters: Node, credentials: Mapping[str, Mapping[str, Node]]) -> dict[str, Node]:
    name = parameters.members.get("litellm_credential_name", EMPTY).text
    shared = credentials.get(name or "", {})
    return {**{key: node for key, node in shared.items() if key not in PLACES - _SHARED}, **parameters.members}


_SHARED = frozenset({"api_base", "api_key", "api_version", "base_url", "extra_headers", "organization"})
