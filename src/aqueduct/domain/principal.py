"""Who is calling: an API token and the people behind it."""

import re
from functools import lru_cache

import msgspec


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """An API token as it is known after its value has been checked; the value itself is never kept.

    Instants are in seconds since the epoch. `allowed_models` are names or patterns with `*`; None allows every model.
    """

    id: str
    name: str
    hint: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    allowed_models: tuple[str, ...] | None = None
    organisation_id: str | None = None
    team_id: str | None = None
    user_id: str | None = None
    service_account_id: str | None = None

    def is_usable(self, now: float) -> bool:
        """Whether the token still opens the door at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def may_use(self, model: str) -> bool:
        """Whether the model, by the name that was asked for, is among those allowed."""
        if self.allowed_models is None:
            return True
        return model in self.allowed_models or any(
            _pattern(allowed).fullmatch(model) for allowed in self.allowed_models if "*" in allowed
        )


@lru_cache(maxsize=4096)
def _pattern(allowed: str) -> re.Pattern[str]:
    """Compile a name in which `*` stands for any run of characters, and nothing else is special."""
    return re.compile(".*".join(re.escape(part) for part in allowed.split("*")), re.DOTALL)


Principal = ApiToken
"""The caller of a request. Users and service accounts join here when tokens get owners."""
