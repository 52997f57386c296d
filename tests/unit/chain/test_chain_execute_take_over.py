"""An attempt whose process was lost: taken over where its container is of use, else begun anew."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builders_execution import (
    NIGHT,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
)
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.execution.container import ContainerJob, FoundContainer, OnLine
from phoenix.execution.workfolder import WorkFolder
from phoenix.model.ab import AssociationBlock
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_lock import sole_run
from phoenix.store.attempts import LOST, AttemptRepository
from phoenix.store.database import Database


class Lost(BaseException):
    """The process dies: nothing after this is done."""


@dataclass
class DyingEngine(PretendedEngine):
    """The process that uses it dies in the middle of the recipe, and cannot even clear away."""

    def discard(self, release: str, ab: str, attempt: int) -> None:
        raise Lost


def half_way(job: ContainerJob, on_line: OnLine) -> int:
    on_line("[ INFO  ] MBias: first")
    on_line("[WARNING] MBias: second")
    raise Lost


def whole(job: ContainerJob, on_line: OnLine) -> int:
    """The same container followed to its end: an engine tells its log from the beginning."""
    on_line("[ INFO  ] MBias: first")
    on_line("[WARNING] MBias: second")
    return master_bias(job, on_line)


@pytest.fixture
def ab(database: Database, configuration: Configuration) -> AssociationBlock:
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    ab = bias_ab(raws)
    store_ab(database, configuration, ab)
    return ab


@pytest.fixture
def left(database: Database, configuration: Configuration, ab: AssociationBlock) -> FoundContainer:
    """The container of an attempt whose process was lost."""
    engine = DyingEngine(half_way)
    with pytest.raises(Lost):
        run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    (job,) = engine.jobs
    return FoundContainer(job.name_in("test"), "1", job.image, {})


def history(database: Database, ab: AssociationBlock) -> tuple[Attempt, ...]:
    with database.transaction() as session:
        return AttemptRepository(session).history(RELEASE, ab.name)


def test_it_is_taken_over(
    database: Database, configuration: Configuration, ab: AssociationBlock, left: FoundContainer
) -> None:
    log = configuration.folders.attempt(ab, 1) / "recipe.log"
    log.write_text(log.read_text() + "[ INFO  ] MBi")
    begun = json.loads((configuration.folders.attempt(ab, 1) / "order.json").read_text())
    engine, lines = PretendedEngine(whole, left=left), []
    attempt = run_ab(database, configuration, RELEASE, ab.name, lines.append, runner=engine)
    assert (attempt.number, attempt.outcome) == (1, Outcome.CAVEATS)
    assert engine.jobs == [], "no second container"
    assert lines == ["[ INFO  ] MBias: done"], "what the lost process had handed on is not handed on again"
    folder = configuration.folders.products_of(ab)
    assert (folder / "recipe.log").read_text().splitlines() == [
        "[ INFO  ] MBias: first",
        "[WARNING] MBias: second",
        "[ INFO  ] MBias: done",
    ]
    assert any("second" in finding for finding in attempt.findings), "the verdict knows the whole log"
    assert history(database, ab) == (attempt,)
    assert attempt.image_digest == begun["terms"]["image_id"]
    record = json.loads((folder / "verdict.json").read_text())
    assert [entry["path"] for entry in record["inputs"]] == [raw.path for raw in ab.raws]
    assert not configuration.folders.attempt(ab, 1).parent.exists()


def of_another_attempt(engine: PretendedEngine, _: Path) -> None:
    assert engine.left is not None
    engine.left = replace(engine.left, attempt="7")


def of_another_image(engine: PretendedEngine, _: Path) -> None:
    engine.image_id = lambda image: "sha256:new"  # type: ignore[method-assign]


def started_from_another_image(engine: PretendedEngine, _: Path) -> None:
    assert engine.left is not None
    engine.left = replace(engine.left, image="sha256:foreign")


def killed(engine: PretendedEngine, _: Path) -> None:
    assert engine.left is not None
    engine.left = replace(engine.left, exit_code=143, killed=True)


def gone(engine: PretendedEngine, _: Path) -> None:
    engine.left = None


def with_folders_elsewhere(engine: PretendedEngine, _: Path) -> None:
    engine.differing_folder = lambda job, found: "/job/input comes from /a, not from /b"  # type: ignore[method-assign]


def without_its_folder(_: PretendedEngine, folder: Path) -> None:
    WorkFolder(folder).drop_data()


def with_an_unreadable_order(_: PretendedEngine, folder: Path) -> None:
    (folder / "order.json").write_text('{"terms": {}}')


def _with_terms(**changes: object) -> Callable[[PretendedEngine, Path], None]:
    def change(_: PretendedEngine, folder: Path) -> None:
        content = json.loads((folder / "order.json").read_text())
        content["terms"] |= changes
        (folder / "order.json").write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (of_another_attempt, "the container there is one of attempt 7"),
        (of_another_image, "the pipeline's image is another one now, sha256:new"),
        (started_from_another_image, "the container runs another image, sha256:foreign"),
        (killed, "its container was killed meanwhile (exit code 143)"),
        (gone, "it left no container"),
        (with_folders_elsewhere, "folders were moved since: /job/input comes from /a, not from /b"),
        (without_its_folder, "its working folder is gone"),
        (with_an_unreadable_order, "cannot be read"),
        (_with_terms(ab_sha256="0"), "the text of the AB was changed since"),
        (_with_terms(memory_gb=0.5), "it was given 0.5 GB of memory, and should have 1 GB now"),
        (_with_terms(parameters={"stack_method": "mean"}), "recipe parameters were changed since: stack_"),
        (_with_terms(inputs=[["/other.fits", "BIAS_BLUE"]]), "the AB has other input files now"),
    ],
)
def test_it_is_begun_anew_and_the_history_says_why(
    database: Database,
    configuration: Configuration,
    ab: AssociationBlock,
    left: FoundContainer,
    change: Callable[[PretendedEngine, Path], None],
    reason: str,
) -> None:
    engine = PretendedEngine(master_bias, left=left)
    change(engine, configuration.folders.attempt(ab, 1))
    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert (attempt.number, attempt.outcome) == (2, Outcome.OK)
    assert len(engine.jobs) == 1
    lost = history(database, ab)[0]
    assert (lost.outcome, lost.findings[0]) == (Outcome.CRASHED, LOST)
    assert lost.findings[1].startswith("not taken over: ")
    assert reason in lost.findings[1]
    assert not list(configuration.folders.work.rglob("*.fits"))


def test_an_engine_that_does_not_answer_decides_nothing(
    database: Database, configuration: Configuration, ab: AssociationBlock, left: FoundContainer
) -> None:
    engine = PretendedEngine(whole, left=left)

    def no_answer(job: ContainerJob) -> FoundContainer | None:
        raise InfrastructureError("Docker engine", "does not answer")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "find", no_answer)
        with pytest.raises(InfrastructureError, match="does not answer"):
            run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert history(database, ab) == ()
    assert run_ab(database, configuration, RELEASE, ab.name, runner=engine).number == 1


def test_a_database_that_is_away_costs_no_recipe_run(
    database: Database,
    configuration: Configuration,
    ab: AssociationBlock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = PretendedEngine(master_bias)

    def away(*_: object) -> None:
        raise InfrastructureError("database", "does not answer")

    with monkeypatch.context() as patch:
        patch.setattr(AttemptRepository, "is_newest", away)
        patch.setattr(AttemptRepository, "end", away)
        with pytest.raises(InfrastructureError, match="database"):
            run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    (job,) = engine.jobs
    engine.left = FoundContainer(job.name_in("test"), "1", job.image, {}, exit_code=0)
    engine.recipe = lambda job, on_line: 0
    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert (attempt.number, attempt.outcome) == (1, Outcome.OK)
    assert len(engine.jobs) == 1


def test_what_a_process_left_that_died_after_it_had_recorded_everything(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    with pytest.raises(Lost):
        run_ab(database, configuration, RELEASE, ab.name, runner=DyingEngine(master_bias))
    assert ab_row(database, ab.name).outcome == "ok"
    job = PretendedEngine(master_bias)
    job.left = FoundContainer("leftover", "1", "sha256:phoenix-uves", {}, exit_code=0)
    assert run_ab(database, configuration, RELEASE, ab.name, runner=job).number == 1
    assert job.left is None, "the container is removed"
    assert not configuration.folders.attempt(ab, 1).exists()


def test_a_second_try_waits_for_the_first(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    running, go_on = threading.Event(), threading.Event()

    def slow(job: ContainerJob, on_line: OnLine) -> int:
        running.set()
        assert go_on.wait(30)
        return master_bias(job, on_line)

    first, second = PretendedEngine(slow), PretendedEngine(master_bias)
    attempts: list[Attempt] = []

    def run(engine: PretendedEngine) -> None:
        attempts.append(run_ab(database, configuration, RELEASE, ab.name, runner=engine))

    threads = [threading.Thread(target=run, args=(engine,)) for engine in (first, second)]
    threads[0].start()
    assert running.wait(30)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert (len(first.jobs), len(second.jobs)) == (1, 0)
    assert attempts[0] == attempts[1]


def test_a_holder_that_stays_is_told(database: Database) -> None:
    def never() -> bool:
        return False

    with (
        sole_run(database, RELEASE, "one.ab", never),
        sole_run(database, RELEASE, "two.ab", never),
        sole_run(database, "UVES_R4", "one.ab", never),
        pytest.raises(InfrastructureError, match=r"one\.ab: another process is running it"),
        sole_run(database, RELEASE, "one.ab", never, wait_s=0.3),
    ):
        pass
    with sole_run(database, RELEASE, "one.ab", never):
        pass


def test_waiting_ends_when_the_task_is_killed(database: Database) -> None:
    with (
        sole_run(database, RELEASE, "one.ab", lambda: False),
        pytest.raises(InfrastructureError, match="another process"),
        sole_run(database, RELEASE, "one.ab", lambda: True),
    ):
        pass
