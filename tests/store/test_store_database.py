from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from phoenix import store
from phoenix.store.database import Database
from phoenix.store.masters import MasterRepository
from phoenix.store.tables import Base


def test_migrations_and_tables_agree(database: Database) -> None:
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_migrating_twice_is_harmless(database: Database) -> None:
    database.migrate()
    database.migrate()


def test_abs_of_before_there_was_an_index_of_calibrations_are_to_be_read(database: Database) -> None:
    migrations = Config()
    migrations.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with database.engine.begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
        migrations.attributes["connection"] = connection
        command.upgrade(migrations, "0004")
        connection.execute(
            text(
                "INSERT INTO batch VALUES (1, 'R', '2019-03', 'month', 'DONE', '', now(), now(), '{}', '[]')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO ab (id, batch_id, release, name, instrument, night, task, recipe, raw_type,"
                " setting, mjd_obs_mod, obs_id, obs_prog_id, completeness, level, waits_for, exclusion,"
                " reason, tree, text_sha256, source_sha256, product_folder)"
                " VALUES (7, 1, 'R', 'A.ab', 'UVES', '2019-03-04', 'bias', 'r', 'BIAS', '{}', 1, '', '',"
                " 'COMPLETE', 0, '[]', '', '', 'source', '', '', '')"
            )
        )
    database.migrate()
    with database.transaction() as session:
        assert [row.name for row in MasterRepository(session).rows(unread=True)] == ["A.ab"]
