"""Passkeys: registered by somebody who is signed in; then a way in of their own, or the second step after a password.

The protocol is py_webauthn's (WebAuthn Level 3). A challenge is used once, and in the browser that asked for it. Alone,
a passkey must have verified its user (a PIN, a finger): it is two factors in one.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection
from webauthn import (
    base64url_to_bytes,
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import bytes_to_base64url
from webauthn.helpers.exceptions import InvalidCBORData, InvalidJSONStructure, WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    CredentialDeviceType,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from aqueduct.control.aggregate import check_name
from aqueduct.control.flows import FlowPlan, Flows, new_value
from aqueduct.control.registry import Change, Registry, new_id
from aqueduct.control.sessions import require_active
from aqueduct.control.users import Users
from aqueduct.domain.actor import Actor
from aqueduct.domain.credential import Flow, Passkey
from aqueduct.domain.identity import User
from aqueduct.domain.permissions import Action
from aqueduct.domain.scopes import Kind
from aqueduct.errors import InvalidValue, NotAllowed, NotFound, SignInRefused
from aqueduct.storage.aggregates import PASSKEYS, USERS

REGISTER = "passkey_register"
ALONE = "passkey_alone"
SECOND = "passkey_second"
MAX_PASSKEYS = 20
MAX_ANSWER_CHARACTERS = 64 * 1024
PREFIX = "key"
TRANSPORTS = frozenset(each.value for each in AuthenticatorTransport)
TAKEN = "This passkey is registered already."
BROKEN = (WebAuthnException, InvalidCBORData, InvalidJSONStructure, ValueError, KeyError, TypeError, RecursionError)
"""What the library raises for an answer that is none."""

Answer = Mapping[str, Any]
"""What the browser's `PublicKeyCredential.toJSON()` gives."""

logger = structlog.get_logger(__name__)


