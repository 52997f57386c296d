"""What lost processes leave is cleared, and nothing that anybody will come back for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import update

from builders_execution import NIGHT, RELEASE, bias_ab, bias_frame, store_ab
from phoenix.chain.housekeeping import Leftover, sweep
from phoenix.config.loader import Configuration
from phoenix.execution.container import QUESTION, KnownContainer
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_lock import sole_run
from phoenix.store.attempts import LOST, AttemptRepository
from phoenix.store.database import Database
from phoenix.store.tables import BatchRow


@dataclass
class Register:
    """Containers an engine would tell of."""

    known: list[KnownContainer] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)

    def containers(self) -> list[KnownContainer]:
        return self.known

    def stop(self, release: str, ab: str) -> int:
        self.stopped.append(ab)
        return 1


@dataclass
class Scene:
    """An AB whose only attempt was begun, with its container and working folder."""

    database: Database
    configuration: Configuration
    ab: AssociationBlock
    register: Register

    @property
    def folder(self) -> WorkFolder:
        return WorkFolder(self.configuration.folders.attempt(self.ab, 1))

    @property
    def unpublished(self) -> Path:
        return self.configuration.folders.products_of(self.ab).with_name(f".{self.ab.stem}.01.new")

    def batch_is(self, state: str) -> None:
        with self.database.transaction() as session:
            session.execute(update(BatchRow).values(state=state))

    def end(self, outcome: Outcome) -> None:
        now = datetime.now(UTC)
        with self.database.transaction() as session:
            AttemptRepository(session).end(RELEASE, self.ab.name, Attempt(1, outcome, now, now))

    def sweep(self, *, dry_run: bool = False) -> dict[str, Leftover]:
        found = sweep(self.database, self.configuration, self.register, dry_run=dry_run)
        return {leftover.what: leftover for leftover in found}


@pytest.fixture
def scene(database: Database, configuration: Configuration) -> Scene:
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    ab = bias_ab(raws)
    store_ab(database, configuration, ab)
    with database.transaction() as session:
        AttemptRepository(session).begin(RELEASE, ab.name, "phoenix-uves", datetime.now(UTC))
    container = KnownContainer("phoenix-x", RELEASE, ab.name, 1, running=True)
    scene = Scene(database, configuration, ab, Register([container]))
    scene.folder.input.mkdir(parents=True)
    scene.folder.output.mkdir()
    (scene.folder.output / "esorex.log").write_text("told\n")
    scene.unpublished.mkdir(parents=True)
    return scene


def test_what_a_running_batch_will_take_over_is_kept(scene: Scene) -> None:
    found = scene.sweep()
    assert {leftover.action for leftover in found.values()} == {"kept"}
    assert set(found) == {"container", "working folder", "unpublished products"}
    assert scene.register.stopped == []
    assert scene.folder.output.is_dir()


def test_what_a_living_process_works_on_is_kept(scene: Scene) -> None:
    scene.batch_is("PARTIAL")
    with sole_run(scene.database, RELEASE, scene.ab.name, lambda: False):
        found = scene.sweep()
    assert {leftover.why for leftover in found.values()} == {"its recipe is being run"}
    assert scene.register.stopped == []


def test_what_nobody_comes_back_for_is_cleared_and_told_in_the_history(scene: Scene) -> None:
    scene.batch_is("PARTIAL")
    found = scene.sweep()
    assert found["container"].action == "stopped"
    assert scene.register.stopped == [scene.ab.name]
    with scene.database.transaction() as session:
        (attempt,) = AttemptRepository(session).history(RELEASE, scene.ab.name)
    assert attempt.outcome is Outcome.CRASHED
    assert attempt.findings[0] == LOST
    assert not scene.folder.input.exists()
    assert not scene.folder.output.exists()
    assert (scene.folder.path / "esorex.log").read_text() == "told\n"
    assert not scene.unpublished.exists()
    scene.register.known = []
    assert scene.sweep() == {}


def test_leftovers_of_an_ended_attempt_go_though_the_batch_runs(scene: Scene) -> None:
    scene.end(Outcome.FAILED)
    assert scene.sweep()["container"].action == "stopped"
    assert not scene.folder.output.exists()


def test_a_dry_run_only_tells(scene: Scene) -> None:
    scene.batch_is("DONE")
    assert scene.sweep(dry_run=True)["working folder"].action == "removed"
    assert scene.folder.output.is_dir()
    assert scene.unpublished.is_dir()
    assert scene.register.stopped == []
    with scene.database.transaction() as session:
        assert AttemptRepository(session).history(RELEASE, scene.ab.name) == ()


def test_a_container_of_an_unknown_ab_goes_and_a_pending_question_stays(scene: Scene) -> None:
    scene.register.known = [
        KnownContainer("stranger", "UVES_R3", "UVES.2001-01-01T00:00:00.000.ab", 1, running=False),
        KnownContainer("asked", QUESTION, "uves_cal_mbias-1", 1, running=True),
        KnownContainer("answered", QUESTION, "uves_cal_mbias-2", 1, running=False),
    ]
    scene.sweep()
    assert scene.register.stopped == ["UVES.2001-01-01T00:00:00.000.ab", "uves_cal_mbias-2"]
