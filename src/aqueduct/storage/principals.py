"""Loads a whole principal by the hash of its token's value: owners, rules, limits, budgets and terms.

Done once for each token and revision; what it gives is remembered by the authenticator.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.capture import CapturePolicy, policy_in_force
from aqueduct.domain.identity import Role, TeamRole
from aqueduct.domain.model_rules import ModelFilter, ModelRule, compile_rules
from aqueduct.domain.principal import Principal, TermsState, compile_networks
from aqueduct.domain.subject import SubjectType
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MODEL_RULES
from aqueduct.storage.instants import to_seconds
from aqueduct.storage.keys import Digest
from aqueduct.storage.records import Records, Value
from aqueduct.storage.tables import (
    api_tokens,
    cache_generations,
    memberships,
    organisations,
    service_accounts,
    teams,
    terms_acceptances,
    terms_of_service,
    users,
)

Subjects = dict[str, str | None]
"""The ids of a caller's subjects by their types, the widest first."""


async def load(connection: AsyncConnection, candidates: Sequence[Digest]) -> Principal | None:
    """Load the principal whose token's value has one of these hashes, whether or not it is still usable.

    A value that was rotated away is found as long as it may be used, with its own expiry.
    """
    values: dict[str, object] = {}
    for at, (key_id, hashed) in enumerate(candidates):
        values |= {f"key_{at}": key_id, f"hash_{at}": hashed}
    row = (await connection.execute(token_with_owners(len(candidates)), values)).first()
    if row is None:
        return None
    teams_of = await load_teams(connection, row)
    subjects = subjects_of(row, teams_of.charged_id)
    rules = await load_of(connection, MODEL_RULES, RULES_OF, subjects)
    return Principal(
        id=row.id,
        name=row.user_name or row.service_account_name or row.name,
        organisation_id=row.organisation_id,
        team_id=teams_of.charged_id,
        user_id=row.user_id,
        service_account_id=row.service_account_id,
        team_ids=teams_of.ids,
        led_team_ids=teams_of.led_ids,
        role=None if row.role is None else Role(row.role),
        scopes=frozenset(row.scopes),
        expires_at=expiry(row),
        revoked_at=to_seconds(row.revoked_at),
        is_suspended=bool(row.is_suspended),
        organisation_name=row.organisation_name,
        team_name=row.team_name,
        token_name=row.name,
        models=compile_models(row, subjects, rules),
        limits=tuple(await load_of(connection, LIMITS, LIMITS_OF, subjects)),
        budgets=tuple(await load_of(connection, BUDGETS, BUDGETS_OF, subjects)),
        ip_allow_list=compile_networks(None if row.ip_allow_list is None else tuple(row.ip_allow_list)),
        terms=terms_state(row),
        capture=policy_in_force(read_policy(row.organisation_capture), read_policy(row.capture)),
        cache_generations=await load_cache_generations(connection, row.organisation_id),
    )


@lru_cache(maxsize=8)
def token_with_owners(keys: int) -> sa.Select[Any]:
    """Return the query of a token by the hashes under so many keys, joined with all that owns it."""
    table = api_tokens.c
    hashes = [
        (sa.bindparam(f"key_{at}", type_=sa.Text), sa.bindparam(f"hash_{at}", type_=sa.LargeBinary))
        for at in range(keys)
    ]
    current = sa.or_(*(sa.and_(table.hash == hashed, table.key_id == key_id) for key_id, hashed in hashes))
    previous = sa.or_(
        *(sa.and_(table.previous_hash == hashed, table.previous_key_id == key_id) for key_id, hashed in hashes)
    )
    gone = sa.or_(
        *(owner.c.deleted_at.is_not(None) for owner in (organisations, teams, users, service_accounts)),
        users.c.is_active.is_(sa.false()),
    )
    newest = newest_terms(table.organisation_id).where(organisations.c.requires_terms)
    accepted = accepted_terms(table.user_id)
    return (
        sa.select(
            api_tokens,
            current.label("is_current"),
            gone.label("is_suspended"),
            organisations.c.capture.label("organisation_capture"),
            organisations.c.name.label("organisation_name"),
            teams.c.name.label("team_name"),
            users.c.role,
            users.c.name.label("user_name"),
            service_accounts.c.name.label("service_account_name"),
            newest.correlate(api_tokens, organisations).scalar_subquery().label("newest_terms"),
            accepted.correlate(api_tokens).scalar_subquery().label("accepted_terms"),
        )
        .select_from(api_tokens)
        .outerjoin(organisations, organisations.c.id == table.organisation_id)
        .outerjoin(teams, teams.c.id == table.team_id)
        .outerjoin(users, users.c.id == table.user_id)
        .outerjoin(service_accounts, service_accounts.c.id == table.service_account_id)
        .where(sa.or_(current, previous))
    )


def newest_terms(organisation_id: sa.ColumnElement[Any] | str) -> sa.Select[Any]:
    """Return the query of the number of an organisation's newest terms."""
    return sa.select(sa.func.max(terms_of_service.c.number)).where(
        terms_of_service.c.organisation_id == organisation_id
    )


def accepted_terms(user_id: sa.ColumnElement[Any] | str) -> sa.Select[Any]:
    """Return the query of the number of the newest terms that somebody has accepted."""
    return (
        sa.select(sa.func.max(terms_of_service.c.number))
        .join_from(terms_acceptances, terms_of_service)
        .where(terms_acceptances.c.user_id == user_id)
    )


TEAMS_OF = (
    sa.select(memberships.c.team_id, memberships.c.role)
    .join(teams, teams.c.id == memberships.c.team_id)
    .where(memberships.c.user_id == sa.bindparam("user"), teams.c.deleted_at.is_(None))
    .order_by(memberships.c.created_at, memberships.c.team_id)
)


