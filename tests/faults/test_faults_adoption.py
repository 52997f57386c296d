"""Containers that outlive the process which started them: adopted, never doubled.

The recipe is a shell script in a real container, so that it takes as long as a test needs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import docker
import pytest

from builders_execution import RELEASE, ab_row
from interrupted_runs import (
    Container,
    assert_as_if_nothing_had_happened,
    containers_of,
    history,
    in_a_process,
    kill,
    labels,
    read_until,
)
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Outcome
from phoenix.store.attempts import LOST
from phoenix.store.database import Database
from pretended_recipe import STEPS_PER_S, expected_log, slow_ab

pytestmark = pytest.mark.engine

Change = Callable[[str, Callable[[dict[str, Any]], None]], Configuration]

STEPS = 15


@pytest.fixture
def ab(database: Database, site: Configuration) -> AssociationBlock:
    return slow_ab(database, site, f"UVES.2019-03-04T10:00:00.000_a{os.getpid()}.ab", STEPS)


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def created_since(
    engine: docker.DockerClient, site: Configuration, ab: AssociationBlock, since: datetime
) -> list[str]:
    """Ids of all containers of an AB that were ever created."""
    events = engine.events(
        since=since.timestamp(),
        until=datetime.now(UTC).timestamp(),
        filters={"label": labels(site, ab), "event": "create", "type": "container"},
        decode=True,
    )
    return [event["id"] for event in events]


@pytest.mark.parametrize("meanwhile", ["it runs on", "it ends"])
def test_a_killed_process_costs_nothing(
    database: Database,
    site: Configuration,
    ab: AssociationBlock,
    engine: docker.DockerClient,
    meanwhile: str,
) -> None:
    began = datetime.now(UTC)
    process = in_a_process(database, site, ab)
    read_until(process, "step 3")
    kill(process)
    (container,) = containers_of(engine, site, ab)
    assert container.status == "running"
    if meanwhile == "it ends":
        container.wait()
    lines: list[str] = []
    attempt = run_ab(database, site, RELEASE, ab.name, lines.append)
    assert (attempt.number, attempt.outcome, attempt.container) == (1, Outcome.OK, container.name)
    assert history(database, ab) == (attempt,)
    assert created_since(engine, site, ab, began) == [container.id]
    assert containers_of(engine, site, ab) == []
    assert attempt.wall_s >= STEPS / STEPS_PER_S, "the whole attempt counts"
    assert attempt.cpu_s is not None
    assert attempt.memory_peak_mb is not None
    assert lines == expected_log(STEPS)[-len(lines) :]
    assert 0 < len(lines) < STEPS, "what the killed process had told is not told again"
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)


def test_an_adopted_recipe_keeps_its_limit(
    database: Database,
    site: Configuration,
    changed: Change,
    ab: AssociationBlock,
    engine: docker.DockerClient,
) -> None:
    """Its time runs from the start of the container, not from the adoption."""

    def short(content: dict[str, Any]) -> None:
        content["recipes"]["uves_cal_mbias"]["timeout"] = "1.5 s"

    process = in_a_process(database, site, ab)
    read_until(process, "step 7")
    kill(process)
    attempt = run_ab(database, changed("instruments/uves.yaml", short), RELEASE, ab.name)
    assert (attempt.number, attempt.outcome) == (1, Outcome.TIMEOUT)
    assert containers_of(engine, site, ab) == []


def test_a_container_of_no_use_is_stopped_before_another_starts(
    database: Database,
    site: Configuration,
    changed: Change,
    ab: AssociationBlock,
    engine: docker.DockerClient,
) -> None:
    def more_memory(content: dict[str, Any]) -> None:
        content["recipes"]["uves_cal_mbias"]["memory_gb"] = 2

    began = datetime.now(UTC)
    process = in_a_process(database, site, ab)
    read_until(process, "step 1")
    kill(process)
    (old,) = containers_of(engine, site, ab)
    seen: list[list[str]] = []

    def look(_: str) -> None:
        seen.append([container.id for container in containers_of(engine, site, ab)])

    attempt = run_ab(database, changed("instruments/uves.yaml", more_memory), RELEASE, ab.name, look)
    assert (attempt.number, attempt.outcome) == (2, Outcome.OK)
    first, new = created_since(engine, site, ab, began)
    assert first == old.id
    assert seen == [[new]] * len(expected_log(STEPS))
    assert history(database, ab)[0].findings == (
        LOST,
        "not taken over: it was given 1 GB of memory, and should have 2 GB now",
    )
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)


def test_two_tries_at_the_same_time_make_one_container(
    database: Database, site: Configuration, ab: AssociationBlock, engine: docker.DockerClient
) -> None:
    began = datetime.now(UTC)
    processes = [in_a_process(database, site, ab) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [text.splitlines()[-1] for text in said] == ["attempt 1 ok"] * 2
    assert len(created_since(engine, site, ab, began)) == 1
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)


def test_the_engine_itself_refuses_a_second_container(
    database: Database, site: Configuration, ab: AssociationBlock, engine: docker.DockerClient
) -> None:
    """Even if the lock of an AB were lost: a container of an AB has one name only."""
    process = in_a_process(database, site, ab)
    read_until(process, "step 1")
    (container,) = containers_of(engine, site, ab)
    with pytest.raises(docker.errors.APIError, match="already in use"):
        engine.containers.create(container.image.id, name=container.name)
    process.communicate(timeout=60)
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (lambda container: container.stop(timeout=1), ("the recipe died of SIGTERM",)),
        (lambda container: container.kill(), ("the recipe died of SIGKILL",)),
        (
            lambda container: container.remove(force=True),
            # Removal kills first; whether the engine is asked before or after is chance.
            ("the engine lost the container", "the recipe died of SIGKILL"),
        ),
    ],
    ids=["stop", "kill", "remove"],
)
@pytest.mark.parametrize("watched", [True, False])
def test_a_third_person_ends_the_container(
    database: Database,
    site: Configuration,
    ab: AssociationBlock,
    engine: docker.DockerClient,
    deed: Callable[[Container], None],
    reason: tuple[str, ...],
    watched: bool,
) -> None:
    process = in_a_process(database, site, ab)
    read_until(process, "step 1")
    if not watched:
        kill(process)
    (container,) = containers_of(engine, site, ab)
    deed(container)
    if watched:
        process.communicate(timeout=60)
        assert ab_row(database, ab.name).outcome == "crashed"
    attempt = run_ab(database, site, RELEASE, ab.name)
    assert (attempt.number, attempt.outcome) == (2, Outcome.OK)
    first = history(database, ab)[0]
    assert first.outcome is Outcome.CRASHED
    assert first.findings[0].startswith(reason if watched else (LOST,))
    assert containers_of(engine, site, ab) == []
    assert_as_if_nothing_had_happened(database, site, ab, STEPS)
