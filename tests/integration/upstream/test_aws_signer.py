"""Signatures for AWS: those that botocore's own client makes for the same request, and where the keys come from."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from tests.scripted_upstream import ScriptedUpstream, json_reply, reply

from aqueduct.domain.http import Origin, UpstreamRequest
from aqueduct.domain.model import Provider
from aqueduct.errors import ConfigurationError, UpstreamUnauthorized
from aqueduct.upstream.aws_signer import AwsSigner, check_aws_credentials

KEYS = {"access_key_id": "AKIDEXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
ORIGIN = Origin("https", "bedrock-runtime.eu-west-1.amazonaws.com", 443)
REQUEST = UpstreamRequest(
    "POST",
    ORIGIN,
    "/model/eu.amazon.nova-lite-v1%3A0/converse",
    ((b"content-type", b"application/json"), (b"accept-encoding", b"identity")),
    b'{"messages":[]}',
)


def provider(api_key: str | None = None, **credentials: str) -> Provider:
    return Provider(
        name="aws", kind="bedrock", api_key=api_key, credentials=credentials, options={"region": "eu-west-1"}
    )


def sent(request: UpstreamRequest) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in request.headers}


def signature_of_botocores_client(**keys: Any) -> dict[str, str]:
    """Return the headers that botocore's own client sends for the same request, at the same moment."""
    from botocore.awsrequest import AWSResponse
    from botocore.config import Config
    from botocore.session import Session

    caught: dict[str, str] = {}

    def catch(request: Any, **_: Any) -> AWSResponse:
        caught.update({name.lower(): _text(value) for name, value in request.headers.items()})
        caught["path"], caught["body"] = request.url.partition("amazonaws.com")[2], _text(request.body)
        return AWSResponse(request.url, 200, {}, _Body())

    client = Session().create_client(
        "bedrock-runtime", region_name="eu-west-1", config=Config(auth_scheme_preference="sigv4"), **keys
    )
    client.meta.events.register("before-send.bedrock-runtime.Converse", catch)
    try:
        client.converse(modelId="eu.amazon.nova-lite-v1:0", messages=[])
    finally:
        client.close()
    return caught


class _Body:
    """An empty body of an answer."""

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield b"{}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


@time_machine.travel("2026-11-24T12:00:00Z", tick=False)
@pytest.mark.parametrize("token", [None, "a-session"])
async def test_a_signature_is_the_one_that_botocores_own_client_makes(token: str | None) -> None:
    own = signature_of_botocores_client(
        aws_access_key_id=KEYS["access_key_id"],
        aws_secret_access_key=KEYS["secret_access_key"],
        aws_session_token=token,
    )
    given = KEYS if token is None else {**KEYS, "session_token": token}
    request = UpstreamRequest(
        "POST", ORIGIN, own["path"], ((b"content-type", b"application/json"),), own["body"].encode()
    )
    assert request.path == REQUEST.path
    signed = sent(await AwsSigner().sign(request, provider(**given)))
    assert signed["x-amz-date"] == own["x-amz-date"] == "20261124T120000Z"
    assert signed.get("x-amz-security-token") == own.get("x-amz-security-token") == token
    assert signed["authorization"] == own["authorization"]


@time_machine.travel("2026-11-24T12:00:00Z", tick=False)
async def test_a_signature_covers_body_path_and_headers() -> None:
    signer = AwsSigner()
    first = sent(await signer.sign(REQUEST, provider(**KEYS)))
    assert first["content-type"] == "application/json"
    assert "host;x-amz-date" in first["authorization"]
    again = sent(await signer.sign(REQUEST, provider(**KEYS)))
    assert again == first
    others = [
        UpstreamRequest("POST", ORIGIN, REQUEST.path, REQUEST.headers, b"{}"),
        UpstreamRequest("POST", ORIGIN, "/model/other/converse", REQUEST.headers, REQUEST.body),
        UpstreamRequest("POST", ORIGIN, REQUEST.path, REQUEST.headers, b"x" * 300_000),
    ]
    found = {sent(await signer.sign(other, provider(**KEYS)))["authorization"] for other in others}
    assert len(found | {first["authorization"]}) == 4


