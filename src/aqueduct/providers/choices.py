"""Several choices at a target that gives one a call: the calls that make up the request."""

from collections.abc import Sequence
from typing import Any

import msgspec

from aqueduct.errors import InvalidRequest
from aqueduct.providers.field_policy import given_fields
from aqueduct.wire.request import Request

_MOST_CALLS = 128


def one_call_a_choice(request: Request) -> Sequence[Request]:
    """Return one request a choice, each with a seed of its own where one was given."""
    if request.choices == 1:
        return (request,)
    if request.choices > _MOST_CALLS:
        raise InvalidRequest(f"This model gives at most {_MOST_CALLS} choices.", param="n")
    raw_seed = given_fields(request).get("seed")
    seed = None if raw_seed is None else msgspec.json.decode(raw_seed)
    prompts = _prompts(request)
    count = request.choices // len(prompts)
    return tuple(
        request.with_fields(**changes, n=None, seed=None if seed is None else _nth_seed(seed, index))
        for changes in prompts
        for index in range(count)
    )


def _prompts(request: Request) -> list[dict[str, Any]]:
    """Return the changes that leave one prompt each."""
    raw = given_fields(request).get("prompt")
    prompt = None if raw is None else msgspec.json.decode(raw)
    if isinstance(prompt, list) and not isinstance(prompt[0], int):
        return [{"prompt": single} for single in prompt]
    return [{}]


def _nth_seed(seed: int, index: int) -> int:
    """Vary a seed so that it stays in the range of the request's own type."""
    return seed + index if seed < 2**62 else seed - index
