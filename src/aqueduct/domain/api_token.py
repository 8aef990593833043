"""API tokens: the credential, as it is administered."""

import msgspec

from aqueduct.domain.capture import CapturePolicy
from aqueduct.domain.identity import Rank
from aqueduct.domain.versioned import Versioned


class ApiToken(Versioned, frozen=True, kw_only=True):
    """An API token; its value is never kept.

    Instants are in seconds since the epoch. `allowed_models` are names or patterns with `*`; None allows every model.
    It belongs to a user, to a service account, or to the installation itself. `ip_allow_list` are networks (CIDR), None
    is anywhere. `scopes` open the control plane. `created_by` is the id of the user or token that made it.
    `capture` takes the place of the organisation's policy; None leaves that in force. `narrowed_by` has the rank of who
    set `expires_at`, `allowed_models` and `ip_allow_list`, where that is above the user himself.
    """

    id: str
    name: str
    hint: str
    expires_at: float | None = None
    revoked_at: float | None = None
    allowed_models: tuple[str, ...] | None = None
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None
    scopes: tuple[str, ...] = ()
    ip_allow_list: tuple[str, ...] | None = None
    last_used_at: float | None = None
    created_by: str | None = None
    capture: CapturePolicy | None = None
    narrowed_by: dict[str, Rank] = msgspec.field(default_factory=dict)

    def is_usable(self, now: float) -> bool:
        """Whether the token still opens the door at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)
