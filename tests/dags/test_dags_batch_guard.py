"""The guard at the beginning of a run, and what the tasks after it do when it refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_library import import_airflow, in_run
from phoenix.chain.batch import open_batch
from phoenix.config.loader import Configuration
from phoenix.store.database import Database, open_database
from phoenix.store.tables import BatchRow

RELEASE, KEY = "UVES_R3", "2019-03"


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(autouse=True)
def site(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment tasks find the site of this test by."""
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("PHOENIX_DATABASE_URL", url)
    monkeypatch.setenv("PHOENIX_ROOT", str(tmp_path / "var"))
    monkeypatch.delenv("PHOENIX_CONFIG", raising=False)
    yield
    open_database(url).close()


def batches(database: Database) -> list[tuple[str, str, str]]:
    with database.transaction() as session:
        return [(row.key, row.state, row.owner) for row in session.query(BatchRow).order_by(BatchRow.key)]


def test_without_partition_key_nothing_is_opened(database: Database) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration import steps

    with in_run(None, "manual__1"):
        with pytest.raises(AirflowFailException, match="has no partition key") as caught:
            steps.open_batch.function(RELEASE)
        assert "trigger it with a partition key" in str(caught.value)
        with pytest.raises(AirflowFailException, match="has no partition key"):
            steps.close_out.function(RELEASE)
    assert batches(database) == []


def test_a_key_of_another_kind_is_refused(database: Database) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration import steps

    with in_run("2019-03-04", "manual__1"), pytest.raises(AirflowFailException, match="2019-03-04"):
        steps.open_batch.function(RELEASE)
    assert batches(database) == []


def test_a_key_in_work_is_refused_and_stays_the_owners(database: Database) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration import steps

    open_batch(database, Configuration(), RELEASE, KEY, "somebody@elsewhere")
    with in_run(KEY, "backfill__2"):
        with pytest.raises(AirflowFailException, match="is being processed by somebody@elsewhere"):
            steps.open_batch.function(RELEASE)
        # What comes after a preparation that failed.
        with pytest.raises(AirflowFailException, match="the preparation failed"):
            steps.ingest.function(RELEASE, None)
        with pytest.raises(AirflowFailException, match="is not ours to close"):
            steps.close_out.function(RELEASE)
    assert batches(database) == [(KEY, "RUNNING", "somebody@elsewhere")]


def test_a_run_opens_and_closes_its_batch(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration import steps

    caplog.set_level(logging.INFO, "phoenix")
    with in_run(KEY, "backfill__1"):
        steps.open_batch.function(RELEASE)
        assert batches(database) == [(KEY, "RUNNING", "phoenix_uves backfill__1")]
        assert steps.scan_frames.function(RELEASE) == []
        steps.open_batch.function(RELEASE)  # cleared and run again
        steps.close_out.function(RELEASE)
    assert batches(database) == [(KEY, "DONE", "")]
    assert "PHOENIX UVES_R3 2019-03: DONE (site demo)" in caplog.text
    with in_run(KEY, "backfill__2"), pytest.raises(AirflowFailException, match="is not ours to close"):
        steps.close_out.function(RELEASE)
