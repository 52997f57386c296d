"""Alembic environment: migrations run on the connection handed over by ``Database.migrate``."""

from alembic import context

from phoenix.store.tables import Base

context.configure(connection=context.config.attributes["connection"], target_metadata=Base.metadata)
with context.begin_transaction():
    context.run_migrations()
