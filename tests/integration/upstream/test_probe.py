"""What `aqueduct models --probe` says of targets: each is asked with its own key, and no key is ever shown."""

from typing import Any

import pytest
from tests.scripted_upstream import Drop, Script, ScriptedUpstream, completion, error_reply, json_reply

from aqueduct.control.probing import Prober
from aqueduct.control.served import fingerprint
from aqueduct.domain.http import Origin
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.providers.registry import KINDS
from aqueduct.upstream.transport import Transport


def provider(upstream: ScriptedUpstream, kind: str = "openai", **members: Any) -> Provider:
    origin = Origin("http", "127.0.0.1", upstream.port)
    return Provider(name=kind, kind=kind, origin=origin, **members)


def served(*targets: Target) -> Snapshot:
    return Snapshot(models=(Model(name="m", targets=targets),))


async def test_a_refusal_of_what_was_not_signed_says_nothing_of_the_credentials(transport: Transport) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(json_reply({"message": "Missing Authentication Token"}, status=403))
        signed, keyed = (
            Target(provider=provider(upstream, "bedrock", options={"region": "eu-west-1"}, **each), model="*")
            for each in ({}, {"api_key": "k"})
        )
        verdicts = await Prober(KINDS, transport, {}).probe(served(signed, keyed))
    assert "without a signature" in verdicts[signed].words
    assert "refuses the credential" in verdicts[keyed].words


async def test_each_key_is_asked_for_itself_and_a_target_of_two_models_once(transport: Transport) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(json_reply(completion()))
        keys = [provider(upstream, api_key=f"sk-{number}-secret", key_number=number) for number in (1, 2)]
        targets = [Target(provider=each, model="m") for each in (*keys, keys[0])]
        told: list[str] = []
        prober = Prober(KINDS, transport, {}, lambda target, verdict: told.append(verdict.words))
        verdicts = await prober.probe(served(*targets))
        used = {request.headers["authorization"] for request in upstream.received}
    assert used == {"Bearer sk-1-secret", "Bearer sk-2-secret"}
    assert (len(upstream.received), len(told)) == (2, 2)
    assert all(verdicts[each].words.startswith("answers, in ") and verdicts[each].is_well for each in targets)
    assert fingerprint(keys[0]) != fingerprint(keys[1])
    assert "secret" not in fingerprint(keys[0])


@pytest.mark.parametrize(
    ("script", "verdict"),
    [
        (error_reply(401, "Incorrect API key provided: sk-1-secret"), "refuses the credential (401)"),
        (error_reply(404), "does not know the model (404)"),
        (error_reply(429), "is at its rate limit (429)"),
        (error_reply(500), "fails (500)"),
        (error_reply(400, "not with sk-1-secret"), "answers, but refuses the request (400): not with [credential]"),
        ([Drop()], "cannot be reached: the connection was lost"),
        (json_reply({}), "sends what is no answer: the answer has no choices"),
    ],
)
async def test_one_that_does_not_answer_says_why_not(transport: Transport, script: Script, verdict: str) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(script)
        target = Target(provider=provider(upstream, api_key="sk-1-secret"), model="m")
        verdicts = await Prober(KINDS, transport, {}).probe(served(target))
    assert verdicts[target] == (verdict, False)
