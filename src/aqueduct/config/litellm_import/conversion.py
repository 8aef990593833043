"""The way in: the bytes of a LiteLLM config become the text of an `aqueduct.yaml`, its notes, and what it wants."""

from collections.abc import Iterator

import msgspec

from aqueduct.config.compile import Kinds
from aqueduct.config.litellm_import.models import read_models
from aqueduct.config.litellm_import.output import Block, Note, write
from aqueduct.config.litellm_import.providers import Providers
from aqueduct.config.litellm_import.routing import apply_aliases, apply_cooldowns, apply_fallbacks, apply_strategy
from aqueduct.config.litellm_import.settings import read_settings
from aqueduct.config.litellm_import.tree import read_tree
from aqueduct.config.litellm_import.variables import Variables, Wanted
from aqueduct.errors import ConfigurationError

_LAST = ("targets",)
"""What stands below everything else of a model."""


class Imported(msgspec.Struct, frozen=True):
    """The new file, and what a person should know of it."""

    text: str
    notes: tuple[Note, ...]
    variables: tuple[Wanted, ...]
    models: int
    targets: int
    kinds: tuple[tuple[str, bool], ...]
    """The kinds of its providers, and whether those have a key."""


def convert(data: bytes, file_name: str, kinds: Kinds) -> Imported:
    """Turn a config of LiteLLM's proxy or router into ours; raise `ConfigurationError` with the line at fault."""
    root = read_tree(data, file_name)
    if not root.members:
        raise ConfigurationError(f"{file_name}:{root.line}: is not a config of LiteLLM's: it has no sections")
    notes: list[Note] = []
    variables = Variables(root)
    providers = Providers(kinds, variables)
    groups = read_models(root, providers, file_name, notes)
    apply_strategy(root, groups, notes)
    apply_aliases(root, groups, notes)
    apply_fallbacks(root, groups, notes)
    if breaker := apply_cooldowns(root, notes):
        for block in providers.blocks:
            block.entries["breaker"] = breaker.get("", breaker)
    read_settings(root, notes)
    models = [_in_order(group.block) for group in groups.values()]
    blocks = [*providers.blocks, *models, *(target for group in groups.values() for target in group.targets)]
    every_note = sorted([*notes, *(note for block in blocks for note in block.notes)], key=lambda note: note.line)
    notes.sort(key=lambda note: note.line)
    return Imported(
        text=write({"providers": providers.blocks, "models": models}, [*_head(file_name)], notes),
        notes=tuple(every_note),
        variables=tuple(variables.wanted.values()),
        models=len(models),
        targets=sum(len(group.targets) for group in groups.values()),
        kinds=tuple(sorted({(str(each.entries["kind"]), "api_key" in each.entries) for each in providers.blocks})),
    )


def _head(file_name: str) -> Iterator[str]:
    name = file_name.replace("\\", "/").rpartition("/")[2]
    printable = "".join(character for character in name if character.isprintable())
    yield f"Written by `aqueduct import-litellm` from {printable}. The lines below that begin with import-litellm: say"
    yield "what was not carried over, or means something else here, by the line of that file; `aqueduct check` shows"
    yield "them until they are deleted."


def _in_order(block: Block) -> Block:
    entries = {name: value for name, value in block.entries.items() if name not in _LAST}
    return Block({**entries, **{name: block.entries[name] for name in _LAST}}, block.notes)
