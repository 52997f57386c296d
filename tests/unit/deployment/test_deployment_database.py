"""The embedded PostgreSQL: started for real in folders of the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from phoenix.deployment.database import (
    embedded_database,
    ensure_databases,
    is_running,
    start_embedded,
    stop_embedded,
)
from phoenix.deployment.installation import Installation
from phoenix.errors import InfrastructureError


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "var"
    stop_embedded(tmp_path / "var")


@pytest.fixture
def installation(tmp_path: Path, root: Path) -> Installation:
    (tmp_path / "phoenix.yaml").write_text("site: test\n")
    return Installation(root, tmp_path)


def test_start_gives_two_databases_and_is_harmless_when_repeated(root: Path) -> None:
    first = start_embedded(root, durable=False)
    assert start_embedded(root, durable=False) == first
    for url, name in ((first.airflow_url, "airflow"), (first.phoenix_url, "phoenix")):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar_one() == name
        engine.dispose()


def test_rows_survive_a_restart(root: Path) -> None:
    with start_embedded(root, durable=False).connect("phoenix") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert stop_embedded(root)
    with start_embedded(root, durable=False).connect("phoenix") as connection:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_stop_says_whether_there_was_something_to_stop(root: Path) -> None:
    assert not stop_embedded(root)
    start_embedded(root, durable=False)
    assert stop_embedded(root)
    assert not is_running(root)
    assert not stop_embedded(root)


def test_two_roots_have_two_clusters(tmp_path: Path) -> None:
    roots = [tmp_path / "one", tmp_path / "two"]
    try:
        for root in roots:
            start_embedded(root, durable=False)
        assert stop_embedded(roots[0])
        assert is_running(roots[1])
    finally:
        for root in roots:
            stop_embedded(root)


def test_a_path_too_long_for_a_socket_gets_a_short_private_one(tmp_path: Path) -> None:
    root = tmp_path / ("long" * 20)
    try:
        database = start_embedded(root, durable=False)
        assert len(str(database.socket_folder)) < 90
        assert database.socket_folder.stat().st_mode & 0o077 == 0
        assert is_running(root)
    finally:
        stop_embedded(root)


def test_a_socket_folder_made_by_somebody_else_is_refused(tmp_path: Path) -> None:
    root = tmp_path / ("long" * 20)
    planted = embedded_database(root).socket_folder
    planted.symlink_to(tmp_path)
    try:
        with pytest.raises(InfrastructureError, match="remove"):
            start_embedded(root, durable=False)
    finally:
        planted.unlink()


def test_starts_again_after_the_server_was_killed(root: Path) -> None:
    database = start_embedded(root, durable=False)
    pid = int((database.data / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    while is_running(root):
        pass
    start_embedded(root, durable=False)
    assert is_running(root)


def test_a_foreign_process_under_the_old_pid_is_left_alone(root: Path) -> None:
    database = start_embedded(root, durable=False)
    assert stop_embedded(root)
    (database.data / "postmaster.pid").write_text(f"{os.getpid()}\n{database.data}\n")
    assert not stop_embedded(root)
    (database.data / "postmaster.pid").unlink()


def test_data_of_another_version_are_refused_by_name(root: Path) -> None:
    database = start_embedded(root, durable=False)
    stop_embedded(root)
    (database.data / "PG_VERSION").write_text("15\n")
    with pytest.raises(InfrastructureError, match="PostgreSQL 15"):
        start_embedded(root, durable=False)


def test_servers_named_by_the_environment_need_no_cluster(
    installation: Installation, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_DATABASE_URL", "postgresql+psycopg://db/phoenix")
    monkeypatch.setenv("AIRFLOW_DATABASE_URL", "postgresql+psycopg2://db/airflow")
    urls = ensure_databases(installation)
    assert (urls.phoenix, urls.embedded) == ("postgresql+psycopg://db/phoenix", False)
    assert not is_running(root)


def test_one_server_and_one_embedded_database_go_together(
    installation: Installation, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AIRFLOW_DATABASE_URL", raising=False)
    monkeypatch.setenv("PHOENIX_DATABASE_URL", "postgresql+psycopg://db/phoenix")
    urls = ensure_databases(installation)
    assert urls.phoenix == "postgresql+psycopg://db/phoenix"
    assert urls.airflow == embedded_database(root).airflow_url
    assert is_running(root)
