"""The schema on both engines: what the migrations make, and that they can be taken back."""

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from aqueduct.control.workspace import Workspace
from aqueduct.storage.api_tokens import API_TOKENS
from aqueduct.storage.migrate import alembic_config, migrate
from aqueduct.storage.tables import audit_log, metadata, schema_version


def differences(connection: sa.Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"version_table": schema_version.name})
    return [change for change in compare_metadata(context, metadata) if schema_version not in change]


async def test_the_migrations_make_exactly_the_tables_that_queries_use(workspace: Workspace) -> None:
    async with workspace.database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_a_downgrade_takes_the_new_tables_away_and_an_upgrade_brings_them_back(workspace: Workspace) -> None:
    created = await workspace.api_tokens.create("one", allowed_models=["a"])
    async with workspace.database.writing() as connection:
        await connection.run_sync(lambda sync: command.downgrade(alembic_config(sync), "0001"))
        assert await connection.scalar(sa.select(schema_version.c.version_num)) == "0001"
        left = await connection.run_sync(lambda sync: set(sa.inspect(sync).get_table_names()))
    assert left == {"api_tokens", "usage_requests", "usage_attempts", "schema_version"}
    await migrate(workspace.database, workspace.directory)
    async with workspace.database.reading() as connection:
        assert await connection.run_sync(differences) == []
        assert await API_TOKENS.find(connection, created.api_token.id) == created.api_token


@pytest.mark.parametrize("statement", [sa.update(audit_log).values(action="x"), sa.delete(audit_log)])
async def test_no_statement_changes_the_audit_log(workspace: Workspace, statement: sa.Update | sa.Delete) -> None:
    entry: dict[str, object] = dict.fromkeys(
        ("id", "actor_kind", "actor_name", "action", "object_type", "object_id"), "a"
    )
    async with workspace.database.writing() as connection:
        await connection.execute(sa.insert(audit_log).values(entry | {"happened_at": 1}))
    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        async with workspace.database.writing() as connection:
            await connection.execute(statement)
