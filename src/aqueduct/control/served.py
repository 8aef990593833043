"""What a config would serve, as people read it."""

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping

import msgspec

from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.routing import FallbackKind
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError
from aqueduct.providers.registry import Kind
from aqueduct.upstream.aws_signer import check_aws_credentials
from aqueduct.upstream.google_signer import check_service_account

_CREDENTIAL_CHECKS = {"google": check_service_account, "aws": check_aws_credentials}
"""By the name of a signer."""
_MODULES = {"google": "joserfc", "aws": "botocore", "litellm": "litellm"}
"""What is looked for of an extra; those that sign are called as the signer is."""
_FALLBACK_WORDS = {
    FallbackKind.FAILURE: "that no target answered",
    FallbackKind.CONTEXT_OVERFLOW: "that are too long",
    FallbackKind.CONTENT_POLICY: "that were refused for what they say",
}


class ServedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list: a public name and a target behind it; all of it may be shown.

    `key` says which of its provider's keys a target has, by number and by a hash's beginning.
    """

    model: str
    aliases: tuple[str, ...]
    is_hidden: bool
    target: Target
    address: str
    credential: str
    strategy: str
    key: str


def list_served(snapshot: Snapshot) -> Iterator[ServedTarget]:
    """Yield every model's targets in the order in which they are tried."""
    for model in snapshot.models:
        for target in model.targets:
            yield ServedTarget(
                model=model.name,
                aliases=model.aliases,
                is_hidden=model.is_hidden,
                target=target,
                address=_address(target),
                credential=mask(target.provider.api_key),
                strategy=model.routing.strategy.value,
                key=fingerprint(target.provider),
            )


def other_ways(model: Model) -> Iterator[tuple[str, str]]:
    """Yield which requests of a model are answered otherwise than by its targets, and by what: fallbacks, the cache."""
    for kind, requests in _FALLBACK_WORDS.items():
        if names := model.routing.fallbacks_of(kind):
            yield requests, f"model {', then '.join(names)}"
    if (cache := model.cache) is not None:
        asked = "" if cache.is_always else " and ask for it"
        yield f"that equal one of the last {cache.ttl_seconds:g} s{asked}", "the cache"


def check_credentials(snapshot: Snapshot, kinds: Mapping[str, Kind]) -> None:
    """Raise `ConfigurationError` for a provider that lacks an extra, or could not sign with its credentials."""
    for provider in {target.provider for model in snapshot.models for target in model.targets}:
        extra = kinds[provider.kind].extra
        if extra is not None and importlib.util.find_spec(extra) is None:
            raise ConfigurationError(
                f"provider '{provider.name}': the kind '{provider.kind}' needs an extra that is not installed: "
                + how_to_install(extra)
            )
        check = _CREDENTIAL_CHECKS.get(kinds[provider.kind].signer or "")
        if check is not None:
            check(provider)


def missing_extra(kind: Kind, *, has_key: bool) -> str | None:
    """Return the extra that a kind of provider takes and that is not installed; a key spares signatures."""
    extra = kind.extra or (None if has_key else kind.signer)
    return None if extra is None or importlib.util.find_spec(_MODULES[extra]) is not None else extra


def how_to_install(extra: str) -> str:
    """Say how an extra is had."""
    return f"run `pip install 'aqueduct-gateway[{extra}]'`, or in a clone `.venv/bin/pip install -e '.[{extra}]'`"


def mask(secret: str | None) -> str:
    """Return what tells a secret from others without giving it away."""
    if secret is None:
        return "none"
    return f"…{secret[-4:]}" if len(secret) >= 16 else "set"


def fingerprint(provider: Provider) -> str:
    """Return what tells a provider's key from its others, of which nothing of it can be read."""
    if provider.api_key is None:
        return "none"
    return f"{provider.key_number} ({hashlib.sha256(provider.api_key.encode()).hexdigest()[:8]})"


def _address(target: Target) -> str:
    provider = target.provider
    if provider.origin is None:
        return target.model_path or ("the embedded model" if provider.kind == "local" else "its own")
    return f"{provider.origin.scheme}://{provider.origin.authority}{provider.base_path}"
