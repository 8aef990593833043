"""The questions of the code flow: where a browser goes, what a code is given for, what the issuer says of a person."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import msgspec
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from aqueduct.control.oidc.metadata import Metadata
from aqueduct.control.oidc.reaching import IssuerFailed, Reach
from aqueduct.domain.sign_in import Issuer

METHODS = ("client_secret_basic", "client_secret_post")
"""How we can show a secret, what is better first."""


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """What a code was given for; both are secrets."""

    id_token: str
    access_token: str | None = None


def authorization_url(issuer: Issuer, metadata: Metadata, redirect_uri: str, answers: Mapping[str, str]) -> str:
    """Return where the browser goes to sign in; `answers` are the `state`, `nonce` and `verifier` to come back with."""
    url: str = prepare_grant_uri(
        metadata.authorization_endpoint,
        issuer.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=" ".join(issuer.scopes),
        state=answers["state"],
        nonce=answers["nonce"],
        code_challenge=create_s256_code_challenge(answers["verifier"]),
        code_challenge_method="S256",
        **issuer.parameters,
    )
    require_web_address(url, issuer)
    return url


def require_web_address(url: str, issuer: Issuer) -> None:
    """Raise `IssuerFailed` unless a browser may be sent there: a `javascript:` address would run as ours."""
    scheme = urlsplit(url).scheme
    if scheme != "https" and not (scheme == "http" and issuer.url.startswith("http:")):
        raise IssuerFailed("the issuer sends browsers to an address that is not https://")


async def exchange_code(issuer: Issuer, metadata: Metadata, reach: Reach, form: Mapping[str, str]) -> Grant:
    """Give the code back for tokens; raises `IssuerFailed`. `form` has the code, its verifier and the redirect URI."""
    fields = [("grant_type", "authorization_code"), *form.items()]
    headers: dict[str, str] = {}
    if issuer.client_secret is None:
        fields.append(("client_id", issuer.client_id))
    elif method_for(issuer, metadata) == METHODS[0]:
        # RFC 6749, 2.3.1: both are form-encoded before they are put together.
        name, secret = quote(issuer.client_id, safe=""), quote(issuer.client_secret, safe="")
        _, headers, _ = ClientAuth(name, secret, METHODS[0]).prepare("POST", metadata.token_endpoint, {}, "")
    else:
        fields += [("client_id", issuer.client_id), ("client_secret", issuer.client_secret)]
    given = [(name.lower().encode(), value.encode()) for name, value in headers.items() if name == "Authorization"]
    found = await reach.post(metadata.token_endpoint, fields, tuple(given))
    match found.get("id_token"), found.get("access_token"):
        case str(id_token), None:
            return Grant(id_token=id_token)
        case str(id_token), str(access_token):
            return Grant(id_token=id_token, access_token=access_token)
    raise IssuerFailed("the issuer gave no ID token: is `openid` among the scopes that the client may have?")


def method_for(issuer: Issuer, metadata: Metadata) -> str:
    """Return how the secret is shown: as the config says, else in a header where the issuer takes that, or the form."""
    if issuer.client_auth is not None:
        return issuer.client_auth
    offered = metadata.token_endpoint_auth_methods_supported
    return next((each for each in METHODS if each in offered), METHODS[0])


async def complete(claims: dict[str, Any], grant: Grant, metadata: Metadata, reach: Reach) -> dict[str, Any]:
    """Return the claims with what the issuer says of the person beside them; raises `IssuerFailed`.

    What the ID token says holds. Core 1.0, 5.3.2: whoever it is about must be the same.
    """
    if metadata.userinfo_endpoint is None or grant.access_token is None:
        return claims
    authorization = b"Bearer " + grant.access_token.encode("ascii", "replace")
    found = await reach.get(metadata.userinfo_endpoint, ((b"authorization", authorization),))
    if found.get("sub") != claims["sub"]:
        raise IssuerFailed("the userinfo is about somebody else")
    return found | claims


def logout_url(issuer: Issuer, metadata: Metadata, return_uri: str, hint: str | None) -> str | None:
    """Return where a browser goes to sign out at the issuer too (RP-Initiated Logout 1.0); None: it offers none."""
    if metadata.end_session_endpoint is None:
        return None
    require_web_address(metadata.end_session_endpoint, issuer)
    fields = {"client_id": issuer.client_id, "post_logout_redirect_uri": return_uri}
    if hint is not None:
        fields["id_token_hint"] = hint
    joint = "&" if "?" in metadata.end_session_endpoint else "?"
    return f"{metadata.end_session_endpoint}{joint}{urlencode(fields)}"
