"""Containers that outlive the process which started them: adopted, never doubled.

The recipe is a shell script in a real container, so that it takes as long as a test needs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import docker
import pytest

from builders_execution import RELEASE, ab_row
from engine_forwarder import TlsForwarder
from phoenix.chain.execute import AbExecution, run_ab
from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.errors import InfrastructureError
from phoenix.execution.container import LABEL_AB, LABEL_INSTALLATION
from phoenix.execution.docker_engine import DockerRunner
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.attempts import LOST, AttemptRepository
from phoenix.store.database import Database
from pretended_recipe import STEPS_PER_S, expected_log, slow_ab

pytestmark = pytest.mark.engine

Change = Callable[[str, Callable[[dict[str, Any]], None]], Configuration]
Container = docker.models.containers.Container

#: A process of its own that runs the AB.
RUN = """
import sys
from pathlib import Path
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.store.database import Database

url, config, root, name = sys.argv[1:]

def tell(line):
    print(line, flush=True)

attempt = run_ab(Database(url), Configuration(Path(config), Path(root)), "UVES_R3", name, tell)
print("attempt", attempt.number, attempt.outcome)
"""
STEPS = 15


@pytest.fixture
def site(changed: Change, pretended_recipe: str) -> Configuration:
    def with_the_pretended_recipe(content: dict[str, Any]) -> None:
        content["pipeline"]["image"] = pretended_recipe

    return changed("instruments/uves.yaml", with_the_pretended_recipe)


@pytest.fixture
def ab(database: Database, site: Configuration) -> AssociationBlock:
    return slow_ab(database, site, f"UVES.2019-03-04T10:00:00.000_a{os.getpid()}.ab", STEPS)


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def labels(site: Configuration, ab: AssociationBlock) -> list[str]:
    return [f"{LABEL_INSTALLATION}={site.root}", f"{LABEL_AB}={ab.name}"]


def containers_of(engine: docker.DockerClient, site: Configuration, ab: AssociationBlock) -> list[Container]:
    return engine.containers.list(all=True, ignore_removed=True, filters={"label": labels(site, ab)})


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


def in_a_process(database: Database, site: Configuration, ab: AssociationBlock) -> subprocess.Popen[str]:
    url = database.engine.url.render_as_string(hide_password=False)
    arguments = [url, str(site.folder), str(site.root), ab.name]
    return subprocess.Popen([sys.executable, "-c", RUN, *arguments], stdout=subprocess.PIPE, text=True)


def read_until(process: subprocess.Popen[str], words: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if words in line:
            return
    raise AssertionError(f"the process ended without saying {words!r}")


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    assert process.wait(30) == -signal.SIGKILL
    assert process.stdout is not None
    process.stdout.close()


def history(database: Database, ab: AssociationBlock) -> tuple[Attempt, ...]:
    with database.transaction() as session:
        return AttemptRepository(session).history(RELEASE, ab.name)


def assert_as_if_nothing_had_happened(
    database: Database, site: Configuration, ab: AssociationBlock, steps: int = STEPS
) -> None:
    folder = site.folders.products_of(ab)
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert {path.name for path in folder.iterdir()} == {
        "masterbias_blue.fits",
        "esorex.log",
        "recipe.log",
        "verdict.json",
    }
    assert (folder / "recipe.log").read_text().splitlines() == expected_log(steps)
    assert [*site.folders.work.rglob("*.fits"), *site.folders.work.rglob("input")] == []
    row = ab_row(database, ab.name)
    assert (row.outcome, row.tree) == ("ok", "final")


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
    assert_as_if_nothing_had_happened(database, site, ab)


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
    assert_as_if_nothing_had_happened(database, site, ab)


def test_two_tries_at_the_same_time_make_one_container(
    database: Database, site: Configuration, ab: AssociationBlock, engine: docker.DockerClient
) -> None:
    began = datetime.now(UTC)
    processes = [in_a_process(database, site, ab) for _ in range(2)]
    said = [process.communicate(timeout=60)[0] for process in processes]
    assert [text.splitlines()[-1] for text in said] == ["attempt 1 ok"] * 2
    assert len(created_since(engine, site, ab, began)) == 1
    assert_as_if_nothing_had_happened(database, site, ab)


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
    assert_as_if_nothing_had_happened(database, site, ab)


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
    assert_as_if_nothing_had_happened(database, site, ab)


class SecondEngine:
    """An engine beside the machine's own, without a network, that can be stopped and started again."""

    def __init__(self, folder: Path, live_restore: bool) -> None:
        self.url = f"unix://{folder}/docker.sock"
        self.live_restore = live_restore
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        # In a network of its own: a second engine would clear away the bridge of the first.
        self._command = [
            *("unshare", "--net", "dockerd", "--bridge=none", "--iptables=false", f"--host={self.url}"),
            f"--data-root={folder}/data",
            f"--exec-root={folder}/exec",
            f"--pidfile={folder}/docker.pid",
            *(["--live-restore"] if live_restore else []),
        ]

    def start(self) -> None:
        (self._folder / "docker.pid").unlink(missing_ok=True)
        with (self._folder / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with_engine(self.url, lambda client: client.ping())
            except docker.errors.DockerException:
                time.sleep(0.1)
            else:
                return
        raise AssertionError((self._folder / "dockerd.log").read_text()[-2000:])

    def load(self, image: str) -> None:
        saved = with_engine(None, lambda client: list(client.images.get(image).save(named=True)))
        with_engine(self.url, lambda client: client.images.load(b"".join(saved)))

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def clear_away(self) -> None:
        def remove_all(client: docker.DockerClient) -> None:
            for container in client.containers.list(all=True):
                container.remove(force=True)

        with_engine(self.url, remove_all)
        self.stop()
        for mounted in (self._folder / "exec" / "netns" / "default", self._folder / "data"):
            subprocess.run(["umount", str(mounted)], check=False, capture_output=True)
        shutil.rmtree(self._folder, ignore_errors=True)


def with_engine(url: str | None, act: Callable[[docker.DockerClient], Any]) -> Any:
    client = docker.DockerClient(base_url=url) if url else docker.from_env()
    try:
        return act(client)
    finally:
        client.close()


@pytest.fixture(scope="module", params=["off", "on"])
def second_engine(
    request: pytest.FixtureRequest, pretended_recipe: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecondEngine]:
    """An engine of this test alone, with live-restore off and on."""
    second = SecondEngine(tmp_path_factory.mktemp("engine"), live_restore=request.param == "on")
    second.start()
    second.load(pretended_recipe)
    yield second
    second.clear_away()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_the_engine_is_restarted_while_a_recipe_runs(
    database: Database,
    site: Configuration,
    ab: AssociationBlock,
    second_engine: SecondEngine,
) -> None:

    def restart(line: str) -> None:
        if "step 2" in line:
            second_engine.stop()
            second_engine.start()

    with DockerRunner(Engine(url=second_engine.url), str(site.root)) as runner:

        def run(on_line: Callable[[str], None]) -> Attempt:
            return AbExecution(database, site, RELEASE, ab.name, runner).run(on_line, lambda: False)

        attempt = run(restart)
        if second_engine.live_restore:
            assert (attempt.number, attempt.outcome) == (1, Outcome.OK)
        else:
            assert (attempt.number, attempt.outcome) == (1, Outcome.CRASHED)
            attempt = run(lambda _: None)
            assert (attempt.number, attempt.outcome) == (2, Outcome.OK)
    left = with_engine(second_engine.url, lambda client: client.containers.list(all=True))
    assert left == []
    assert_as_if_nothing_had_happened(database, site, ab)


def test_an_engine_over_tls(
    database: Database, site: Configuration, ab: AssociationBlock, tmp_path: Path
) -> None:
    """A TLS end on loopback before the machine's engine: both sides prove who they are."""
    with TlsForwarder(tmp_path / "tls") as remote:
        remote_engine = Engine(url=remote.url, tls_folder=remote.client_folder)
        with DockerRunner(remote_engine, str(site.root)) as runner:
            process = in_a_process(database, site, ab)
            read_until(process, "step 2")
            kill(process)
            attempt = AbExecution(database, site, RELEASE, ab.name, runner).run(lambda _: None, lambda: False)
        assert (attempt.number, attempt.outcome) == (1, Outcome.OK)
        assert_as_if_nothing_had_happened(database, site, ab)
        for folder in (None, remote.strangers_folder):
            stranger = Engine(url=remote.url, tls_folder=folder)
            with pytest.raises(InfrastructureError, match="does not answer"):
                DockerRunner(stranger, str(site.root)).image_id("phoenix-uves")
