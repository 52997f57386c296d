"""The operator that runs an AB, with real containers: what it logs, and how it is killed."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from airflow_library import import_airflow, in_run
from builders_execution import KEY, RELEASE, ab_row, bias_ab, store_ab
from phoenix.config.loader import Configuration
from phoenix.execution.container import LABEL_AB, LABEL_INSTALLATION
from phoenix.model.ab import AssociationBlock
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database, open_database

pytestmark = pytest.mark.engine


@pytest.fixture(scope="module", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> None:
    import_airflow(tmp_path_factory.mktemp("airflow"))


@pytest.fixture(autouse=True)
def site(database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment a task finds the site of this test by."""
    url = database.engine.url.render_as_string(hide_password=False)
    monkeypatch.setenv("PHOENIX_DATABASE_URL", url)
    monkeypatch.setenv("PHOENIX_ROOT", str(configuration.root))
    monkeypatch.delenv("PHOENIX_CONFIG", raising=False)
    yield
    open_database(url).close()


@pytest.fixture
def ab(database: Database, configuration: Configuration, uves_biases: list[Path]) -> AssociationBlock:
    ab = bias_ab(uves_biases, name=f"UVES.2019-03-04T10:00:00.000_o{os.getpid()}.ab")
    store_ab(database, configuration, ab)
    return ab


def containers_of(
    engine: docker.DockerClient, configuration: Configuration, ab: AssociationBlock
) -> list[docker.models.containers.Container]:
    labels = [f"{LABEL_INSTALLATION}={configuration.root}", f"{LABEL_AB}={ab.name}"]
    return engine.containers.list(all=True, ignore_removed=True, filters={"label": labels})


def test_recipe_lines_reach_the_task_log_with_their_severity(
    database: Database, ab: AssociationBlock, caplog: pytest.LogCaptureFixture
) -> None:
    from phoenix.orchestration.recipe_operator import RecipeOperator

    caplog.set_level(logging.DEBUG, "phoenix")
    operator = RecipeOperator(task_id="bias", release=RELEASE, lot=[ab.name])
    with in_run(KEY, "backfill__1"):
        assert RecipeOperator.execute.__wrapped__(operator, {}) == {ab.name: "ok"}
    found = {(record.levelname, record.getMessage().strip()[:11]) for record in caplog.records}
    assert ("INFO", "[ INFO  ] M") in found
    assert ("WARNING", "[WARNING] e") in found
    assert not {message for level, message in found if level == "INFO" and "[WARNING]" in message}


def test_kill_stops_and_removes_the_container_without_asking_the_database(
    database: Database,
    configuration: Configuration,
    ab: AssociationBlock,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    from airflow.sdk.exceptions import AirflowException

    from phoenix.orchestration.recipe_operator import RecipeOperator

    operator = RecipeOperator(task_id="bias", release=RELEASE, lot=[ab.name])
    raised: list[BaseException] = []

    def task() -> None:
        with in_run(KEY, "backfill__1"):
            try:
                RecipeOperator.execute.__wrapped__(operator, {})
            except BaseException as error:
                raised.append(error)

    engine = docker.from_env()
    thread = threading.Thread(target=task)
    thread.start()
    try:
        recipe = _paused_recipe(engine, configuration, ab)
        with monkeypatch.context() as patch:
            patch.setenv("PHOENIX_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:1/nowhere")
            operator.on_kill()
        thread.join(60)
        assert not thread.is_alive()
        assert containers_of(engine, configuration, ab) == []
        with pytest.raises(docker.errors.NotFound):
            recipe.reload()
    finally:
        engine.close()
    assert [type(error) for error in raised] == [AirflowException], "killed is not failed for good"
    assert ab_row(database, ab.name).outcome == "crashed"
    with database.transaction() as session:
        (attempt,) = AttemptRepository(session).history(RELEASE, ab.name)
    assert attempt.findings == ("stopped on request",)
    assert not configuration.folders.products_of(ab).exists()
    next_try = RecipeOperator(task_id="bias", release=RELEASE, lot=[ab.name])
    with in_run(KEY, "backfill__1"):
        assert RecipeOperator.execute.__wrapped__(next_try, {}) == {ab.name: "ok"}


def _paused_recipe(
    engine: docker.DockerClient, configuration: Configuration, ab: AssociationBlock
) -> docker.models.containers.Container:
    """Catch the recipe's container at work and stop its clock: a recipe that takes as long as we like."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for container in containers_of(engine, configuration, ab):
            if container.status == "running":
                container.pause()
                return container
        time.sleep(0.01)
    raise AssertionError("the container did not start")
