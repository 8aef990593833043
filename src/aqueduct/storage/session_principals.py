"""Loads the principal of somebody who is signed in: what his token without a team of its own would be, with no scopes.

For the pages, which show what he may use, and for calls that come from them with the session instead of a token.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from aqueduct.domain.capture import policy_in_force
from aqueduct.domain.identity import User
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
    Subjects,
    accepted_terms,
    compare_terms,
    in_order,
    load_cache_generations,
    load_of,
    load_teams_of_user,
    newest_terms,
)
from aqueduct.storage.sign_in import find_session


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
    teams = await load_teams_of_user(connection, user.id)
    organisation = await ORGANISATIONS.find(connection, user.organisation_id)
    team = None if teams.charged_id is None else await TEAMS.find(connection, teams.charged_id)
    subjects: Subjects = {
        SubjectType.ORGANISATION: user.organisation_id,
        SubjectType.TEAM: teams.charged_id,
        SubjectType.USER: user.id,
        SubjectType.SERVICE_ACCOUNT: None,
        SubjectType.API_TOKEN: None,
    }
    rules = await load_of(connection, MODEL_RULES, RULES_OF, subjects)
    return Principal(
        id=session.id,
        name=user.name,
        organisation_id=user.organisation_id,
        team_id=teams.charged_id,
        user_id=user.id,
        team_ids=teams.ids,
        led_team_ids=teams.led_ids,
        role=user.role,
        expires_at=session.expires_at,
        organisation_name=None if organisation is None else organisation.name,
        team_name=None if team is None else team.name,
        models=compile_rules(in_order(subjects, rules)),
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
    newest = await connection.scalar(newest_terms(user.organisation_id))
    return compare_terms(newest, await connection.scalar(accepted_terms(user.id)))
