"""Capture: what is kept of prompts and answers, where an organisation or the owner of a token asks for it."""

import enum

import msgspec

from aqueduct.domain.usage import UsageRecord

DAY_SECONDS = 86_400.0
DEFAULT_MAX_BYTES = 256 * 1024
MAX_BYTES = 4 * 1024 * 1024
MAX_RETENTION_DAYS = 3650
MAX_REDACTED_BYTES = 8 * 1024 * 1024
"""How long a body may be that is to be redacted: it has to be parsed whole, whatever little of it is kept."""
EVENT_BYTES_A_BYTE = 16
"""How many bytes of a stream are held for each byte that may be kept: an event is a frame around a few letters."""


class CapturePolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of requests, and how long.

    `redacted` are members of the JSON bodies (see `redaction.py`), `max_bytes` what is kept of each body at the most.
    """

    is_on: bool
    retention_days: int = 30
    redacted: tuple[str, ...] = ()
    max_bytes: int = DEFAULT_MAX_BYTES
    prompts: bool = True
    answers: bool = True


def policy_in_force(organisation: CapturePolicy | None, own: CapturePolicy | None) -> CapturePolicy | None:
    """Return what holds for an API token: its own policy in the place of its organisation's; None keeps nothing.

    Nobody may set a token's own policy who could not set the organisation's.
    """
    policy = organisation if own is None else own
    if policy is None or not policy.is_on or not (policy.prompts or policy.answers):
        return None
    return policy


class Omission(enum.StrEnum):
    """Why a body is not there that went by."""

    UNREADABLE = "unreadable"
    """Something of it was to be redacted, and it is no JSON object."""
    TOO_LARGE = "too_large"
    """Something of it was to be redacted, and it is too large to be parsed for that."""
    NO_ROOM = "no_room"
    """Too much was waiting to be written."""


class Form(enum.StrEnum):
    """How an answer is shown."""

    BODY = "body"
    """As it was sent; written anew where something was redacted."""
    ASSEMBLED = "assembled"
    """One answer made of the pieces of a stream."""
    EVENTS = "events"
    """The events of a stream of which no answer could be made."""


class Half(msgspec.Struct, frozen=True):
    """A prompt or an answer as it went by: what was held of it, and how many bytes there were.

    `is_cut`: not all of it is held; `lacks_room`: because too much was being held altogether.
    """

    held: bytes
    size: int
    is_cut: bool = False
    lacks_room: bool = False


class Recorded(msgspec.Struct, frozen=True):
    """A settled request on its way to being a capture; a half that nobody asked for is None."""

    record: UsageRecord
    policy: CapturePolicy
    prompt: Half | None
    answer: Half | None

    @property
    def held_bytes(self) -> int:
        """How many bytes of content it holds."""
        return sum(len(half.held) for half in (self.prompt, self.answer) if half is not None)


class CaptureFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All about a capture but what was said: safe for lists and for the audit log; `id` is the request's.

    `prompt_bytes` and `answer_bytes` are what went by. Instants are in seconds since the epoch; at `expires_at` it is
    removed.
    """

    id: str
    started_at: float
    expires_at: float
    api_token_id: str
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None
    operation: str
    model: str | None = None
    status: int
    ending: str
    error_code: str | None = None
    is_stream: bool
    prompt_bytes: int = 0
    prompt_is_truncated: bool = False
    prompt_omission: Omission | None = None
    answer_bytes: int = 0
    answer_is_truncated: bool = False
    answer_omission: Omission | None = None
    answer_form: Form | None = None


class Capture(CaptureFacts, frozen=True, kw_only=True):
    """A request with what was said, as JSON text, redacted."""

    prompt: str | None = None
    answer: str | None = None
