"""Access tokens for Google Cloud: bought with a signed assertion, shared, renewed in time, by real requests."""

import asyncio
import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from tests.scripted_upstream import Gate, Hold, ScriptedUpstream, json_reply, reply

from aqueduct.domain.http import Origin, UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.errors import ConfigurationError, UpstreamUnauthorized, UpstreamUnreachable
from aqueduct.upstream.google_signer import GoogleSigner, check_service_account
from aqueduct.upstream.transport import Transport

KEY = RSAKey.generate_key(2048)
REQUEST = UpstreamRequest("POST", Origin("https", "aiplatform.googleapis.com", 443), "/v1", ((b"a", b"b"),), b"{}")


@pytest.fixture
def endpoint() -> Iterator[ScriptedUpstream]:
    with ScriptedUpstream() as upstream:
        yield upstream


@pytest.fixture
def service_account(endpoint: ScriptedUpstream) -> str:
    account = {
        "type": "service_account",
        "client_email": "robot@project.example",
        "private_key": KEY.as_pem(private=True).decode(),
        "private_key_id": "k1",
        "token_uri": f"http://127.0.0.1:{endpoint.port}/token",
    }
    return json.dumps(account)


def provider(service_account: str) -> Provider:
    return Provider(name="cloud", kind="vertex", credentials={"service_account": service_account})


def grant(value: str, expires_in: float = 3599) -> Any:
    return json_reply({"access_token": value, "expires_in": expires_in, "token_type": "Bearer"})


def bearer(request: UpstreamRequest) -> bytes:
    return dict(request.headers)[b"authorization"]


async def test_a_signed_assertion_buys_a_token(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str
) -> None:
    endpoint.script(grant("t1"))
    signed = await GoogleSigner(transport).sign(REQUEST, provider(service_account))
    assert bearer(signed) == b"Bearer t1"
    assert (signed.headers[0], signed.body, signed.path) == (REQUEST.headers[0], REQUEST.body, REQUEST.path)
    (asked,) = endpoint.received
    assert (asked.method, asked.path) == ("POST", "/token")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    form = parse_qs(asked.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    assertion = jwt.decode(form["assertion"][0], KEY, algorithms=["RS256"])
    assert (assertion.header["kid"], assertion.claims["iss"]) == ("k1", "robot@project.example")
    assert assertion.claims["aud"] == json.loads(service_account)["token_uri"]
    assert assertion.claims["scope"] == "https://www.googleapis.com/auth/cloud-platform"
    assert assertion.claims["exp"] - assertion.claims["iat"] == 3600


async def test_a_token_is_kept_and_many_requests_at_once_buy_one(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str
) -> None:
    endpoint.script(grant("t1"), grant("t2"))
    signer = GoogleSigner(transport)
    signed = await asyncio.gather(*(signer.sign(REQUEST, provider(service_account)) for _ in range(20)))
    assert {bearer(each) for each in signed} == {b"Bearer t1"}
    assert bearer(await signer.sign(REQUEST, provider(service_account))) == b"Bearer t1"
    assert len(endpoint.received) == 1


async def test_who_leaves_while_a_token_is_bought_does_not_take_it_from_the_others(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str
) -> None:
    gate = Gate()
    endpoint.script([Hold(gate)], grant("t2"))
    signer = GoogleSigner(transport)
    first = asyncio.ensure_future(signer.sign(REQUEST, provider(service_account)))
    await asyncio.to_thread(endpoint.wait_received)
    second = asyncio.ensure_future(signer.sign(REQUEST, provider(service_account)))
    await asyncio.sleep(0)
    first.cancel()
    assert bearer(await second) == b"Bearer t2"
    gate.open()


async def test_a_token_is_renewed_before_it_ends_and_serves_on_where_that_fails(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str
) -> None:
    endpoint.script(grant("t1", expires_in=0.1), grant("t2", expires_in=0.0), grant("t3"))
    signer = GoogleSigner(transport)
    assert bearer(await signer.sign(REQUEST, provider(service_account))) == b"Bearer t1"
    await asyncio.sleep(0.06)  # past half of its life, when it is due
    assert bearer(await signer.sign(REQUEST, provider(service_account))) == b"Bearer t2"
    assert bearer(await signer.sign(REQUEST, provider(service_account))) == b"Bearer t3"
    endpoint.script(grant("t4", expires_in=60), json_reply({}, status=503))
    other = provider(service_account.replace("robot@", "other@"))
    assert bearer(await signer.sign(REQUEST, other)) == b"Bearer t4"
    signer._accesses[other.credentials["service_account"]].renew_at = 0.0
    assert bearer(await signer.sign(REQUEST, other)) == b"Bearer t4"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (json_reply({"error": "invalid_grant", "error_description": "robot"}, status=400), UpstreamUnauthorized),
        (json_reply({"error": "invalid_client"}, status=401), UpstreamUnauthorized),
        (json_reply({}, status=500), UpstreamUnreachable),
        (json_reply({}, status=429), UpstreamUnreachable),
        (json_reply({"access_token": "a\r\nb"}), UpstreamUnreachable),
        (json_reply({"id_token": "x"}), UpstreamUnreachable),
        (reply(b"<html>"), UpstreamUnreachable),
    ],
)
async def test_a_refused_assertion_is_told_from_an_endpoint_in_trouble(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str, answer: Any, kind: type[Exception]
) -> None:
    endpoint.script(answer)
    with pytest.raises(kind) as failure:
        await GoogleSigner(transport).sign(REQUEST, provider(service_account))
    assert "robot" not in str(failure.value)


