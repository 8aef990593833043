"""What a config would serve, as people read it, and whether each target's provider answers."""

import asyncio
import importlib.util
from collections.abc import Iterator, Mapping

import msgspec

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.model import Provider, Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.errors import ConfigurationError, UpstreamError
from aqueduct.providers.registry import Kind
from aqueduct.upstream.aws_signer import check_aws_credentials
from aqueduct.upstream.google_signer import check_service_account
from aqueduct.upstream.transport import Transport

_PROBE_TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=10.0, idle_seconds=10.0, total_seconds=15.0)
_MAX_PROBE_BYTES = 16 * 1024 * 1024
_CREDENTIAL_CHECKS = {"google": check_service_account, "aws": check_aws_credentials}
"""By the name of a signer."""


class ServedTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list: a public name and a target behind it; `address` and `credential` may be shown."""

    model: str
    aliases: tuple[str, ...]
    target: Target
    address: str
    credential: str


def list_served(snapshot: Snapshot) -> Iterator[ServedTarget]:
    """Yield every model's targets in the order in which they are tried."""
    for model in snapshot.models:
        for target in model.targets:
            yield ServedTarget(
                model=model.name,
                aliases=model.aliases,
                target=target,
                address=_address(target),
                credential=mask(target.provider.api_key),
            )


def check_credentials(snapshot: Snapshot, kinds: Mapping[str, Kind]) -> None:
    """Raise `ConfigurationError` for a provider that lacks an extra, or could not sign with its credentials."""
    for provider in {target.provider for model in snapshot.models for target in model.targets}:
        extra = kinds[provider.kind].extra
        if extra is not None and importlib.util.find_spec(extra) is None:
            raise ConfigurationError(
                f"provider '{provider.name}': the kind '{provider.kind}' needs an extra that is not installed: "
                f"run `pip install 'aqueduct-gateway[{extra}]'`"
            )
        check = _CREDENTIAL_CHECKS.get(kinds[provider.kind].signer or "")
        if check is not None:
            check(provider)


def mask(secret: str | None) -> str:
    """Return what tells a secret from others without giving it away."""
    if secret is None:
        return "none"
    return f"…{secret[-4:]}" if len(secret) >= 16 else "set"


async def probe(snapshot: Snapshot, kinds: Mapping[str, Kind], transport: Transport) -> dict[str, str]:
    """Ask every HTTP provider for its models, which costs nothing; return what each said by the provider's name."""
    providers = {
        target.provider.name: target.provider
        for model in snapshot.models
        for target in model.targets
        if target.provider.origin is not None
    }
    verdicts = await asyncio.gather(
        *(_probe_provider(provider, kinds[provider.kind], transport) for provider in providers.values())
    )
    return dict(zip(providers, verdicts, strict=True))


async def _probe_provider(provider: Provider, kind: Kind, transport: Transport) -> str:
    if provider.origin is None:
        raise ValueError("only a provider with an address can be asked")
    request = UpstreamRequest("GET", provider.origin, kind.models_path(provider), kind.headers(provider))
    try:
        response = await transport.send(request, _PROBE_TIMEOUTS)
        try:
            await response.read_all(_MAX_PROBE_BYTES)
        finally:
            response.close()
    except UpstreamError as error:
        return f"does not answer: {error}"
    if kind.signer is not None and provider.api_key is None and response.status < 500:
        return "answers; it was asked without a signature, so that nothing is known of the credentials"
    if response.status in (401, 403):
        return f"answers, but refuses the credential ({response.status})"
    is_well = response.status == 200 or (response.status < 500 and not kind.lists_models)
    return "answers" if is_well else f"answers with status {response.status}"


def _address(target: Target) -> str:
    provider = target.provider
    if provider.origin is None:
        return target.model_path or ("the embedded model" if provider.kind == "local" else "its own")
    return f"{provider.origin.scheme}://{provider.origin.authority}{provider.base_path}"
