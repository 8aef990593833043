"""The kinds of provider, as one dictionary: an OpenAI-compatible kind is a row, only another protocol a file."""

import msgspec

from aqueduct.providers.base import Adapter
from aqueduct.providers.local import LocalOperation
from aqueduct.providers.openai import OpenAIOperation


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What the config's `kind` names: an adapter, and what a provider of this kind needs."""

    adapter: Adapter
    default_base_url: str | None = None
    needs_base_url: bool = True


_OPENAI: Adapter = {"chat": OpenAIOperation("chat"), "completions": OpenAIOperation("completions")}
_LOCAL: Adapter = {"chat": LocalOperation("chat"), "completions": LocalOperation("completions")}

KINDS: dict[str, Kind] = {
    "openai": Kind(adapter=_OPENAI, default_base_url="https://api.openai.com/v1"),
    "local": Kind(adapter=_LOCAL, needs_base_url=False),
}
"""By the name that `kind` has in the config."""