class RegisteredPasskey(msgspec.Struct, frozen=True, kw_only=True):
    """What the audit log says of a passkey: of which user it is."""

    id: str
    organisation_id: str
    passkey_id: str
    name: str


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Whom passkeys are for: the origin that browsers see, and the host that the keys belong to (the RP ID)."""

    origin: str
    name: str = "Aqueduct"

    @property
    def host(self) -> str:
        """The RP ID."""
        return urlsplit(self.origin).hostname or ""


class Passkeys:
    """The use cases; options and answers are as the browser's JSON methods take and give them."""

    def __init__(self, registry: Registry, site: Site) -> None:
        self._registry = registry
        self._flows = Flows(registry)
        self._site = site

    async def registered(self, actor: Actor, user_id: str) -> Sequence[Passkey]:
        """List what a user has registered, for himself or whoever may change him."""
        async with self._registry.database.reading() as connection:
            await self._require(connection, actor, user_id)
            return await PASSKEYS.select(connection, user_id=user_id)

    async def begin_registration(self, actor: Actor, browser: str) -> dict[str, Any]:
        """Return the options for making a passkey of one's own."""
        async with self._registry.database.reading() as connection:
            user = await self._oneself(connection, actor)
            known = await PASSKEYS.select(connection, user_id=user.id)
        if len(known) >= MAX_PASSKEYS:
            raise InvalidValue(f"You have {MAX_PASSKEYS} passkeys already. Remove one first.")
        challenge = new_value()
        await self._flows.begin(challenge, browser, FlowPlan(purpose=REGISTER, user_id=user.id))
        options = generate_registration_options(
            rp_id=self._site.host,
            rp_name=self._site.name,
            user_id=user.id.encode(),
            user_name=user.email or user.name,
            user_display_name=user.name,
            challenge=base64url_to_bytes(challenge),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.PREFERRED
            ),
            exclude_credentials=[_descriptor(each) for each in known],
        )
        return _plain(options_to_json(options))

    async def finish_registration(self, actor: Actor, browser: str | None, answer: Answer, *, name: str) -> Passkey:
        """Keep the passkey that was made; raises `SignInRefused`, `InvalidValue` for its name, `AlreadyExists`."""
        check_name(name, "passkey", PREFIX)
        flow = await self._take(answer, browser, REGISTER)
        if flow.user_id != actor.user_id:
            raise refusal("somebody else began this registration")
        try:
            verified = verify_registration_response(
                credential=dict(answer),
                expected_challenge=base64url_to_bytes(_challenge(answer)),
                expected_rp_id=self._site.host,
                expected_origin=self._site.origin,
            )
        except BROKEN as error:
            raise refusal(str(error)) from None
        response = answer.get("response")
        said = response.get("transports") if isinstance(response, dict) else None
        async with self._registry.changing(actor, taken=TAKEN) as change:
            user = await self._oneself(change.connection, actor)
            made = Passkey(
                id=new_id(PREFIX),
                user_id=user.id,
                name=name,
                credential_id=bytes_to_base64url(verified.credential_id),
                public_key=bytes_to_base64url(verified.credential_public_key),
                sign_count=verified.sign_count,
                transports=tuple(each for each in said if each in TRANSPORTS) if isinstance(said, list) else (),
                is_synced=verified.credential_device_type is CredentialDeviceType.MULTI_DEVICE,
                created_at=change.now,
            )
            await PASSKEYS.add(change.connection, made)
            await _record(change, "register_passkey", user, None, made)
        return made

    async def begin(self, browser: str, *, user_id: str | None = None) -> dict[str, Any]:
        """Return the options for signing in: alone, or as the second step of a user who has given his password."""
        challenge = new_value()
        known: list[Passkey] = []
        if user_id is not None:
            async with self._registry.database.reading() as connection:
                known = await PASSKEYS.select(connection, user_id=user_id)
        plan = FlowPlan(purpose=ALONE if user_id is None else SECOND, user_id=user_id)
        await self._flows.begin(challenge, browser, plan)
        verification = (
            UserVerificationRequirement.REQUIRED if user_id is None else UserVerificationRequirement.PREFERRED
        )
        options = generate_authentication_options(
            rp_id=self._site.host,
            challenge=base64url_to_bytes(challenge),
            allow_credentials=[_descriptor(each) for each in known],
            user_verification=verification,
        )
        return _plain(options_to_json(options))

    async def finish(self, browser: str | None, answer: Answer, *, user_id: str | None = None) -> User:
        """Return who has shown his passkey; with a `user_id` it must be that user's, as the second step.

        Raises `SignInRefused`.
        """
        flow = await self._take(answer, browser, ALONE if user_id is None else SECOND)
        if flow.user_id != user_id:
            raise refusal("the challenge was another user's")
        credential_id = answer.get("id")
        if not isinstance(credential_id, str):
            raise refusal("the answer names no passkey")
        async with self._registry.database.writing() as connection:
            # What is read is written: nobody shows the same count twice at the same moment.
            found = await PASSKEYS.select(connection, credential_id=credential_id)
            passkey = await PASSKEYS.lock(connection, found[0].id) if found else None
            user = None if passkey is None else await USERS.find(connection, passkey.user_id)
            if passkey is None or user is None or user.deleted_at is not None or user_id not in (None, user.id):
                raise SignInRefused("This passkey is not known here. It may have been removed.", code="passkey_unknown")
            self._check_owner(answer, user)
            verified = self._verify(answer, passkey, is_alone=user_id is None)
            used = msgspec.structs.replace(
                passkey, sign_count=verified, last_used_at=self._registry.now(), version=passkey.version + 1
            )
            await PASSKEYS.replace(connection, used, version=passkey.version)
        require_active(user)
        return user

    async def has_any(self, user_id: str) -> bool:
        """Whether a user has a passkey, so that his password alone does not let him in."""
        async with self._registry.database.reading() as connection:
            return await PASSKEYS.count(connection, user_id=user_id) > 0

    async def rename(self, actor: Actor, passkey_id: str, name: str) -> Passkey:
        """Give one of one's own another name."""
        check_name(name, "passkey", PREFIX)
        async with self._registry.changing(actor, taken=TAKEN) as change:
            user, before = await self._find(change.connection, actor, passkey_id)
            after = msgspec.structs.replace(before, name=name, version=before.version + 1)
            await PASSKEYS.replace(change.connection, after, version=before.version)
            await _record(change, "rename_passkey", user, before, after)
        return after

    async def remove(self, actor: Actor, passkey_id: str) -> None:
        """Remove one: one's own, or that of somebody who has lost his authenticator."""
        async with self._registry.changing(actor, taken=TAKEN) as change:
            user, found = await self._find(change.connection, actor, passkey_id)
            await PASSKEYS.remove(change.connection, found, version=found.version)
            await _record(change, "remove_passkey", user, found, None)

    async def _find(self, connection: AsyncConnection, actor: Actor, passkey_id: str) -> tuple[User, Passkey]:
        found = await PASSKEYS.find(connection, passkey_id) if passkey_id.isprintable() else None
        if found is None:
            raise NotFound("There is no such passkey.")
        return await self._require(connection, actor, found.user_id), found

    async def _require(self, connection: AsyncConnection, actor: Actor, user_id: str) -> User:
        """Return the user, if he asks himself or somebody who may change him."""
        if actor.user_id == user_id:
            return await self._oneself(connection, actor)
        users = Users(self._registry)
        user = await users.find(connection, actor, user_id)
        users.authorise_on(Change(connection, actor, 0.0), Action.UPDATE, await users.resource(connection, user))
        return user

    async def _oneself(self, connection: AsyncConnection, actor: Actor) -> User:
        if actor.user_id is None or actor.scopes is not None:
            raise NotAllowed("Only somebody who has signed in has passkeys; an API token has none.")
        user = await USERS.find(connection, actor.user_id)
        if user is None or user.deleted_at is not None:
            raise NotFound("There is no such user.")
        return user

    async def _take(self, answer: Answer, browser: str | None, purpose: str) -> Flow:
        return await self._flows.take(_challenge(answer), browser, frozenset({purpose}))

    def _check_owner(self, answer: Answer, user: User) -> None:
        """Raise `SignInRefused` where the authenticator says that the key is somebody else's (WebAuthn, 7.2, 6)."""
        response = answer.get("response")
        handle = response.get("userHandle") if isinstance(response, dict) else None
        if isinstance(handle, str) and handle and handle != bytes_to_base64url(user.id.encode()):
            raise refusal("the passkey says that it is another user's")

    def _verify(self, answer: Answer, passkey: Passkey, *, is_alone: bool) -> int:
        """Return the count that the authenticator shows; raises `SignInRefused`."""
        try:
            verified = verify_authentication_response(
                credential=dict(answer),
                expected_challenge=base64url_to_bytes(_challenge(answer)),
                expected_rp_id=self._site.host,
                expected_origin=self._site.origin,
                credential_public_key=base64url_to_bytes(passkey.public_key),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=is_alone,
            )
        except BROKEN as error:
            raise refusal(str(error), passkey.id) from None
        return verified.new_sign_count


