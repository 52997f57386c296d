"""MUSE_DEEP: MUSE announces complete runs, each becomes a DAG run; wrong keys are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_library import import_airflow
from builders_muse import DEEP, RUN, MuseRun
from phoenix.chain.batch import open_batch
from phoenix.config.loader import Configuration
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database, open_database


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


class Announced(dict):
    """Stands in for Airflow's outlet events: keeps the partitions of each asset."""

    def __missing__(self, asset):
        keys: list[str] = []
        self[asset] = SimpleNamespace(keys=keys, add_partitions=keys.extend)
        return self[asset]


def in_run(key: str | None, events: Announced | None = None):
    """Enter the context of a task of a run with this partition key."""
    from airflow.sdk.execution_time.context import set_current_context

    dag_run = SimpleNamespace(dag_id="phoenix_muse_deep", run_id="manual__1", partition_key=key)
    return set_current_context({"dag_run": dag_run, "outlet_events": events})


def test_muse_announces_what_starts_the_deep_dag() -> None:
    from phoenix.orchestration.dag_factory import instrument_dag

    muse, deep = instrument_dag("MUSE"), instrument_dag("MUSE", DEEP)
    announcing = muse.get_task("announce_to_muse_deep")
    assert announcing.outlets == [deep.timetable.asset_condition]
    assert announcing.upstream_task_ids == {"ingest.ingest"}
    assert "close_out" in muse.task_ids
    assert not muse.get_task("close_out").downstream_list, "its failure must make the run fail"
    recipes = [name for name in deep.task_ids if name.startswith("run_recipes.") and "plan_" not in name]
    assert {name.split(".")[1].removesuffix("_small").removesuffix("_medium") for name in recipes} == {
        "deep_alignment", "deep_combine",
    }  # fmt: skip
    assert (deep.dag_id, deep.max_active_runs) == ("phoenix_muse_deep", 1)


def test_a_complete_run_is_announced_once_under_its_key(database: Database) -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    from phoenix.orchestration import steps
    from phoenix.orchestration.schedule import complete_runs_of

    muse = MuseRun(database, Configuration())
    muse.night("2021-03-04", (1, "HUDF", 1), (2, "HUDF", 1))
    events = Announced()
    with in_run("2021-03-04", events):
        with pytest.raises(AirflowSkipException, match="no run is complete"):
            steps.announce_runs.function(DEEP)
        muse.process(state.name for state in muse.states("MUSE_R", "2021-03-04"))
        steps.announce_runs.function(DEEP)
        assert events[complete_runs_of(DEEP)].keys == [RUN]
        with pytest.raises(AirflowSkipException):
            steps.announce_runs.function(DEEP)
    with database.transaction() as session:
        assert BatchRepository(session).find(DEEP, RUN).state == "DUE"
    with in_run(RUN):
        steps.open_batch.function(DEEP)
        assert steps.scan_frames.function(DEEP) == [RUN]
    with database.transaction() as session:
        assert BatchRepository(session).find(DEEP, RUN).state == "RUNNING"


def test_missing_and_wrong_keys_and_keys_in_work_are_refused(database: Database) -> None:
    from airflow.sdk.exceptions import AirflowFailException

    from phoenix.orchestration import steps

    with in_run(None), pytest.raises(AirflowFailException, match=r"a partition key such as 099\.A-0023\(B\)"):
        steps.open_batch.function(DEEP)
    with in_run("2021-03-04"), pytest.raises(AirflowFailException, match="not a run"):
        steps.open_batch.function(DEEP)
    open_batch(database, Configuration(), DEEP, RUN, "somebody@elsewhere")
    with in_run(RUN), pytest.raises(AirflowFailException, match="is being processed by somebody@elsewhere"):
        steps.open_batch.function(DEEP)
