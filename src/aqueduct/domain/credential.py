"""What people sign in with, beside a password: accounts at issuers, and passkeys. Neither holds a secret."""

import msgspec

from aqueduct.domain.identity import Role
from aqueduct.domain.versioned import Versioned


class Identity(Versioned, frozen=True, kw_only=True):
    """Somebody at an issuer, by the subject that the issuer knows him by, and the user who he is here.

    `given_role` is what the rules made of him when he last signed in, `base_role` what he was apart from that.
    """

    id: str
    user_id: str
    issuer: str
    subject: str
    email: str | None = None
    given_role: Role | None = None
    base_role: Role = Role.MEMBER
    last_used_at: float | None = None


class Passkey(Versioned, frozen=True, kw_only=True):
    """A public key whose private half is in an authenticator; `credential_id` and `public_key` are base64url.

    `sign_count` is how often it has signed, as it says; 0 where it does not count. `is_synced` says that copies of it
    may be in several devices.
    """

    id: str
    user_id: str
    name: str
    credential_id: str
    public_key: str
    sign_count: int = 0
    transports: tuple[str, ...] = ()
    is_synced: bool = False
    last_used_at: float | None = None


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """A way in that was begun and is not ended: once, shortly, and in the browser that began it.

    `name` is the issuer's, `return_path` where the person wanted to go, `user_id` whom a further way in is for.
    """

    id: str
    browser: str
    purpose: str
    expires_at: float
    name: str | None = None
    nonce: str | None = None
    verifier: str | None = None
    return_path: str | None = None
    user_id: str | None = None
