"""What the Claude models take, as data, by the families that their names tell.

Sources: Anthropic's models overview, and its pages on thinking, effort, structured outputs and each model's migration.
A Claude model of a name unknown here is taken for one of the newest; anything else is another maker's model behind the
same protocol, of which only what has been in it from the beginning is expected.
"""

import enum
import re
from collections.abc import Mapping

import msgspec

_EFFORTS = ("low", "medium", "high", "xhigh", "max")
_BEFORE_XHIGH = ("low", "medium", "high", "max")


class Thinking(enum.Enum):
    """How a model is asked to think."""

    NONE = "none"
    BUDGET = "budget"
    ADAPTIVE = "adaptive"


class Sampling(enum.Enum):
    """How much of `temperature` and `top_p` a model takes: both, one of them at a time, or nothing."""

    BOTH = "both"
    ONE = "one"
    NONE = "none"


class Family(msgspec.Struct, frozen=True, kw_only=True):
    """What models of one family take.

    `output_limit` is what `max_tokens` is where the client says nothing. `thinking_off` is the `thinking.type` that
    turns off thinking which is on by default: empty where it is not, None where it stays on. `forces_tools` is whether
    `tool_choice` may demand a call, `prefills` whether the last message may be the beginning of the answer,
    `has_schemas` whether there are `output_config.format` and `strict` tools.
    """

    output_limit: int
    thinking: Thinking
    thinking_off: str | None = ""
    efforts: tuple[str, ...] = ()
    sampling: Sampling = Sampling.BOTH
    forces_tools: bool = True
    prefills: bool = True
    has_schemas: bool = False


def _old(output_limit: int, thinking: Thinking = Thinking.NONE, sampling: Sampling = Sampling.BOTH) -> Family:
    return Family(output_limit=output_limit, thinking=thinking, sampling=sampling)


_FOUR_FIVE = Family(output_limit=64_000, thinking=Thinking.BUDGET, sampling=Sampling.ONE, has_schemas=True)
_FOUR_SIX = Family(
    output_limit=64_000,
    thinking=Thinking.ADAPTIVE,
    efforts=_BEFORE_XHIGH,
    sampling=Sampling.ONE,
    prefills=False,
    has_schemas=True,
)
_FOUR_SEVEN = Family(
    output_limit=128_000,
    thinking=Thinking.ADAPTIVE,
    efforts=_EFFORTS,
    sampling=Sampling.NONE,
    prefills=False,
    has_schemas=True,
)
_FIVE = msgspec.structs.replace(_FOUR_SEVEN, thinking_off="disabled")
_ALWAYS_THINKING = msgspec.structs.replace(_FOUR_SEVEN, thinking_off=None)
_UNFORCED = msgspec.structs.replace(_ALWAYS_THINKING, forces_tools=False)
_OTHER_MAKERS = _old(8_192, Thinking.BUDGET)

FAMILIES: Mapping[str, Family] = {
    "2": _old(4_096),
    "2-1": _old(4_096),
    "3": _old(4_096),
    "3-5": _old(8_192),
    "3-7": _old(32_000, Thinking.BUDGET),
    "sonnet-4": _old(32_000, Thinking.BUDGET),
    "sonnet-4-0": _old(32_000, Thinking.BUDGET),
    "opus-4": _old(32_000, Thinking.BUDGET),
    "opus-4-0": _old(32_000, Thinking.BUDGET),
    "opus-4-1": _old(32_000, Thinking.BUDGET, Sampling.ONE),
    "sonnet-4-5": _FOUR_FIVE,
    "haiku-4-5": _FOUR_FIVE,
    "opus-4-5": _FOUR_FIVE,
    "sonnet-4-6": _FOUR_SIX,
    "opus-4-6": msgspec.structs.replace(_FOUR_SIX, output_limit=128_000),
    "opus-4-7": _FOUR_SEVEN,
    "opus-4-8": _FOUR_SEVEN,
    "mythos-preview": msgspec.structs.replace(_ALWAYS_THINKING, efforts=_BEFORE_XHIGH),
    "sonnet-5": _FIVE,
    "opus-5": _FIVE,
    "fable-5": _ALWAYS_THINKING,
    "mythos-5": _ALWAYS_THINKING,
    "haiku-5-5": _FIVE,
    "sonnet-5-5": msgspec.structs.replace(_FIVE, thinking_off="between_tools", forces_tools=False),
    "opus-5-5": _UNFORCED,
    "fable-5-1": _UNFORCED,
    "mythos-5-1": _UNFORCED,
}
"""By the name without `claude-` and what follows the version."""

_NAME = re.compile(r"claude-(?P<rest>[a-z0-9.-]+)")
_VERSION_FIRST = re.compile(r"(?P<version>\d(?:-\d)?)-(?P<line>opus|sonnet|haiku)")
_VERSION_PART = re.compile(r"\d{1,2}")


def family_of(model: str) -> Family:
    """Return what a model takes, by the name that its provider knows."""
    match = _NAME.search(model.lower())
    if match is None:
        return _OTHER_MAKERS
    name = match["rest"].replace(".", "-")
    if first := _VERSION_FIRST.match(name):  # as Claude 3 was named, and as some providers name all
        version = first["version"]
        name = version if version in FAMILIES else f"{first['line']}-{version}"
    while name not in FAMILIES and "-" in name:
        name, _, last = name.rpartition("-")
        if _VERSION_PART.fullmatch(last):
            return _UNFORCED  # a version unknown here is a new one
    return FAMILIES.get(name, _UNFORCED)