async def test_the_key_may_lie_in_a_file_that_is_read_anew_for_each_token(
    transport: Transport, endpoint: ScriptedUpstream, service_account: str, tmp_path: Path
) -> None:
    file = tmp_path / "key.json"
    file.write_text(service_account)
    endpoint.script(grant("t1", expires_in=0.0), grant("t2"))
    signer = GoogleSigner(transport)
    await signer.sign(REQUEST, provider(str(file)))
    file.write_text(service_account.replace("robot@", "other@"))
    await signer.sign(REQUEST, provider(str(file)))
    issuers = []
    for asked in endpoint.received:
        claims = parse_qs(asked.body.decode())["assertion"][0].split(".")[1]
        issuers.append(json.loads(base64.urlsafe_b64decode(claims + "=="))["iss"])
    assert issuers == ["robot@project.example", "other@project.example"]
    file.unlink()
    signer._accesses[str(file)].renew_at = 0.0
    assert bearer(await signer.sign(REQUEST, provider(str(file)))) == b"Bearer t2"


@pytest.mark.parametrize(
    ("credential", "reason"),
    [
        ("", "needs the credential 'service_account'"),
        ("/nowhere/key.json", "cannot be read"),
        ("{}", "not a service account's key"),
        ('{"client_email": "a", "private_key": "b"}', "not an RSA key"),
    ],
)
async def test_a_key_that_cannot_sign_is_refused_before_a_request_needs_it(
    transport: Transport, credential: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        check_service_account(provider(credential))
    with pytest.raises(UpstreamUnauthorized, match=reason):
        await GoogleSigner(transport).sign(REQUEST, provider(credential))


def test_without_the_extra_its_name_is_told(service_account: str) -> None:
    script = (
        "import sys; sys.modules['joserfc'] = None\n"
        "from aqueduct.domain.model import Provider\n"
        "from aqueduct.errors import ConfigurationError\n"
        "from aqueduct.upstream.google_signer import check_service_account\n"
        "try:\n"
        "    check_service_account(Provider(name='c', kind='vertex', credentials={'service_account': sys.argv[1]}))\n"
        "except ConfigurationError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, service_account], capture_output=True, text=True, check=True)
    assert "aqueduct-gateway[google]" in done.stdout
