"""The script that Alembic runs: migrations on the connection that it is handed, in the transaction that has begun."""

from alembic import context

from app.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
