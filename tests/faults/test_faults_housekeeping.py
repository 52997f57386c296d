"""Housekeeping with a real engine: a container nobody follows is stopped, one that is needed is kept."""

from __future__ import annotations

import os
from collections.abc import Iterator

import docker
import pytest
from sqlalchemy import update

from builders_execution import RELEASE
from interrupted_runs import (
    assert_as_if_nothing_had_happened,
    containers_of,
    history,
    in_a_process,
    kill,
    read_until,
)
from phoenix.chain.execute import run_ab
from phoenix.chain.housekeeping import sweep
from phoenix.config.loader import Configuration
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.ab import AssociationBlock
from phoenix.model.batch import BatchState
from phoenix.model.outcome import Outcome
from phoenix.store.attempts import LOST
from phoenix.store.database import Database
from phoenix.store.tables import BatchRow
from pretended_recipe import ENOUGH, slow_ab

pytestmark = pytest.mark.engine

#: Longer than any test takes; a recipe that shall come to its end is told.
STEPS = 5000


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def orphaned(database: Database, site: Configuration) -> AssociationBlock:
    """An AB whose process was killed while its recipe runs."""
    ab = slow_ab(database, site, f"UVES.2019-03-04T10:00:00.000_h{os.getpid()}.ab", STEPS)
    process = in_a_process(database, site, ab)
    read_until(process, "step 1")
    kill(process)
    return ab


def test_an_orphan_of_a_closed_batch_is_stopped(
    database: Database, site: Configuration, orphaned: AssociationBlock, engine: docker.DockerClient
) -> None:
    (container,) = containers_of(engine, site, orphaned)
    with database.transaction() as session:
        session.execute(update(BatchRow).values(state=BatchState.PARTIAL.value))
    told = {leftover.what: leftover for leftover in sweep(database, site, dry_run=True)}
    assert (told["container"].where, told["container"].action) == (container.name, "stopped")
    assert [found.status for found in containers_of(engine, site, orphaned)] == ["running"], "a dry run tells"
    assert [leftover.where for leftover in sweep(database, site)] == [
        container.name,
        str(site.folders.attempt(orphaned, 1)),
    ]
    assert containers_of(engine, site, orphaned) == []
    (attempt,) = history(database, orphaned)
    assert (attempt.outcome, attempt.container) == (Outcome.CRASHED, container.name)
    assert attempt.findings[0] == LOST
    assert sweep(database, site) == []


def test_an_orphan_of_a_running_batch_is_kept_for_the_next_try(
    database: Database, site: Configuration, orphaned: AssociationBlock, engine: docker.DockerClient
) -> None:
    (container,) = containers_of(engine, site, orphaned)
    assert {leftover.action for leftover in sweep(database, site)} == {"kept"}
    assert [found.status for found in containers_of(engine, site, orphaned)] == ["running"]
    (WorkFolder(site.folders.attempt(orphaned, 1)).output / ENOUGH).touch()
    attempt = run_ab(database, site, RELEASE, orphaned.name)
    assert (attempt.number, attempt.outcome, attempt.container) == (1, Outcome.OK, container.name)
    steps = len((site.folders.products_of(orphaned) / "recipe.log").read_text().splitlines()) - 2
    assert_as_if_nothing_had_happened(database, site, orphaned, steps)
