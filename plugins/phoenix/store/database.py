"""Opening our database, bringing its schema up to date, and transactions."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, sessionmaker

from phoenix.errors import InfrastructureError

_MIGRATIONS = Path(__file__).parent / "migrations"
#: Any constant will do; two processes that migrate at the same time wait for each other under it.
_MIGRATION_LOCK = 7_402_019


class Database:
    """Our database behind one engine.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of a PostgreSQL database.
    """

    def __init__(self, url: str) -> None:
        self.engine: Engine = create_engine(url, pool_pre_ping=True)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Give a session that commits at the end, or rolls back when an exception leaves it.

        Raises
        ------
        InfrastructureError
            If the database does not answer.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            raise InfrastructureError(
                self.engine.url.render_as_string(hide_password=True),
                f"the database does not answer: {error.orig}",
                remedy="`make up` starts the embedded one; `make doctor` tells more",
            ) from error

    def migrate(self) -> None:
        """Bring the schema to the newest version; safe when several processes do it at once."""
        config = Config()
        config.set_main_option("script_location", str(_MIGRATIONS))
        with self.engine.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


@lru_cache(maxsize=8)
def open_database(url: str) -> Database:
    """Return the process's database of that URL; engines are shared, so call it as often as you like."""
    return Database(url)
