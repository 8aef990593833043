"""Whether a request is clearly more than a model can read, told before it is asked.

Clearly: never does an estimate refuse what an upstream would have taken. A token is about four characters of prose, and
in no language eight on the average; only runs of one character are packed closer, and those are counted as short.
"""

import re

from aqueduct.wire.request import Request

_MOST_CHARACTERS_A_TOKEN = 8
_RUN = re.compile(r"(.)\1{3,}", re.DOTALL)
_LARGE_FIELDS = ("messages", "prompt", "tools", "functions")


def may_be_over(body_bytes: int, window_tokens: int) -> bool:
    """Whether a body is large enough to be looked into: a character is a byte at the least."""
    return body_bytes > window_tokens * _MOST_CHARACTERS_A_TOKEN


def is_clearly_over(request: Request, window_tokens: int) -> bool:
    """Whether the text of a request cannot fit a context window; of images and audio nothing is said."""
    most = window_tokens * _MOST_CHARACTERS_A_TOKEN
    if raw_bytes(request) <= most:
        return False
    text = request.input_text()
    return len(text) > most and len(_RUN.sub(r"\1", text)) > most


def raw_bytes(request: Request) -> int:
    """Return the size of what the model reads, as it came: at least as much as its text has characters."""
    fields = request.fields
    return sum(memoryview(fields[name]).nbytes for name in _LARGE_FIELDS if name in fields)
