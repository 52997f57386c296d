"""Airflow's own processes killed while a recipe runs: one container, one attempt, one set of products."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import TypeVar

import docker
import psutil
import pytest
import yaml

from phoenix.config.loader import PROJECT
from phoenix.deployment.airflow_api import AirflowApi, TaskInstance
from phoenix.deployment.components import airflow_api, down, up
from phoenix.deployment.installation import Installation
from phoenix.deployment.processes import Processes
from phoenix.execution.container import LABEL_INSTALLATION
from phoenix.model.outcome import Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database
from phoenix.store.tables import AbRow
from pretended_recipe import STEPS_PER_S, expected_log

pytestmark = [pytest.mark.engine, pytest.mark.airflow]

DAG = "phoenix_uves"
T = TypeVar("T")
RECIPE_S = 75
STEPS = RECIPE_S * STEPS_PER_S


@pytest.fixture
def installation(
    tmp_path: Path, uves_biases: list[Path], pretended_recipe: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """Airflow with one night of three bias frames, whose recipe takes long."""
    config, root = tmp_path / "config", tmp_path / "var"
    shutil.copytree(PROJECT / "include" / "config", config)
    file = config / "instruments" / "uves.yaml"
    content = yaml.safe_load(file.read_text())
    content["pipeline"]["image"] = pretended_recipe
    content["recipes"]["uves_cal_mbias"]["parameters"] = {"steps": STEPS}
    file.write_text(yaml.safe_dump(content))
    night = root / "raw" / uves_biases[0].parent.name
    night.mkdir(parents=True)
    for frame in uves_biases:
        shutil.copy(frame, night)
    monkeypatch.setenv("PHOENIX_ROOT", str(root))
    monkeypatch.setenv("PHOENIX_CONFIG", str(config))
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT", "10")
    monkeypatch.setenv("AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL", "5")
    installation = Installation(root, config)
    yield installation
    down(installation, print)


def wait_for(what: Callable[[], T | None], timeout_s: float = 120) -> T:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} never came")


def test_the_worker_is_killed(installation: Installation) -> None:
    urls = up(installation, print).databases
    engine = docker.from_env()
    database = Database(urls.phoenix)
    mine = {"label": [f"{LABEL_INSTALLATION}={installation.root}", "org.phoenix.release=UVES_R3"]}

    def containers() -> list[docker.models.containers.Container]:
        return engine.containers.list(filters=mine)

    with airflow_api(installation) as api:
        api.wait_for_dag(DAG)
        api.create_backfill(DAG, date(2019, 3, 1), date(2019, 3, 31), reprocess="completed")
        api.set_paused(DAG, paused=False)
        (container,) = wait_for(containers)
        first = wait_for(lambda: bias_task(api, "running"))
        wait_for(lambda: only_busy_worker(installation)).kill()
        wait_for(lambda: next_try(api, first))
        time.sleep(10)
        assert [running.id for running in containers()] == [container.id]
        with database.transaction() as session:
            (ab,) = session.query(AbRow).all()
            unfinished = AttemptRepository(session).unfinished(ab.release, ab.name)
        assert unfinished is not None
        assert unfinished.number == 1, "the second try of the task goes on with the first attempt of the AB"
        wait_for(lambda: bias_task(api, "success"), 180)
    with database.transaction() as session:
        (attempt,) = AttemptRepository(session).history(ab.release, ab.name)
        (product,) = AttemptRepository(session).products(ab.release, ab.name)
    database.close()
    assert (attempt.number, attempt.outcome, attempt.container) == (1, Outcome.OK, container.name)
    assert attempt.wall_s > RECIPE_S
    folder = Path(product.path).parent
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert (folder / "recipe.log").read_text().splitlines() == expected_log(STEPS)
    assert engine.containers.list(all=True, filters=mine) == []
    engine.close()


def bias_task(api: AirflowApi, state: str) -> TaskInstance | None:
    for run in api.runs(DAG):
        for instance in api.task_instances(DAG, run.dag_run_id):
            if instance.task_id == "run_recipes.bias" and instance.state == state:
                return instance
    return None


def next_try(api: AirflowApi, first: TaskInstance) -> TaskInstance | None:
    running = bias_task(api, "running")
    return running if running and running.try_number > first.try_number else None


def only_busy_worker(installation: Installation) -> psutil.Process | None:
    """The worker of the scheduler that runs the recipe; None while another task ends or begins beside it."""
    record = Processes(installation.run, installation.log).record("scheduler")
    assert record is not None
    workers = [
        process
        for process in psutil.Process(record.pid).children()
        if "LocalExecutor" in " ".join(process.cmdline()) and process.children()
    ]
    return workers[0] if len(workers) == 1 else None
