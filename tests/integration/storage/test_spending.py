"""What was spent of a budget, out of the sums, on both engines."""

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from tests.integration.storage.test_rollups import HOUR, NOON, record, ship

from aqueduct.control.workspace import Workspace
from aqueduct.domain.budget import Budget, Period
from aqueduct.domain.period import span_at
from aqueduct.domain.subject import SubjectType
from aqueduct.settings import Settings
from aqueduct.storage.spending import ROLLUPS, read_spenders, read_spending

OWNED = {"organisation_id": "o1", "team_id": "t1", "user_id": "u1", "service_account_id": "s1"}
SUBJECTS = {
    SubjectType.ORGANISATION: "o1",
    SubjectType.TEAM: "t1",
    SubjectType.USER: "u1",
    SubjectType.SERVICE_ACCOUNT: "s1",
    SubjectType.API_TOKEN: "tok_1",
}


@pytest.fixture
def settings(tmp_path: Path, database_url: str | None) -> Settings:
    return Settings.model_validate({"data_dir": tmp_path / "data", "database_url": database_url})


def budget(kind: SubjectType = SubjectType.USER, *, time_zone: str = "UTC") -> Budget:
    return Budget(
        id="bud_1",
        subject_type=kind,
        subject_id=SUBJECTS[kind],
        created_at=0.0,
        amount_nano=10**9,
        period=Period.DAY,
        time_zone=time_zone,
    )


async def spent(workspace: Workspace, of: Budget, at: float) -> int:
    async with workspace.database.reading() as connection:
        return await read_spending(connection, of, span_at(of.period, of.time_zone, at).begins_at)


async def test_each_kind_of_subject_finds_what_it_spent_in_the_period(workspace: Workspace) -> None:
    times = [NOON - 13 * HOUR, NOON - HOUR, NOON, NOON + HOUR]
    await ship(workspace, *(record(f"r{number}", at, **OWNED) for number, at in enumerate(times)))
    await ship(workspace, record("foreign", NOON, user_id="u2", api_token_id="tok_2"))
    assert set(ROLLUPS) == set(SUBJECTS)
    for kind in SUBJECTS:
        assert await spent(workspace, budget(kind), NOON) == 3 * 1_500, kind


async def test_what_one_owner_spent_is_found_by_the_owners_index(workspace: Workspace) -> None:
    if not workspace.database.is_sqlite:
        pytest.skip("PostgreSQL chooses by its statistics, of which there are none here")
    statements: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, _x: object, _m: bool) -> None:
        if statement.startswith("SELECT"):
            statements.append((statement, parameters))

    engine = workspace.database.engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    for kind in SUBJECTS:
        await spent(workspace, budget(kind), NOON)
    sa.event.remove(engine, "before_cursor_execute", note)
    plans = []
    async with workspace.database.reading() as connection:
        for statement, parameters in statements:
            rows = await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append(str([tuple(row) for row in rows]))
    assert len(plans) == len(SUBJECTS)
    assert all("_id=?" in plan for plan in plans[1:]), plans


async def test_a_day_that_begins_at_half_past_leaves_the_first_half_of_the_hour_to_the_day_before(
    workspace: Workspace,
) -> None:
    # Midnight in Kolkata is 18:30 in UTC.
    evening = NOON + 6 * HOUR
    times = [evening + 60.0 * minute for minute in (0, 29, 30, 59, 61)]
    await ship(workspace, *(record(uuid_at(at), at, **OWNED) for at in times))
    indian = budget(time_zone="Asia/Kolkata")
    assert await spent(workspace, indian, evening + 2 * HOUR) == 3 * 1_500
    assert await spent(workspace, indian, evening) == 5 * 1_500


def uuid_at(instant: float) -> str:
    """Return a request id of an instant."""
    digits = f"{int(instant * 1000):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


async def test_whoever_used_something_of_late_is_found(workspace: Workspace) -> None:
    await ship(workspace, record("old", NOON - 5 * HOUR, user_id="u0"), record("new", NOON, **OWNED))
    async with workspace.database.reading() as connection:
        found = await read_spenders(connection, NOON)
    assert found == set(SUBJECTS.items())
