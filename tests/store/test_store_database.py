from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from phoenix.store.database import Database
from phoenix.store.tables import Base


def test_migrations_and_tables_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_twice_is_harmless(database: Database) -> None:
    database.migrate()
    database.migrate()
