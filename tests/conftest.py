"""Fixtures every kind of test shares: a PostgreSQL of its own, a database and a data root per test."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from phoenix.config.loader import Configuration
from phoenix.deployment.database import start_embedded, stop_embedded
from phoenix.store.database import Database


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server for this test process, with a migrated template database."""
    with tempfile.TemporaryDirectory(prefix="phx-pg-") as folder:
        server = start_embedded(Path(folder), durable=False)
        url = f"postgresql+psycopg://postgres@/{{name}}?host={server.socket_folder}"
        admin = create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT")
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE template_phoenix"))
        template = Database(url.format(name="template_phoenix"))
        template.migrate()
        template.close()
        yield url
        admin.dispose()
        stop_embedded(Path(folder))


@pytest.fixture
def database(postgres: str) -> Iterator[Database]:
    """An empty PHOENIX database of this test alone."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template_phoenix"))
    database = Database(postgres.format(name=name))
    yield database
    database.close()
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    admin.dispose()


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    """The project's own configuration with a data root of this test alone."""
    return Configuration(root=tmp_path / "var")