class TeamsOf(NamedTuple):
    """The ids of the teams that a caller is in, of those he administers, and of the one that is charged."""

    ids: frozenset[str]
    led_ids: frozenset[str]
    charged_id: str | None


async def load_teams(connection: AsyncConnection, row: sa.Row[Any]) -> TeamsOf:
    """Load the teams of a token's owner.

    Charged is the one that the token was made for. A user's token that was made for none is charged to the team that he
    has been in longest: whoever is in a team is always under the rules of one of his.
    """
    if row.user_id is None:
        return TeamsOf(frozenset() if row.team_id is None else frozenset({row.team_id}), frozenset(), row.team_id)
    return await load_teams_of_user(connection, row.user_id, row.team_id)


async def load_teams_of_user(connection: AsyncConnection, user_id: str, team_id: str | None = None) -> TeamsOf:
    """Load the teams of a user; charged is `team_id`, or without one the team that he has been in longest."""
    roles = [(team_id, role) for team_id, role in await connection.execute(TEAMS_OF, {"user": user_id})]
    return TeamsOf(
        frozenset(team_id for team_id, _ in roles),
        frozenset(team_id for team_id, role in roles if role == TeamRole.ADMIN),
        team_id if team_id is not None or not roles else roles[0][0],
    )


GENERATIONS_OF = (
    sa.select(cache_generations.c.model, cache_generations.c.id)
    .where(cache_generations.c.organisation_id.in_(["", sa.bindparam("organisation")]))
    .order_by(cache_generations.c.organisation_id, cache_generations.c.model)
)


async def load_cache_generations(
    connection: AsyncConnection, organisation_id: str | None
) -> tuple[tuple[str, str], ...]:
    """Return what was cleared of the cached answers that the caller may get: everybody's, and its organisation's."""
    rows = await connection.execute(GENERATIONS_OF, {"organisation": organisation_id or ""})
    return tuple((model, generation) for model, generation in rows)


def subjects_of(row: sa.Row[Any], team_id: str | None) -> Subjects:
    """Return what rules, limits and budgets may be about, of a token that is charged to this team, the widest first."""
    return {
        SubjectType.ORGANISATION: row.organisation_id,
        SubjectType.TEAM: team_id,
        SubjectType.USER: row.user_id,
        SubjectType.SERVICE_ACCOUNT: row.service_account_id,
        SubjectType.API_TOKEN: row.id,
    }


def about_subjects(records: Records[Any]) -> sa.Select[Any]:
    """Return the query of all that is about any of a caller's subjects, or about its organisation's end users.

    A subject that the caller has not is NULL, which equals nothing.
    """
    table = records.table.c
    wanted = [
        sa.and_(table.subject_type == kind.value, table.subject_id == sa.bindparam(kind.value, type_=sa.Text))
        for kind in SubjectType
        if kind is not SubjectType.END_USER
    ]
    organisation = sa.bindparam(SubjectType.ORGANISATION.value, type_=sa.Text)
    of_end_users = sa.and_(table.subject_type == SubjectType.END_USER.value, table.organisation_id == organisation)
    return sa.select(*records.columns).where(sa.or_(*wanted, of_end_users)).order_by(table.id)


# Built once: building them costs more than SQLite takes to answer.
RULES_OF, LIMITS_OF, BUDGETS_OF = (about_subjects(records) for records in (MODEL_RULES, LIMITS, BUDGETS))


async def load_of(
    connection: AsyncConnection, records: Records[Value], statement: sa.Select[Any], subjects: Subjects
) -> list[Value]:
    """Load all that is about one of the subjects."""
    return [records.read(row) for row in (await connection.execute(statement, subjects)).mappings()]


def compile_models(row: sa.Row[Any], subjects: Subjects, rules: Sequence[ModelRule]) -> ModelFilter:
    """Compile the rules from the widest subject down to the token's own list of allowed models."""
    levels = in_order(subjects, rules)
    if row.allowed_models is not None:
        levels.append(
            ModelRule(
                id="",
                subject_type=SubjectType.API_TOKEN,
                subject_id=row.id,
                created_at=0.0,
                allow=tuple(row.allowed_models),
            )
        )
    return compile_rules(levels)


def in_order(subjects: Subjects, rules: Sequence[ModelRule]) -> list[ModelRule]:
    """Return the rules from the widest subject down."""
    by_subject = {(rule.subject_type, rule.subject_id): rule for rule in rules}
    return [by_subject[subject] for subject in subjects.items() if subject in by_subject]


def expiry(row: sa.Row[Any]) -> float | None:
    """Return when the value that was shown ends: the token, or the overlap after a rotation, whichever is first."""
    ends = [row.expires_at] if row.is_current else [row.previous_expires_at, row.expires_at]
    return to_seconds(min((instant for instant in ends if instant is not None), default=None))


def read_policy(value: object) -> CapturePolicy | None:
    """Return a capture policy as the tables hold it."""
    return None if value is None else msgspec.convert(value, CapturePolicy)


def terms_state(row: sa.Row[Any]) -> TermsState:
    """Return whether the newest terms stand in the way; they are asked of people, not of programs."""
    return TermsState.NONE if row.user_id is None else compare_terms(row.newest_terms, row.accepted_terms)


def compare_terms(newest: int | None, accepted: int | None) -> TermsState:
    """Return whether the terms of this number stand in the way of somebody who has accepted those of that one."""
    if newest is None:
        return TermsState.NONE
    return TermsState.ACCEPTED if (accepted or 0) >= newest else TermsState.DUE
