"""Asks every target whether it answers: each with its own key, by a request of a few words, as a client would.

What is behind `*` has no model to ask, so that its provider is asked for its list of models instead.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec

from aqueduct.domain.http import Timeouts, UpstreamRequest
from aqueduct.domain.model import Provider, Target
from aqueduct.domain.snapshot import WILDCARD, Snapshot
from aqueduct.errors import InvalidRequest, UpstreamError, UpstreamRejected
from aqueduct.providers.registry import Kind
from aqueduct.upstream.transport import Transport
from aqueduct.wire.chat import parse_chat
from aqueduct.wire.cleaning import clean_message, conceal
from aqueduct.wire.failures import describe_failure

TIMEOUTS = Timeouts(connect_seconds=5.0, first_byte_seconds=30.0, idle_seconds=10.0, total_seconds=30.0)
_AT_ONCE = 8
_MAX_BYTES = 16 * 1024 * 1024
_HELLO = "Answer with one word: yes."


class Verdict(NamedTuple):
    """What a target did when it was asked; `is_well` where that is what a client would want."""

    words: str
    is_well: bool = False


class Signer(Protocol):
    """Adds to a request what proves who sends it."""

    async def sign(self, request: UpstreamRequest, provider: Provider) -> UpstreamRequest:
        """Return the request signed; raise an `UpstreamError` where that fails."""


class Prober:
    """Asks targets; `told` hears of each verdict as it is there."""

    def __init__(
        self,
        kinds: Mapping[str, Kind],
        transport: Transport,
        signers: Mapping[str, Signer],
        told: Callable[[Target, Verdict], None] | None = None,
    ) -> None:
        self._kinds = kinds
        self._transport = transport
        self._signers = signers
        self._told = told
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def probe(self, snapshot: Snapshot) -> dict[Target, Verdict]:
        """Return what each target reached over HTTP said; one that is in several models is asked once.

        What a child of the gateway asks is left out: only a gateway that runs has it.
        """
        by_name = {
            (target.provider, target.model): target
            for model in snapshot.models
            for target in model.targets
            if target.provider.origin is not None and self._kinds[target.provider.kind].extra is None
        }
        verdicts = dict(zip(by_name, await asyncio.gather(*map(self._verdict, by_name.values())), strict=True))
        targets = [target for model in snapshot.models for target in model.targets]
        return {each: verdicts[key] for each in targets if (key := (each.provider, each.model)) in verdicts}

    async def _verdict(self, target: Target) -> Verdict:
        async with self._places:
            try:
                verdict = await (self._list_models(target) if target.model == WILDCARD else self._say_hello(target))
            except UpstreamError as error:
                verdict = Verdict(_explain(error, target))
            except InvalidRequest as error:
                verdict = Verdict(f"cannot be asked: {error}")
        if self._told is not None:
            self._told(target, verdict)
        return verdict

    async def _say_hello(self, target: Target) -> Verdict:
        kind = self._kinds[target.provider.kind]
        operation = kind.adapter["chat"]
        body = {"model": target.model, "messages": [{"role": "user", "content": _HELLO}]}
        request = parse_chat(msgspec.json.encode(body)).received("probe", time.time())
        upstream_request = operation.build_request(request, target)
        if kind.signer is not None:
            upstream_request = await self._signers[kind.signer].sign(upstream_request, target.provider)
        began_at = time.monotonic()
        response = await self._transport.send(upstream_request, TIMEOUTS)
        try:
            answer = await response.read_all(_MAX_BYTES)
        finally:
            response.close()
        if response.status != 200:
            raise operation.read_error(response.status, response.headers, answer)
        operation.read_response(request, answer)
        return Verdict(f"answers, in {time.monotonic() - began_at:.1f} s", is_well=True)

    async def _list_models(self, target: Target) -> Verdict:
        provider = target.provider
        kind = self._kinds[provider.kind]
        if provider.origin is None:
            raise ValueError("only a provider with an address can be asked")
        request = UpstreamRequest("GET", provider.origin, kind.models_path(provider), kind.headers(provider))
        response = await self._transport.send(request, TIMEOUTS)
        try:
            await response.read_all(_MAX_BYTES)
        finally:
            response.close()
        if kind.signer is not None and provider.api_key is None and response.status < 500:
            words = "answers; it was asked without a signature, so that nothing is known of the credentials"
            return Verdict(words, is_well=True)
        if response.status in (401, 403):
            return Verdict(f"refuses the credential ({response.status})")
        is_well = response.status == 200 or (response.status < 500 and not kind.lists_models)
        return Verdict("answers" if is_well else f"answers with status {response.status}", is_well)


def _explain(error: UpstreamError, target: Target) -> str:
    """Say why a target does not answer, without what an upstream's words may hold of a credential."""
    if isinstance(error, UpstreamRejected):
        conceal(error.rejection, target.provider.confidential)
        return f"answers, but refuses the request ({error.status}): {clean_message(error.rejection.message)}"
    return describe_failure(error, target.provider.confidential)
