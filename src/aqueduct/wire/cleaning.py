"""What an upstream says about a request, made fit for the client: without keys, organisations, hosts and paths."""

import re
from collections.abc import Iterable

from aqueduct.errors import RequestError

MAX_MESSAGE_CHARACTERS = 1000
MAX_NAME_CHARACTERS = 200

_CUT = 4 * MAX_MESSAGE_CHARACTERS
_KEY_PREFIXES = "sk|pk|rk|ak|gsk|csk|xai|pplx|r8|hf|nvapi|fw|tgp|key|aq|ghp|gho|glpat|api|tok|sess|cohere|or"
_TOP_LEVEL_DOMAINS = (
    "com|net|org|io|ai|dev|cloud|app|co|info|tech|xyz|run|host|site|online|eu|de|fr|uk|us|cn|jp|kr|ru|ch|nl|se|"
    "internal|intranet|local|localdomain|lan|home|corp|svc|cluster|arpa"
)

_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        (r"[a-z][a-z0-9+.-]{1,20}://[^\s\"'<>`]*[^\s\"'<>`.,;:!?)\]}]", "[url]"),
        (r"\b(bearer|basic)\s+[\w.~+/=*-]{6,}", "[credential]"),
        (
            r"\b((?:api[ _-]?key|access[ _-]?token|secret|password)(?: provided)?\s*[:=]\s*)[^\s,;]*[^\s,;.]",
            r"\1[credential]",
        ),
        (rf"(?<![\w-])(?:{_KEY_PREFIXES})[-_](?=[\w*.-]*[\d*])[\w*.-]{{8,}}", "[credential]"),
        (r"(?<!\w)(?:AIza[\w-]{16,}|ya29\.[\w.-]+|(?:AKIA|ASIA)[A-Z0-9]{12,}|eyJ[\w-]{8,}\.[\w.-]+)", "[credential]"),
        (r"(?<![\w-])(?:org|proj|user|team|acct|ws)[-_](?=\w*\d|[\w]{12})[A-Za-z0-9*]{6,}", "[account]"),
        (r"\barn:[\w-]+:\S+", "[account]"),
        (r"\b(projects|organizations|subscriptions|accounts)/[\w.-]+", r"\1/[account]"),
        (r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", "[address]"),
        (r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?(?![\w.]*\d)", "[host]"),
        (r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{1,4}(?![\w:])", "[host]"),
        (r"(?<![\w:])(?:[0-9a-f]{1,4}:)*:(?::?[0-9a-f]{1,4})+(?![\w:])", "[host]"),
        (rf"(?<![\w.-])(?:[a-z0-9_-]+\.)+(?:{_TOP_LEVEL_DOMAINS})(?![\w-])(?::\d+)?", "[host]"),
        (r"\blocalhost(?::\d+)?", "[host]"),
        (r"\b(host(?:name)?|server|endpoint)(\s*[=:]?\s*['\"]?)[\w.-]+:\d+", r"\1\2[host]"),
        (r"(?<![\w/.])/(?:[\w.@-]+/)+[\w.@-]+", "[path]"),
        (r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[a-z])[\w-]{32,}", "[id]"),
    )
)
_CONTROLS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ufeff\u200b-\u200f\u202a-\u202e]+")


def conceal(error: RequestError, secrets: Iterable[str]) -> None:
    """Take `secrets` that are known word for word out of what a client may read of an upstream's refusal."""
    for secret in secrets:
        error.message = error.message.replace(secret, "[concealed]")
        error.code = None if error.code and secret in error.code else error.code
        error.param = None if error.param and secret in error.param else error.param


def clean_name(text: str | int | None) -> str | None:
    """Return a code or a parameter's path if it can be one, else None."""
    if not isinstance(text, str) or len(text) > MAX_NAME_CHARACTERS:
        return None
    return text if text.isascii() and text.isprintable() else None


def clean_message(text: str) -> str:
    """Return the message in one line of at most `MAX_MESSAGE_CHARACTERS`, with what is not for clients taken out.

    Removing too much is a nuisance, too little is a leak: what merely looks like a key or a host goes too.
    """
    text = text.split("Traceback (most recent call last)", maxsplit=1)[0]
    text = _CONTROLS.sub(" ", text[:_CUT].encode("utf-8", "replace").decode()).strip()
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    if len(text) <= MAX_MESSAGE_CHARACTERS:
        return text
    return text[: MAX_MESSAGE_CHARACTERS - 1] + "…"
