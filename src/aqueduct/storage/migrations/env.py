"""How Alembic runs our migrations: on the connection, and in the transaction, that `migrate.py` has opened."""

from alembic import context

from aqueduct.storage.tables import metadata, schema_version

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=schema_version.name,
    render_as_batch=True,
)
context.run_migrations()
