"""Faults while a recipe runs: after the next try everything is as if nothing had happened.

That means: the same product data as an undisturbed run, exactly one published set, no container and no
half-written folder left, and the fault in the history.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import pytest

from builders_execution import RELEASE, ab_row, bias_ab, store_ab
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.execution.container import LABEL_AB
from phoenix.headers.reader import read_header
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.attempts import AttemptRepository
from phoenix.store.database import Database

pytestmark = pytest.mark.engine

Change = Callable[[dict[str, Any]], None]

#: A process of its own that runs the AB and kills itself at the moment named.
RUN_AND_DIE = """
import os, signal, sys
from pathlib import Path
import phoenix.chain.execute as execute
from phoenix.config.loader import Configuration
from phoenix.store.database import Database

url, config, root, name, moment = sys.argv[1:]
publish = execute.publish

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def publish_and_die(*arguments):
    publish(*arguments)
    die()

if moment == "before the rename":
    execute.publish = die
if moment == "after the rename":
    execute.publish = publish_and_die
on_line = die if moment == "in the container" else print
execute.run_ab(Database(url), Configuration(Path(config), Path(root)), "UVES_R3", name, on_line)
"""


@pytest.fixture
def ab(database: Database, configuration: Configuration, uves_biases: list[Path]) -> AssociationBlock:
    """A bias AB of simulated raw frames; the name is of this test alone, so are its containers."""
    ab = bias_ab(uves_biases, name=f"UVES.2019-03-04T10:00:00.000_p{os.getpid()}.ab")
    store_ab(database, configuration, ab)
    return ab


@pytest.fixture(scope="module")
def undisturbed(postgres: str, uves_biases: list[Path], tmp_path_factory: pytest.TempPathFactory) -> object:
    """DATASUM of the master bias when nothing goes wrong."""
    from sqlalchemy import create_engine, text

    admin = create_engine(postgres.format(name="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE undisturbed TEMPLATE template_phoenix"))
    admin.dispose()
    database = Database(postgres.format(name="undisturbed"))
    configuration = Configuration(root=tmp_path_factory.mktemp("undisturbed"))
    ab = bias_ab(uves_biases, name="UVES.2019-03-04T09:00:00.000_tpl.ab")
    store_ab(database, configuration, ab)
    assert run_ab(database, configuration, RELEASE, ab.name).outcome is Outcome.OK
    database.close()
    return read_header(configuration.folders.products_of(ab) / "masterbias_blue.fits")["DATASUM"]


def containers_of(ab: AssociationBlock) -> list[docker.models.containers.Container]:
    client = docker.from_env()
    try:
        return client.containers.list(all=True, filters={"label": [f"{LABEL_AB}={ab.name}"]})
    finally:
        client.close()


def history(database: Database, ab: AssociationBlock) -> tuple[Attempt, ...]:
    with database.transaction() as session:
        return AttemptRepository(session).history(RELEASE, ab.name)


def assert_as_if_nothing_had_happened(
    database: Database, configuration: Configuration, ab: AssociationBlock, datasum: object
) -> None:
    folder = configuration.folders.products_of(ab)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert read_header(folder / "masterbias_blue.fits")["DATASUM"] == datasum
    assert containers_of(ab) == []
    row = ab_row(database, ab.name)
    assert (row.outcome, row.tree) == ("ok", "final")
    with database.transaction() as session:
        (product,) = AttemptRepository(session).products(RELEASE, ab.name)
    assert Path(product.path).exists()
    left = [path for path in configuration.folders.work.rglob("*.fits") if ".pipelines" not in path.parts]
    assert left == []


@pytest.mark.parametrize("moment", ["in the container", "before the rename", "after the rename"])
def test_the_process_is_killed(
    database: Database,
    configuration: Configuration,
    ab: AssociationBlock,
    undisturbed: object,
    moment: str,
) -> None:
    url = database.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(configuration.folder), str(configuration.root), ab.name, moment]
    child = subprocess.run(
        [sys.executable, "-c", RUN_AND_DIE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert ab_row(database, ab.name).outcome is None
    attempt = run_ab(database, configuration, RELEASE, ab.name)
    assert (attempt.outcome, attempt.number) == (Outcome.OK, 1), "its container is adopted"
    assert history(database, ab) == (attempt,)
    assert attempt.cpu_s is not None
    assert attempt.memory_peak_mb is not None
    assert_as_if_nothing_had_happened(database, configuration, ab, undisturbed)


def test_the_container_is_killed_from_outside(
    database: Database, configuration: Configuration, ab: AssociationBlock, undisturbed: object
) -> None:
    killed: list[str] = []

    def kill(line: str) -> None:
        if not killed:
            (container,) = containers_of(ab)
            container.kill()
            killed.append(line)

    first = run_ab(database, configuration, RELEASE, ab.name, kill)
    assert first.outcome is Outcome.CRASHED
    assert first.findings[0] == "the recipe died of SIGKILL"
    assert run_ab(database, configuration, RELEASE, ab.name).outcome is Outcome.OK
    assert_as_if_nothing_had_happened(database, configuration, ab, undisturbed)


def test_out_of_memory_gets_more_each_time(
    database: Database,
    changed: Callable[[str, Change], Configuration],
    ab: AssociationBlock,
    undisturbed: object,
) -> None:
    def little(content: dict[str, Any]) -> None:
        content["recipes"]["uves_cal_mbias"]["memory_gb"] = 0.02

    configuration = changed("instruments/uves.yaml", little)
    attempts = [run_ab(database, configuration, RELEASE, ab.name)]
    while not attempts[-1].outcome.succeeded and len(attempts) < 6:
        assert attempts[-1].outcome is Outcome.OUT_OF_MEMORY, attempts[-1].findings
        attempts.append(run_ab(database, configuration, RELEASE, ab.name))
    assert len(attempts) > 1
    assert attempts[0].findings[0] == "needs more than the 0.02 GB it was given"
    assert_as_if_nothing_had_happened(database, configuration, ab, undisturbed)


def test_timeout(
    database: Database, changed: Callable[[str, Change], Configuration], ab: AssociationBlock
) -> None:
    def short(content: dict[str, Any]) -> None:
        content["recipes"]["uves_cal_mbias"]["timeout"] = "0.01 s"

    configuration = changed("instruments/uves.yaml", short)
    attempt = run_ab(database, configuration, RELEASE, ab.name)
    assert attempt.outcome is Outcome.TIMEOUT
    assert attempt.findings[0] == "not finished after 0.01 s, the recipe's limit"
    assert containers_of(ab) == []
    assert not configuration.folders.products_of(ab).exists()
    assert (configuration.folders.attempt(ab, 1) / "recipe.log").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of a given size, in memory; a second call changes the size."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = False

    def sized(size: str) -> Path:
        nonlocal mounted
        options = f"remount,size={size}" if mounted else f"size={size}"
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, check=False
        )
        assert done.returncode == 0, f"needs the right to mount a small file system: {done.stderr!r}"
        mounted = True
        return folder

    yield sized
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(("area", "size"), [("work", "3000k"), ("work", "1000k"), ("products", "1000k")])
def test_the_disk_is_full(
    database: Database,
    changed: Callable[[str, Change], Configuration],
    ab: AssociationBlock,
    undisturbed: object,
    small_disk: Callable[[str], Path],
    area: str,
    size: str,
) -> None:
    """While the recipe writes its product, while inputs are staged, while products are published."""
    small = small_disk(size)

    def on_the_small_disk(content: dict[str, Any]) -> None:
        content["folders"] = {area: str(small / area)}
        content["host"]["min_free_disk_gb"] = 0

    configuration = changed("phoenix.yaml", on_the_small_disk)
    # The recipe's own write may fail, or one of ours: an outcome or an error, the same words in the AB.
    with suppress(InfrastructureError):
        assert run_ab(database, configuration, RELEASE, ab.name).outcome is Outcome.CRASHED
    row = ab_row(database, ab.name)
    assert row.outcome == "crashed"
    assert "disk full" in row.reason
    assert " free of " in row.reason
    assert list(configuration.folders.products.rglob("*.fits")) == []
    small_disk("100m")
    assert run_ab(database, configuration, RELEASE, ab.name).outcome is Outcome.OK
    assert_as_if_nothing_had_happened(database, configuration, ab, undisturbed)
