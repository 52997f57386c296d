"""Execution of an AB in our database, with a pretended engine: recorded, published, left behind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders_execution import (
    KEY,
    NIGHT,
    NOW,
    RELEASE,
    PretendedEngine,
    ab_row,
    bias_ab,
    bias_frame,
    master_bias,
    store_ab,
)
from phoenix.chain.edit import edit_abs
from phoenix.chain.execute import run_ab
from phoenix.config.loader import Configuration
from phoenix.config.site import Host
from phoenix.errors import AssociationError, InfrastructureError, UsageError
from phoenix.execution.container import ContainerJob, OnLine
from phoenix.model.ab import AssociationBlock, ProcessStatus, Tree
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.attempts import LOST, AttemptRepository
from phoenix.store.database import Database


@pytest.fixture
def ab(database: Database, configuration: Configuration) -> AssociationBlock:
    """A bias AB whose raws are there."""
    raws = [bias_frame(configuration.folders.raw / NIGHT / f"UVES.{n}.fits") for n in range(3)]
    ab = bias_ab(raws)
    store_ab(database, configuration, ab)
    return ab


def history(database: Database, ab: AssociationBlock) -> tuple[Attempt, ...]:
    with database.transaction() as session:
        return AttemptRepository(session).history(RELEASE, ab.name)


def test_a_good_run_is_published_and_recorded(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    lines: list[str] = []
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, ab.name, lines.append, runner=engine)
    assert attempt.outcome is Outcome.OK
    assert attempt.pipeline_version == "uves/6.1.8"
    assert lines == ["[ INFO  ] MBias: done"]
    folder = configuration.folders.products_of(ab)
    assert {path.name for path in folder.iterdir()} == {
        "masterbias_blue.fits",
        "esorex.log",
        "recipe.log",
        "verdict.json",
    }
    row = ab_row(database, ab.name)
    assert (row.outcome, row.product_folder, row.tree) == ("ok", str(folder), "final")
    with database.transaction() as session:
        (product,) = AttemptRepository(session).products(RELEASE, ab.name)
    assert product.path == str(folder / "masterbias_blue.fits")
    assert history(database, ab) == (attempt,)
    assert not configuration.folders.attempt(ab, 1).parent.exists()
    final = AbTrees(configuration.folders).load(RELEASE, Tree.FINAL, NIGHT, ab.name, row.text_sha256)
    assert final.ab.process_status is ProcessStatus.SUCCESSFUL
    assert final.processing is not None
    assert final.processing.products == ((product.path, "MASTER_BIAS_BLUE"),)


def test_the_record_beside_the_products_lets_them_be_made_again(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))
    record = json.loads((configuration.folders.products_of(ab) / "verdict.json").read_text())
    assert record["image_digest"] == "sha256:phoenix-uves"
    assert [Path(entry["path"]).name for entry in record["inputs"]] == [f"UVES.{n}.fits" for n in range(3)]
    assert all(len(entry["sha256"]) == 64 for entry in record["inputs"])
    assert record["products"][0]["pro_catg"] == "MASTER_BIAS_BLUE"


def test_what_is_done_is_not_done_again(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    engine = PretendedEngine(master_bias)
    first = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    again = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert again == first
    assert len(engine.jobs) == 1


def test_products_that_vanished_are_made_again(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    engine = PretendedEngine(master_bias)
    run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    (configuration.folders.products_of(ab) / "verdict.json").unlink()
    assert run_ab(database, configuration, RELEASE, ab.name, runner=engine).number == 2


def test_a_failed_run_publishes_nothing_and_keeps_its_log(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    def recipe(job: ContainerJob, on_line: OnLine) -> int:
        master_bias(job, on_line)
        (job.output_folder / "esorex.log").rename(job.output_folder / ".logfile")
        on_line("[ ERROR ] MBias: Data not found")
        return 10

    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(recipe))
    assert "Data not found" in attempt.findings[0]
    assert not configuration.folders.products_of(ab).exists()
    kept = configuration.folders.attempt(ab, 1)
    assert {path.name for path in kept.iterdir()} == {
        "recipe.log",
        "esorex.log",
        "verdict.json",
        "order.json",
    }
    row = ab_row(database, ab.name)
    assert (row.outcome, row.reason, row.tree) == ("failed", attempt.findings[0], "source")


def test_a_good_run_replaces_the_products_of_an_earlier_one(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))
    folder = configuration.folders.products_of(ab)
    (folder / "verdict.json").rename(folder / "old.txt")
    leftover = folder.with_name(f".{folder.name}.dead.old")
    leftover.mkdir()
    run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))
    assert not (folder / "old.txt").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    with database.transaction() as session:
        assert len(AttemptRepository(session).products(RELEASE, ab.name)) == 1


def test_a_truncated_raw_never_starts_a_container(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    raw = Path(ab.raws[1].path)
    raw.write_bytes(raw.read_bytes()[:3000])
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert attempt.outcome is Outcome.UNPROCESSABLE
    assert attempt.findings[0].startswith(f"{raw}: incomplete")
    assert engine.jobs == []


def test_too_little_disk(
    database: Database,
    configuration: Configuration,
    ab: AssociationBlock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    site = configuration.site.model_copy(update={"host": Host(min_free_disk_gb=1e9)})
    monkeypatch.setitem(configuration.__dict__, "site", site)
    with pytest.raises(InfrastructureError, match="too little disk"):
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))
    assert ab_row(database, ab.name).outcome == "crashed"
    assert "too little disk" in history(database, ab)[0].findings[0]


def test_memory_grows_after_out_of_memory(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    engine = PretendedEngine(lambda job, on_line: 137, end={"oom_killed": True})
    for _ in range(4):
        attempt = run_ab(database, configuration, RELEASE, ab.name, runner=engine)
        assert attempt.outcome is Outcome.OUT_OF_MEMORY
    assert [job.memory_gb for job in engine.jobs] == [1, 2, 4, 4]


def test_an_unknown_parameter_is_a_finding_of_the_ab(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    other = replace(ab, name="UVES.2019-03-04T12:00:00.000.ab", parameters=(("stack_metod", "mean"),))
    store_ab(database, configuration, other)
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, other.name, runner=engine)
    assert attempt.outcome is Outcome.FAILED
    assert "did you mean stack_method?" in attempt.findings[0]
    assert engine.jobs == []


def test_an_attempt_of_a_lost_process_is_closed_by_the_next(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    with database.transaction() as session:
        AttemptRepository(session).begin(RELEASE, ab.name, "phoenix-uves", NOW)
    attempt = run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))
    assert attempt.number == 2
    lost = history(database, ab)[0]
    assert lost.outcome is Outcome.CRASHED
    assert lost.findings == (LOST, "not taken over: its working folder is gone")


def test_an_overtaken_attempt_publishes_nothing(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    """The lock of the AB went with its connection, and another process began."""

    def overtaken(job: ContainerJob, on_line: OnLine) -> int:
        with database.transaction() as session:
            AttemptRepository(session).begin(RELEASE, ab.name, "phoenix-uves", NOW)
        return master_bias(job, on_line)

    with pytest.raises(InfrastructureError, match="overtaken"):
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(overtaken))
    assert ab_row(database, ab.name).outcome is None
    assert not configuration.folders.products_of(ab).exists()


def test_an_interrupted_attempt_is_recorded(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    def killed(job: ContainerJob, on_line: OnLine) -> int:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(killed))
    assert history(database, ab)[0].findings == ("interrupted: KeyboardInterrupt",)
    assert not (configuration.folders.attempt(ab, 1) / "output").exists()


def test_a_text_changed_by_hand_is_not_run(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    path = AbTrees(configuration.folders).path(RELEASE, Tree.SOURCE, NIGHT, ab.name)
    path.write_text(path.read_text() + "# a remark\n")
    with pytest.raises(AssociationError, match="changed by hand"):
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))


def test_an_excluded_ab_is_not_run(database: Database, configuration: Configuration) -> None:
    ab = bias_ab([Path("/x.fits")], exclusion="EXTENDED", exclusion_reason="not part of the stream")
    store_ab(database, configuration, ab)
    with pytest.raises(UsageError, match="pre-selection EXTENDED: not part of the stream"):
        run_ab(database, configuration, RELEASE, ab.name, runner=PretendedEngine(master_bias))


def test_no_such_ab(database: Database, configuration: Configuration) -> None:
    with pytest.raises(UsageError, match="has none of that name"):
        run_ab(database, configuration, RELEASE, "no.ab", runner=PretendedEngine(master_bias))


def test_pgis_bring_abs_to_the_edited_tree_once(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    science = replace(
        ab, name="UVES.2019-03-05T01:00:00.000.ab", recipe="uves_obs_scired", task="science", expected=()
    )
    store_ab(database, configuration, science)
    dry = edit_abs(database, configuration, RELEASE, KEY, NIGHT, dry_run=True)
    assert "+PARAM           reduce.tiltcorr=true" in dry.diffs[science.name]
    assert str(dry) == "2 ABs, 2 would change by PGIs"
    assert ab_row(database, science.name).tree == "source"
    assert edit_abs(database, configuration, RELEASE, KEY, NIGHT).diffs == dry.diffs
    row = ab_row(database, science.name)
    edited = AbTrees(configuration.folders).load(RELEASE, Tree.EDITED, NIGHT, science.name, row.text_sha256)
    assert edited.ab.parameters == (("reduce.tiltcorr", "true"),)
    again = edit_abs(database, configuration, RELEASE, KEY, NIGHT)
    assert again.diffs == {}
    assert len(again.notes) == 2


def test_one_bad_ab_does_not_keep_the_others_from_being_edited(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    other = replace(ab, name="UVES.2019-03-04T12:00:00.000.ab")
    store_ab(database, configuration, other)
    AbTrees(configuration.folders).path(RELEASE, Tree.SOURCE, NIGHT, other.name).unlink()
    report = edit_abs(database, configuration, RELEASE, KEY)
    assert len(report.problems) == 1
    assert list(report.diffs) == [ab.name]
    assert ab_row(database, ab.name).tree == "edited"


def test_an_ab_that_lost_frames_to_an_editor_never_starts_a_container(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    alone = replace(ab, name="UVES.2019-03-04T11:00:00.000_tpl.ab", raws=ab.raws[:1])
    store_ab(database, configuration, alone)
    engine = PretendedEngine(master_bias)
    attempt = run_ab(database, configuration, RELEASE, alone.name, runner=engine)
    assert attempt.outcome is Outcome.UNPROCESSABLE
    assert attempt.findings == ("1 raw frames; master bias needs at least 3",)
    assert engine.jobs == []


def test_a_recipe_starts_no_more_threads_than_it_has_cpus(
    database: Database, configuration: Configuration, ab: AssociationBlock
) -> None:
    engine = PretendedEngine(master_bias)
    run_ab(database, configuration, RELEASE, ab.name, runner=engine)
    assert engine.jobs[0].environment["OMP_NUM_THREADS"] == "1"
