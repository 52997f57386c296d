"""A real Airflow loses its processes, or is told to end a task, while a recipe runs.

A loss costs nothing: the container runs on, the next try adopts it. An order to end stops it at once. Either
way the end is that of an undisturbed run: one set of products, no container, the story in the history.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import psutil
import pytest
import yaml

from airflow_operator import Operator, wait_for
from builders_execution import KEY, RELEASE, ab_row
from phoenix.config.loader import PROJECT, Configuration
from phoenix.deployment.components import down, up
from phoenix.deployment.installation import Installation
from phoenix.deployment.processes import Processes
from phoenix.execution.container import LABEL_AB, LABEL_INSTALLATION
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database
from pretended_recipe import ENOUGH, expected_log, slow_ab

pytestmark = [pytest.mark.engine, pytest.mark.airflow]

Container = docker.models.containers.Container

#: More than any test waits; a recipe is told when it is enough.
STEPS = 5000
#: Each DAG has one task, for one AB; seconds are what the task may take.
DAGS = {
    "worker": 600,
    "scheduler": 600,
    "service": 600,
    "all": 600,
    "clear": 600,
    "fail": 600,
    "timeout": 12,
}
DAG_FILE = """\
from datetime import timedelta

from airflow.sdk import DAG

from phoenix.config.loader import Configuration
from phoenix.orchestration.recipe_operator import RecipeOperator
from phoenix.orchestration.schedule import timetable

for name, (ab, seconds) in {abs}.items():
    with DAG(
        name,
        schedule=timetable(Configuration().release("{release}")),
        catchup=False,
        is_paused_upon_creation=True,
        default_args={{"retries": 3, "retry_delay": timedelta(seconds=1)}},
    ) as globals()[name]:
        RecipeOperator(
            task_id="recipe", release="{release}", lot=[ab], ab_timeout=timedelta(seconds=seconds)
        )
