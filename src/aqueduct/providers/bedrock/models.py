"""What the models on Bedrock take, as data, by the makers and families that their ids tell.

Sources: "Supported models and model features" and "Structured outputs" of the Bedrock user guide, `ToolChoice` of its
API reference, "Extended thinking" of the Amazon Nova user guide. A model whose id tells nothing (an application
inference profile, a provisioned or an imported model) may be made to call a tool, but not for what few have.
"""

import enum
import re
from collections.abc import Mapping

import msgspec

from aqueduct.providers.anthropic import models as anthropic


class Reasoning(enum.Enum):
    """How a model is asked to reason: not at all, as Claude, as Nova 2, or by `reasoning_effort` as gpt-oss."""

    NONE = "none"
    CLAUDE = "claude"
    NOVA = "nova"
    EFFORT = "effort"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What models of one family take.

    `choices` are the forms of `toolChoice` that may demand a call, `has_schemas` whether there are
    `outputConfig.textFormat` and strict tools, `caches` where cache points may be, `prefills` whether the last message
    may be the beginning of the answer, `has_status` whether a tool's result may say that it is an error. `claude` is
    what Anthropic's models take anywhere.
    """

    reasoning: Reasoning = Reasoning.NONE
    choices: frozenset[str] = frozenset()
    has_system: bool = True
    has_tools: bool = True
    has_schemas: bool = False
    caches: frozenset[str] = frozenset()
    prefills: bool = False
    has_status: bool = False
    has_top_k: bool = False
    claude: anthropic.Family | None = None


_ANY = frozenset({"any"})
_ANY_OR_ONE = frozenset({"any", "tool"})
_NOVA = Family(
    choices=_ANY_OR_ONE, caches=frozenset({"messages", "system"}), prefills=True, has_status=True, has_top_k=True
)
_PLAIN = Family()
_OPEN = Family(has_schemas=True)
_OLD = Family(has_system=False, has_tools=False)

FAMILIES: Mapping[str, Family] = {
    "amazon.nova-2": msgspec.structs.replace(_NOVA, reasoning=Reasoning.NOVA),
    "amazon.nova": _NOVA,
    "amazon.titan": _OLD,
    "ai21": _PLAIN,
    "cohere": _PLAIN,
    "deepseek.r1": Family(has_tools=False),
    "deepseek": _OPEN,
    "google.gemma": _OPEN,
    "meta.llama2": Family(has_tools=False),
    "meta.llama3-8b": Family(has_tools=False),
    "meta.llama3-70b": Family(has_tools=False),
    "meta": _PLAIN,
    "minimax": _OPEN,
    "mistral.mistral-7b": _OLD,
    "mistral.mixtral": _OLD,
    "mistral.mistral-large-24": Family(choices=_ANY),
    "mistral.mistral-small": _PLAIN,
    "mistral.pixtral": Family(choices=_ANY),
    "mistral": _OPEN,
    "moonshot": _OPEN,
    "nvidia": _OPEN,
    "openai.gpt-oss": msgspec.structs.replace(_OPEN, reasoning=Reasoning.EFFORT),
    "qwen": _OPEN,
    "writer": _PLAIN,
}
"""By the beginning of the model's id, without the region; the first that fits holds. Claude models are apart."""

_OTHERS = Family(choices=_ANY_OR_ONE, has_status=True)
_MAKERS = "|".join(sorted({name.partition(".")[0] for name in FAMILIES}))
_MAKER = re.compile(rf"(?:^|[/.])(?=(?:{_MAKERS})[a-z]*\.)")


def family_of(model: str) -> Family:
    """Return what a model takes, by its id, its inference profile's or its ARN."""
    name = model.lower()
    if "anthropic.claude" in name:
        return _claude(name)
    for match in _MAKER.finditer(name):
        rest = name[match.end() :]
        if found := next((family for start, family in FAMILIES.items() if rest.startswith(start)), None):
            return found
    return _OTHERS


def _claude(name: str) -> Family:
    family = anthropic.family_of(name)
    return Family(
        reasoning=Reasoning.NONE if family.thinking is anthropic.Thinking.NONE else Reasoning.CLAUDE,
        choices=_ANY_OR_ONE if family.forces_tools else frozenset(),
        has_schemas=family.has_schemas,
        caches=frozenset({"messages", "system", "tools"}),
        prefills=family.prefills,
        has_status=True,
        has_top_k=True,
        claude=family,
    )