def refusal(reason: str, passkey_id: str | None = None) -> SignInRefused:
    """Note in the log why a passkey is refused, and return what is said to the person."""
    logger.warning("passkey refused", passkey=passkey_id, reason=reason[:300])
    return SignInRefused("The passkey could not be checked. Please try again.", code="passkey_not_valid")


def _challenge(answer: Answer) -> str:
    """Return the challenge that an answer is to; whether it is, its signature says."""
    response = answer.get("response")
    said = response.get("clientDataJSON") if isinstance(response, dict) else None
    if not isinstance(said, str) or len(said) > MAX_ANSWER_CHARACTERS:
        raise refusal("the answer has no client data")
    try:
        found = msgspec.json.decode(base64url_to_bytes(said))
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise refusal("the client data cannot be read") from None
    challenge = found.get("challenge") if isinstance(found, dict) else None
    if not isinstance(challenge, str):
        raise refusal("the client data has no challenge")
    return challenge


def _descriptor(passkey: Passkey) -> PublicKeyCredentialDescriptor:
    return PublicKeyCredentialDescriptor(
        id=base64url_to_bytes(passkey.credential_id),
        transports=[AuthenticatorTransport(each) for each in passkey.transports],
    )


def _plain(options: str) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(options)
    return plain


async def _record(change: Change, action: str, user: User, before: Passkey | None, after: Passkey | None) -> None:
    was, becomes = (
        None
        if each is None
        else RegisteredPasskey(id=user.id, organisation_id=user.organisation_id, passkey_id=each.id, name=each.name)
        for each in (before, after)
    )
    await change.record(action, Kind.USER, was, becomes)
