"""Terms of service: a versioned text that an organisation's users accept before their API tokens work."""

import msgspec


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an organisation's text; `number` counts from 1, the highest is in force."""

    id: str
    organisation_id: str
    number: int
    text: str
    published_at: float


class TermsAcceptance(msgspec.Struct, frozen=True, kw_only=True):
    """A user has accepted a version; `address` is where he came from."""

    terms_id: str
    user_id: str
    organisation_id: str
    accepted_at: float
    address: str | None = None
