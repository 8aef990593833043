"""What the log and the command line say of an upstream that failed: its class in words, and a reason in ours.

An upstream's own prose may repeat prompts and keys, and is never said.
"""

from collections.abc import Iterable

from aqueduct.errors import (
    TargetDown,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamModelMissing,
    UpstreamNoCredit,
    UpstreamOverloaded,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamServerError,
    UpstreamTimeout,
    UpstreamUnauthorized,
    UpstreamUnreachable,
)
from aqueduct.wire.cleaning import clean_message, clean_name

_WORDS: dict[type[UpstreamError], str] = {
    UpstreamRejected: "refuses the request itself",
    UpstreamRateLimited: "is at its rate limit",
    UpstreamUnauthorized: "refuses the credential",
    UpstreamNoCredit: "says that there is no credit",
    UpstreamModelMissing: "does not know the model",
    UpstreamOverloaded: "cannot take the request now",
    UpstreamServerError: "fails",
    UpstreamUnreachable: "cannot be reached",
    UpstreamInvalidResponse: "sends what is no answer",
    UpstreamTimeout: "does not answer in time",
    TargetDown: "is known to be down",
}
_REASON_CHARACTERS = 200


def describe_failure(error: UpstreamError, secrets: Iterable[str] = ()) -> str:
    """Return what went wrong, in one line; `secrets` are taken out word for word, what looks like one by its looks."""
    words = _WORDS.get(type(error), "fails") + ("" if error.status is None else f" ({error.status})")
    if isinstance(error, UpstreamRejected):
        code, param = clean_name(error.rejection.code), clean_name(error.rejection.param)
        said = [f"code {code}" if code else "", f"param {param}" if param else ""]
        reason = ", ".join(each for each in said if each)
    else:
        # Adapters begin with the status, and name the members of an error object that are not there, too.
        parts = str(error).removeprefix(f"status {error.status}").split(", ")
        reason = ", ".join(part for part in parts if part and not part.endswith(" None"))
    for secret in secrets:
        reason = reason.replace(secret, "[concealed]")
    reason = clean_message(reason)[:_REASON_CHARACTERS]
    return f"{words}: {reason}" if reason else words
