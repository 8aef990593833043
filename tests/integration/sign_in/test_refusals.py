"""What an issuer, or somebody in between, may try: none of it lets anybody in, and the log says what it was."""

import base64
import dataclasses
import time
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey
from tests.integration.sign_in.conftest import Door
from tests.scripted_issuer import ALGORITHMS, ScriptedIssuer, a_key

from aqueduct.control.flows import new_value
from aqueduct.control.oidc.sign_in import Arrival, OidcSignIn
from aqueduct.control.users import Users
from aqueduct.domain.actor import SYSTEM
from aqueduct.errors import NotFound, SignInRefused


async def arrive(door: Door, issuer: ScriptedIssuer, browser: str, **answer: str) -> Arrival:
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    return await door.oidc.finish("lab", said | answer, browser)


async def refusal(door: Door, issuer: ScriptedIssuer, browser: str, **answer: str) -> str:
    with pytest.raises(SignInRefused) as caught:
        await arrive(door, issuer, browser, **answer)
    assert await Users(door.workspace.registry).everything(SYSTEM) == []
    return caught.value.code or ""


def encode(value: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(value)).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    return f"{encode(header | {'alg': 'none'})}.{encode(claims)}."


def signed_by_the_public_key(issuer: ScriptedIssuer) -> Any:
    """Return what signs with HS256, and the issuer's public key for a secret."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        public = issuer.key.as_dict(private=False)
        secret = OctKey.import_key({"kty": "oct", "k": public["n"]})
        return jwt.encode(header | {"alg": "HS256"}, claims, secret, algorithms=ALGORITHMS)

    return sign


WRONG: list[dict[str, Any]] = [
    {"nonce": "of another question"},
    {"nonce": None},
    {"aud": "somebody else"},
    {"aud": ["aqueduct", "somebody else"]},
    {"aud": ["aqueduct", "somebody else"], "azp": "somebody else"},
    {"azp": "somebody else"},
    {"iss": "https://another.example.org"},
    {"exp": int(time.time()) - 120},
    {"exp": None},
    {"exp": "tomorrow"},
    {"iat": int(time.time()) + 3600},
    {"iat": None},
    {"nbf": int(time.time()) + 3600},
    {"sub": None},
    {"sub": ""},
    {"sub": 7},
    {"sub": "a" * 256},
    {"at_hash": "bm90IHRoaXMgb25l"},
]


async def test_an_id_token_that_says_anything_wrong_lets_nobody_in(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    for claims in WRONG:
        issuer.claims = claims
        assert await refusal(door, issuer, browser) == "assertion_not_valid", claims


async def test_no_signature_a_shared_secret_or_a_key_that_is_not_published_lets_nobody_in(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    for sign in (unsigned, signed_by_the_public_key(issuer)):
        issuer.sign = sign
        for said in (["RS256"], ["none", "HS256", "RS256"]):
            issuer.metadata = {"id_token_signing_alg_values_supported": said}
            assert await refusal(door, issuer, browser) == "assertion_not_valid"
    issuer.sign = None
    issuer.published = [a_key("first", 2)]
    assert await refusal(door, issuer, browser) == "assertion_not_valid"


async def test_an_issuer_that_signs_with_secrets_alone_is_not_gone_to(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    issuer.metadata = {"id_token_signing_alg_values_supported": ["HS256"]}
    assert await refusal(door, issuer, browser) == "issuer_unreachable"


async def test_a_state_is_used_once_in_the_browser_that_got_it_and_not_for_long(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    for another in (new_value(), None):
        stolen = issuer.authorize(await door.oidc.begin("lab", browser))
        with pytest.raises(SignInRefused, match="another browser"):
            await door.oidc.finish("lab", stolen, another)
        with pytest.raises(SignInRefused, match="start again"):
            await door.oidc.finish("lab", stolen, browser)
    await door.oidc.finish("lab", said, browser)
    for answer in (said, {"code": "code-0"}, {"code": "code-0", "state": new_value()}):
        with pytest.raises(SignInRefused, match="used already"):
            await door.oidc.finish("lab", answer, browser)
    late = issuer.authorize(await door.oidc.begin("lab", browser))
    ten_minutes_later = dataclasses.replace(door.workspace.registry, clock=lambda: time.time() + 601)
    with pytest.raises(SignInRefused, match="too long"):
        await OidcSignIn(ten_minutes_later, door.parties, door.origin).finish("lab", late, browser)


async def test_a_code_of_another_browser_cannot_be_slipped_in(door: Door, issuer: ScriptedIssuer, browser: str) -> None:
    of_the_attacker = issuer.authorize(await door.oidc.begin("lab", new_value()))
    assert await refusal(door, issuer, browser, code=of_the_attacker["code"]) == "code_refused"


async def test_an_answer_that_names_another_issuer_or_should_name_one_and_does_not_is_refused(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    assert await refusal(door, issuer, browser, iss="https://another.example.org") == "issuer_mixed_up"
    issuer.metadata = {"authorization_response_iss_parameter_supported": True}
    door.config |= {"label": "Read anew"}
    assert await refusal(door, issuer, browser) == "issuer_mixed_up"
    assert (await arrive(door, issuer, browser, iss=issuer.url)).user.name == "ann"


async def test_a_person_who_is_not_let_in_there_is_told_so(door: Door, issuer: ScriptedIssuer, browser: str) -> None:
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    with pytest.raises(SignInRefused, match="You did not sign in at The lab"):
        await door.oidc.finish("lab", {"error": "access_denied", "state": said["state"]}, browser)
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    with pytest.raises(SignInRefused, match=r"did not sign you in \(unknown\)"):
        await door.oidc.finish("lab", {"error": "<script>", "state": said["state"]}, browser)


ASTRAY: list[dict[str, Any]] = [
    {"issuer": "https://another.example.org"},
    {"jwks_uri": "http://169.254.169.254/latest"},
    {"token_endpoint": "http://10.0.0.1/token"},
    {"token_endpoint": "file:///etc/passwd"},
    {"token_endpoint": 7},
    {"authorization_endpoint": "javascript:alert(1)"},
]


async def test_an_issuer_leads_us_nowhere_that_the_config_does_not_allow_and_no_browser_to_a_script(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    for number, metadata in enumerate(ASTRAY):
        issuer.metadata = metadata
        door.config["label"] = f"Read anew {number}"
        assert await refusal(door, issuer, browser) == "issuer_unreachable", metadata


async def test_an_issuer_in_a_private_network_is_not_asked_unless_the_config_names_the_network(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    door.config["networks"] = ["10.0.0.0/8"]
    assert await refusal(door, issuer, browser) == "issuer_unreachable"
    assert issuer.asked == []


async def test_made_up_keys_do_not_make_us_ask_the_issuer_again_and_again(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    for number in range(4):
        issuer.header = {"kid": f"made-up-{number}"}
        await refusal(door, issuer, browser)
    assert issuer.asked.count("/jwks") == 2


@pytest.mark.parametrize("is_named", [True, False])
async def test_a_key_that_the_issuer_changes_to_is_found_named_or_not(
    door: Door, issuer: ScriptedIssuer, browser: str, is_named: bool
) -> None:
    issuer.header = {} if is_named else {"kid": None}
    await arrive(door, issuer, browser)
    issuer.key = a_key("second")
    await arrive(door, issuer, browser)
    issuer.published = [a_key("third")]
    issuer.asked.clear()
    await arrive(door, issuer, browser)
    assert "/jwks" not in issuer.asked


async def test_userinfo_of_somebody_else_is_not_believed(door: Door, issuer: ScriptedIssuer, browser: str) -> None:
    issuer.userinfo = {"sub": "bob", "groups": ["ai-admins"]}
    assert await refusal(door, issuer, browser) == "issuer_unreachable"


async def test_groups_that_are_too_many_to_be_said_are_not_taken_for_none(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    issuer.claims = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://graph"}}}
    assert await refusal(door, issuer, browser) == "groups_overage"


async def test_an_issuer_that_is_no_longer_configured_lets_nobody_in(
    door: Door, issuer: ScriptedIssuer, browser: str
) -> None:
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    door.config["name"] = "other"
    with pytest.raises(NotFound):
        await door.oidc.finish("lab", said, browser)
    with pytest.raises(SignInRefused, match="could not be trusted"):
        await door.oidc.finish("other", issuer.authorize(await door.oidc.begin("other", browser)) | said, browser)


async def test_no_secret_is_in_the_log_or_in_what_a_person_reads(
    door: Door, issuer: ScriptedIssuer, browser: str, capsys: pytest.CaptureFixture[str]
) -> None:
    issuer.claims = {"aud": "somebody else"}
    said = issuer.authorize(await door.oidc.begin("lab", browser))
    with pytest.raises(SignInRefused) as caught:
        await door.oidc.finish("lab", said, browser)
    written = capsys.readouterr().out + str(caught.value) + repr(door.sign_in())
    assert "aud" in written
    for secret in (door.config["client_secret"], said["code"], said["state"], browser):
        assert secret not in written