"""
TASK = "recipe"


@dataclass(frozen=True)
class Site:
    """An installation whose Airflow runs, with one AB for each DAG."""

    installation: Installation
    configuration: Configuration
    database: Database
    operator: Operator
    engine: docker.DockerClient
    abs: dict[str, AssociationBlock]

    def containers(self, dag: str) -> list[Container]:
        labels = [f"{LABEL_INSTALLATION}={self.installation.root}", f"{LABEL_AB}={self.abs[dag].name}"]
        return self.engine.containers.list(all=True, ignore_removed=True, filters={"label": labels})

    def history(self, dag: str) -> tuple[Attempt, ...]:
        with self.database.transaction() as session:
            return AttemptRepository(session).history(RELEASE, self.abs[dag].name)

    def work(self, dag: str, attempt: int) -> WorkFolder:
        return WorkFolder(self.configuration.folders.attempt(self.abs[dag], attempt))

    def lines(self, dag: str) -> int:
        """How much the process that follows the first attempt has told."""
        log = self.work(dag, 1).log
        return log.read_bytes().count(b"\n") if log.exists() else 0

    def started(self, dag: str) -> tuple[str, Container]:
        """Start a run and wait until its recipe is at work."""
        before = [container.id for container in self.containers(dag)]
        self.operator.wait_for_dag(dag)
        self.operator.set_paused(dag, paused=False)
        run = self.operator.trigger(dag, KEY)
        (container,) = wait_for(lambda: [new for new in self.containers(dag) if new.id not in before])
        return run, container

    def finish(self, dag: str, run: str, attempt: int) -> None:
        """Let the recipe come to its end, and the task."""
        wait_for(lambda: self.work(dag, attempt).output.is_dir())
        (self.work(dag, attempt).output / ENOUGH).touch()
        wait_for(lambda: self.operator.only_task(dag, run).state == "success")

    def assert_as_if_nothing_had_happened(self, dag: str) -> None:
        ab = self.abs[dag]
        folder = self.configuration.folders.products_of(ab)
        assert [path for path in folder.parent.iterdir() if ab.name.startswith(path.name)] == [folder]
        assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []
        with self.database.transaction() as session:
            (product,) = AttemptRepository(session).products(RELEASE, ab.name)
        assert Path(product.path).parent == folder
        log = (folder / "recipe.log").read_text().splitlines()
        assert log == expected_log(len(log) - 2)
        assert self.containers(dag) == []
        row = ab_row(self.database, ab.name)
        assert (row.outcome, row.tree) == ("ok", "final")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder outside pytest's own, which pytest closes to the user PostgreSQL runs as."""
    with tempfile.TemporaryDirectory(prefix="phoenix-", ignore_cleanup_errors=True) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def site(folder: Path, pretended_recipe: str) -> Iterator[Site]:
    """Airflow with small DAGs, each of one recipe that ends when it is told to."""
    config, root, dags = folder / "config", folder / "var", folder / "dags"
    shutil.copytree(PROJECT / "include" / "config", config)
    file = config / "instruments" / "uves.yaml"
    content = yaml.safe_load(file.read_text())
    content["pipeline"]["image"] = pretended_recipe
    file.write_text(yaml.safe_dump(content))
    names = {dag: f"UVES.2019-03-04T10:00:0{number}.000_tpl.ab" for number, dag in enumerate(DAGS)}
    dags.mkdir()
    of_file: dict[str, Any] = {dag: (names[dag], seconds) for dag, seconds in DAGS.items()}
    (dags / "recipes.py").write_text(DAG_FILE.format(abs=of_file, release=RELEASE))
    installation, configuration = Installation(root, config, dags=dags), Configuration(config, root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOENIX_ROOT", str(root))
        patch.setenv("PHOENIX_CONFIG", str(config))
        for setting, seconds in {
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT": "10",
            "TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "3",
            "SCHEDULER_HEALTH_CHECK_THRESHOLD": "8",
            "ORPHANED_TASKS_CHECK_INTERVAL": "3",
        }.items():
            patch.setenv(f"AIRFLOW__SCHEDULER__{setting}", seconds)
        try:
            running = up(installation, print)
            database = Database(running.databases.phoenix)
            abs_ = {dag: slow_ab(database, configuration, name, STEPS) for dag, name in names.items()}
            engine = docker.from_env()
            with Operator(running.login) as operator:
                yield Site(installation, configuration, database, operator, engine, abs_)
            engine.close()
            database.close()
        finally:
            down(installation, print)


def scheduler_of(site: Site) -> psutil.Process:
    record = Processes(site.installation.run, site.installation.log).record("scheduler")
    assert record is not None
    return psutil.Process(record.pid)


def bring_up(site: Site) -> None:
    processes = Processes(site.installation.run, site.installation.log)
    wait_for(lambda: not processes.lives("scheduler"))
    up(site.installation, print)


def kill_worker(site: Site) -> None:
    """Kill the process between scheduler and task."""
    (busy,) = [
        process
        for process in scheduler_of(site).children()
        if "LocalExecutor" in " ".join(process.cmdline()) and process.children()
    ]
    busy.kill()


def kill_scheduler(site: Site) -> None:
    """Kill the scheduler alone, and bring it up again: workers and tasks are still there."""
    scheduler_of(site).kill()
    bring_up(site)


def restart_service(site: Site) -> None:
    """Kill the scheduler and ask what it left to end, as a service manager does that starts it again."""
    scheduler = scheduler_of(site)
    left = scheduler.children(recursive=True)
    scheduler.kill()
    wait_for(lambda: left[0].ppid() != scheduler.pid)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    bring_up(site)


def kill_all(site: Site) -> None:
    """Kill the scheduler with all that descends from it, and bring it up again."""
    scheduler = scheduler_of(site)
    for process in [scheduler, *scheduler.children(recursive=True)]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    bring_up(site)


@pytest.mark.parametrize(
    ("dag", "kill"),
    [
        ("worker", kill_worker),
        ("scheduler", kill_scheduler),
        ("service", restart_service),
        ("all", kill_all),
    ],
)
def test_lost_processes_cost_nothing(site: Site, dag: str, kill: Callable[[Site], None]) -> None:
    run, container = site.started(dag)
    first = wait_for(lambda: site.lines(dag) > 3 and site.operator.only_task(dag, run))
    kill(site)
    wait_for(lambda: site.operator.only_task(dag, run).try_number > first.try_number)
    told = site.lines(dag)
    wait_for(lambda: site.lines(dag) > told)
    assert [running.id for running in site.containers(dag)] == [container.id]
    site.finish(dag, run, attempt=1)
    (attempt,) = site.history(dag)
    assert (attempt.number, attempt.outcome, attempt.container) == (1, Outcome.OK, container.name)
    site.assert_as_if_nothing_had_happened(dag)


def test_a_cleared_task_stops_its_recipe_and_begins_another(site: Site) -> None:
    run, container = site.started("clear")
    site.operator.clear("clear", run, TASK)
    (second,) = wait_for(lambda: [new for new in site.containers("clear") if new.id != container.id])
    assert [running.id for running in site.containers("clear")] == [second.id]
    site.finish("clear", run, attempt=2)
    first, last = site.history("clear")
    assert (first.outcome, first.findings) == (Outcome.CRASHED, ("stopped on request",))
    assert (last.outcome, last.container) == (Outcome.OK, second.name)
    site.assert_as_if_nothing_had_happened("clear")


def test_a_task_marked_failed_stops_its_recipe(site: Site) -> None:
    run, _ = site.started("fail")
    site.operator.mark_failed("fail", run, TASK)
    wait_for(lambda: site.history("fail") and not site.containers("fail"))
    (first,) = site.history("fail")
    assert (first.outcome, first.findings) == (Outcome.CRASHED, ("stopped on request",))
    assert site.operator.only_task("fail", run).state == "failed"
    run, _ = site.started("fail")
    site.finish("fail", run, attempt=2)
    assert [attempt.outcome for attempt in site.history("fail")] == [Outcome.CRASHED, Outcome.OK]
    site.assert_as_if_nothing_had_happened("fail")


def test_a_task_that_takes_too_long_stops_its_recipe(site: Site) -> None:
    run, container = site.started("timeout")
    (second,) = wait_for(lambda: [new for new in site.containers("timeout") if new.id != container.id])
    assert [running.id for running in site.containers("timeout")] == [second.id]
    site.finish("timeout", run, attempt=2)
    first, last = site.history("timeout")
    assert first.outcome is Outcome.CRASHED
    assert first.findings[0].startswith("interrupted: AirflowTaskTimeout")
    assert last.outcome is Outcome.OK
    site.assert_as_if_nothing_had_happened("timeout")
