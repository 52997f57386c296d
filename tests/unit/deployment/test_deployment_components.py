"""A whole Airflow on its embedded PostgreSQL: up, a backfill by REST, down, and nothing left behind."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psutil
import pytest

from phoenix.deployment.airflow_api import FINAL_STATES
from phoenix.deployment.components import COMPONENTS, airflow_api, down, up
from phoenix.deployment.database import is_running
from phoenix.deployment.installation import Installation
from phoenix.deployment.processes import Processes
from phoenix.errors import InfrastructureError, UsageError

DAG = '''"""Airflow DAG of a test: a mapped task for a month."""

from datetime import UTC, datetime

from airflow.sdk import DAG, CronPartitionTimetable, get_current_context, task

months = CronPartitionTimetable("0 0 1 * *", timezone="UTC", run_offset=-1, key_format="%Y-%m")
start, end = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
with DAG("probe", schedule=months, start_date=start, end_date=end, catchup=False):

    @task(map_index_template="{{ name }}")
    def work(letter):
        context = get_current_context()
        context["name"] = f"{context['dag_run'].partition_key} {letter}"

    work.expand(letter=["a", "b"])
'''


def silent(_line: str) -> None:
    """Drop a line of progress."""


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    for name in ("PHOENIX_DATABASE_URL", "AIRFLOW_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "phoenix.yaml").write_text("site: test\n")
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "probe.py").write_text(DAG)
    (tmp_path / "dags" / "broken.py").write_text(
        '"""Airflow DAG that cannot be read."""\nimport no_such_module\n'
    )
    shutil.copy(Installation.here().project / "airflow.cfg.template", tmp_path)
    (tmp_path / "plugins").mkdir()
    yield (made := Installation(tmp_path / "var", tmp_path, project=tmp_path, dags=tmp_path / "dags"))
    down(made, silent)


def sessions(installation: Installation) -> set[int]:
    processes = Processes(installation.run, installation.log)
    return {record.pid for name in COMPONENTS if (record := processes.record(name))}


def members(leaders: set[int]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in leaders and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


def test_airflow_that_was_never_started_is_no_secret(installation: Installation) -> None:
    with pytest.raises(UsageError, match="never started"):
        airflow_api(installation)


@pytest.mark.airflow
def test_up_backfill_down(installation: Installation) -> None:
    running = up(installation, silent)
    assert running.databases.embedded
    leaders = sessions(installation)
    assert len(leaders) == len(COMPONENTS)
    up(installation, silent)
    assert sessions(installation) == leaders

    with airflow_api(installation) as api:
        api.wait_for_dag("probe")
        assert [Path(error.filename).name for error in api.import_errors()] == ["broken.py"]
        api.set_pool("recipes", 2)
        api.set_pool("recipes", 3)
        api.create_backfill("probe", date(2019, 3, 1), date(2019, 3, 1))
        api.set_paused("probe", paused=False)
        deadline = time.monotonic() + 120
        while not (runs := api.runs("probe", "2019-03")) or runs[0].state not in FINAL_STATES:
            assert time.monotonic() < deadline, "the backfill does not end"
            time.sleep(0.2)
        assert [(run.state, run.partition_key) for run in api.runs("probe")] == [("success", "2019-03")]
        assert api.run("probe", runs[0].dag_run_id).state == "success"
        names = {task.rendered_map_index for task in api.task_instances("probe", runs[0].dag_run_id)}
        assert names == {"2019-03 a", "2019-03 b"}

    assert set(down(installation, silent)) == {*COMPONENTS, "postgresql"}
    assert members(leaders) == []
    assert not is_running(installation.root)
    assert down(installation, silent) == []


@pytest.mark.airflow
def test_a_component_that_dies_is_told_with_its_last_words(installation: Installation) -> None:
    template = installation.project / "airflow.cfg.template"
    template.write_text(template.read_text().replace("LocalExecutor", "NoSuchExecutor"))
    with pytest.raises(InfrastructureError, match="NoSuchExecutor") as caught:
        up(installation, silent)
    assert "scheduler" in caught.value.subject