async def test_a_bearer_key_needs_no_signature() -> None:
    assert await AwsSigner().sign(REQUEST, provider(api_key="k")) is REQUEST


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("BOTO_CONFIG", str(tmp_path / "boto"))
    return tmp_path


async def test_without_keys_those_of_the_machine_are_taken_and_kept(nowhere: Path) -> None:
    file = nowhere / "credentials"
    await asyncio.to_thread(file.write_text, "[default]\naws_access_key_id = AKIFILE\naws_secret_access_key = s\n")
    signer = AwsSigner()
    signed = await asyncio.gather(*(signer.sign(REQUEST, provider()) for _ in range(8)))
    assert all("Credential=AKIFILE/" in sent(each)["authorization"] for each in signed)
    await asyncio.to_thread(file.unlink)
    assert "Credential=AKIFILE/" in sent(await signer.sign(REQUEST, provider()))["authorization"]


async def test_a_machine_without_keys_is_unauthorized_and_not_asked_for_each_request(nowhere: Path) -> None:
    signer = AwsSigner()
    with pytest.raises(UpstreamUnauthorized, match="no AWS credentials"):
        await signer.sign(REQUEST, provider())
    file = nowhere / "credentials"
    await asyncio.to_thread(file.write_text, "[default]\naws_access_key_id = AKIFILE\naws_secret_access_key = s\n")
    with pytest.raises(UpstreamUnauthorized):
        await signer.sign(REQUEST, provider())


async def test_keys_that_end_are_renewed_in_time_and_a_failure_leaves_the_old_ones_until_they_end(
    nowhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedUpstream() as endpoint:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{endpoint.port}/keys")
        with time_machine.travel("2026-11-24T12:00:00Z") as traveller:
            endpoint.script(_grant("AKI1", "2026-11-24T13:00:00Z"))
            signer = AwsSigner()
            signed = await asyncio.gather(*(signer.sign(REQUEST, provider()) for _ in range(8)))
            assert {sent(each)["x-amz-security-token"] for each in signed} == {"AKI1"}
            assert len(endpoint.received) == 1
            traveller.move_to("2026-11-24T12:50:00Z")
            endpoint.script(_grant("AKI2", "2026-11-24T14:00:00Z"))
            assert sent(await signer.sign(REQUEST, provider()))["x-amz-security-token"] == "AKI2"
            traveller.move_to("2026-11-24T13:49:30Z")
            endpoint.script(reply(b"", status=400))
            assert sent(await signer.sign(REQUEST, provider()))["x-amz-security-token"] == "AKI2"
            traveller.move_to("2026-11-24T14:00:01Z")
            with pytest.raises(UpstreamUnauthorized):
                await signer.sign(REQUEST, provider())


def _grant(key: str, ends: str) -> Any:
    return json_reply({"AccessKeyId": key, "SecretAccessKey": "s", "Token": key, "Expiration": ends})


def test_botocore_is_not_imported_at_start_up() -> None:
    program = "import sys, aqueduct.app; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_credentials_are_checked_before_a_request_needs_them() -> None:
    check_aws_credentials(provider(**KEYS))
    check_aws_credentials(provider(api_key="k"))
    check_aws_credentials(provider())
    with pytest.raises(ConfigurationError, match="belong together"):
        check_aws_credentials(provider(access_key_id="AKI"))
    program = (
        "import sys; sys.modules['botocore'] = None\n"
        "from aqueduct.domain.model import Provider\n"
        "from aqueduct.upstream.aws_signer import check_aws_credentials\n"
        "check_aws_credentials(Provider(name='aws', kind='bedrock'))\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert "extra `aws`" in ended.stderr
