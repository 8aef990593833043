"""What `aqueduct models` says of a provider whose requests are signed."""

from tests.scripted_upstream import ScriptedUpstream, json_reply

from aqueduct.control.served import probe
from aqueduct.domain.http import Origin
from aqueduct.domain.model import Model, Provider, Target
from aqueduct.domain.snapshot import Snapshot
from aqueduct.providers.registry import KINDS
from aqueduct.upstream.transport import Transport


async def test_a_refusal_of_what_was_not_signed_says_nothing_of_the_credentials(transport: Transport) -> None:
    with ScriptedUpstream() as upstream:
        upstream.script(json_reply({"message": "Missing Authentication Token"}, status=403))
        origin, options = Origin("http", "127.0.0.1", upstream.port), {"region": "eu-west-1"}
        signed = Provider(name="signed", kind="bedrock", origin=origin, options=options)
        keyed = Provider(name="keyed", kind="bedrock", origin=origin, options=options, api_key="k")
        targets = tuple(Target(provider=provider, model="m") for provider in (signed, keyed))
        verdicts = await probe(Snapshot(models=(Model(name="m", targets=targets),)), KINDS, transport)
    assert "without a signature" in verdicts["signed"]
    assert "refuses the credential" in verdicts["keyed"]
