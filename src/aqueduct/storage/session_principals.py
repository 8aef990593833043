"""Loads the principal of somebody who is signed in: what his token without a team of its own would be, with no scopes.

For the pages, which show what he may use, and for calls that come from them with the session instead of a token.
"""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.capture import policy_in_force
from aqueduct.domain.identity import TeamRole, User
from aqueduct.domain.model_rules import compile_rules
from aqueduct.domain.principal import Principal, TermsState
from aqueduct.domain.session import Session
from aqueduct.domain.subject import SubjectType
from aqueduct.storage.aggregates import BUDGETS, LIMITS, MODEL_RULES, ORGANISATIONS, TEAMS
from aqueduct.storage.database import Database
from aqueduct.storage.keys import KeyRing
from aqueduct.storage.principals import (
    BUDGETS_OF,
    LIMITS_OF,
    RULES_OF,
    TEAMS_OF,
    Subjects,
    load_cache_generations,
    load_of,
)
from aqueduct.storage.sign_in import find_session
from aqueduct.storage.tables import terms_acceptances, terms_of_service


class SessionStore:
    """Sessions as the data plane looks them up, by value."""

    def __init__(self, database: Database, keys: KeyRing) -> None:
        self._database = database
        self._keys = keys

    async def find(self, value: str, now: float) -> Principal | None:
        """Look a value up; raises SQLAlchemy's `DBAPIError` when the database is out of reach."""
        async with self._database.reading() as connection:
            found = await find_session(connection, self._keys.candidates(value), now)
            return None if found is None else await load(connection, *found)


async def load(connection: AsyncConnection, session: Session, user: User) -> Principal:
    """Load the principal of somebody who is signed in; its `id` is the session's."""
    roles = [(team_id, role) for team_id, role in await connection.execute(TEAMS_OF, {"user": user.id})]
    team_id = roles[0][0] if roles else None
    organisation = await ORGANISATIONS.find(connection, user.organisation_id)
    team = None if team_id is None else await TEAMS.find(connection, team_id)
    subjects: Subjects = {
        SubjectType.ORGANISATION: user.organisation_id,
        SubjectType.TEAM: team_id,
        SubjectType.USER: user.id,
        SubjectType.SERVICE_ACCOUNT: None,
        SubjectType.API_TOKEN: None,
    }
    rules = {
        (each.subject_type, each.subject_id): each
        for each in await load_of(connection, MODEL_RULES, RULES_OF, subjects)
    }
    return Principal(
        id=session.id,
        name=user.name,
        organisation_id=user.organisation_id,
        team_id=team_id,
        user_id=user.id,
        team_ids=frozenset(each for each, _ in roles),
        led_team_ids=frozenset(each for each, role in roles if role == TeamRole.ADMIN),
        role=user.role,
        expires_at=session.expires_at,
        organisation_name=None if organisation is None else organisation.name,
        team_name=None if team is None else team.name,
        models=compile_rules([rules[subject] for subject in subjects.items() if subject in rules]),
        limits=tuple(await load_of(connection, LIMITS, LIMITS_OF, subjects)),
        budgets=tuple(await load_of(connection, BUDGETS, BUDGETS_OF, subjects)),
        terms=await terms_state(connection, user)
        if organisation is not None and organisation.requires_terms
        else TermsState.NONE,
        capture=None if organisation is None else policy_in_force(organisation.capture, None),
        cache_generations=await load_cache_generations(connection, user.organisation_id),
    )


async def terms_state(connection: AsyncConnection, user: User) -> TermsState:
    """Return whether the newest terms of the organisation stand in the way."""
    numbers = terms_of_service.c.number
    of_it = terms_of_service.c.organisation_id == user.organisation_id
    newest = await connection.scalar(sa.select(sa.func.max(numbers)).where(of_it))
    accepted = await connection.scalar(
        sa.select(sa.func.max(numbers))
        .join_from(terms_acceptances, terms_of_service)
        .where(terms_acceptances.c.user_id == user.id)
    )
    if newest is None:
        return TermsState.NONE
    return TermsState.ACCEPTED if (accepted or 0) >= newest else TermsState.DUE
