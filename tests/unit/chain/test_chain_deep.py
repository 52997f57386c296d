"""MUSE_DEEP: from the processed exposures of a run to deep cubes, with a pretended engine."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import select

from builders_muse import DEEP, MUSE_R, NOW, RUN, MuseEngine, MuseRun
from phoenix.chain.deep import announce, complete_runs, progress
from phoenix.chain.execute import run_ab
from phoenix.chain.plan import nights_with_frames
from phoenix.chain.report import batch_report
from phoenix.chain.run import BatchRun, Step
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.model.ab import AssociationBlock
from phoenix.model.ab_text import parse, write
from phoenix.model.outcome import Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.database import Database
from phoenix.store.masters import Master, MasterRepository
from phoenix.store.named_trees import NamedTree
from phoenix.store.tables import AbRow


@pytest.fixture
def run(database: Database, configuration: Configuration) -> MuseRun:
    """A run of three OBs on two nights: two of one target, one of another; all exposures processed."""
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 2), (2, "NGC 253", 2))
    site.night("2021-04-10", (3, "HUDF", 3))
    site.process(site.exposures())
    return site


def left_out(run: MuseRun) -> list[dict[str, str]]:
    return AbTrees(run.configuration.folders).left_out(DEEP, RUN)


def deep_abs(run: MuseRun) -> tuple[AssociationBlock, AssociationBlock]:
    """The alignment and the cube of the one target."""
    made = run.deep()
    (alignment,), (cube,) = made["deep_alignment"], made["deep_combine"]
    return alignment, cube


def test_a_target_of_two_obs_becomes_one_deep_ab_over_all_nights(run: MuseRun) -> None:
    creation = run.create()
    assert not creation.errors
    alignment, cube = deep_abs(run)
    exposures = run.exposures()
    of_target = [f"MUSE_R/{name}" for name in (*exposures[:2], *exposures[4:])]
    assert list(alignment.input_abs) == list(cube.input_abs) == of_target
    assert cube.name == exposures[0].replace("_post.ab", "_dpc.ab")
    assert (cube.date, cube.batch_id, cube.obs_prog_id) == (RUN, f"SCIENCE_{RUN}", RUN)
    assert dict(cube.match_keys) == {"target": "HUDF", "mode": "WFM-NOAO-N"}
    assert {entry.tag for entry in cube.inputs} == {"PIXTABLE_REDUCED"}
    assert cube.waits_for == (*of_target, alignment.name)
    assert parse(write(cube), "x").ab == cube


def test_a_target_of_one_ob_is_left_to_muse_r_with_the_reason(run: MuseRun) -> None:
    run.create()
    told = left_out(run)
    assert [(out["path"], out["code"]) for out in told] == [
        (name, "SINGLE_OB") for name in run.exposures()[2:4]
    ]
    assert told[0]["reason"] == (
        "OB 2 is the only one of target NGC 253, mode WFM-NOAO-N: its cube is final without a deep one"
    )


def test_an_ob_of_one_exposure_and_another_field_are_told_as_well(
    database: Database, configuration: Configuration
) -> None:
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 1), (2, "HUDF", 1), (3, "NGC 253", 1))
    site.night("2021-03-05", (4, "HUDF", 1), DEC=-27.1)
    site.process(site.exposures())
    site.create()
    single, far = site.exposures()[2:]
    assert {out["path"]: out["code"] for out in left_out(site)} == {single: "SINGLE_OB", far: "OTHER_FIELD"}
    assert len(deep_abs(site)[1].input_abs) == 2


def test_the_trees_on_the_way_keep_what_was_made(run: MuseRun) -> None:
    run.create()
    folders = run.configuration.folders
    alignment, cube = deep_abs(run)
    tree = NamedTree(folders, "MUSE_deep")
    assert set(tree.names(RUN)) == {alignment.name, cube.name}
    assert tree.load(RUN, cube.name).ab == cube
    smart = NamedTree(folders, "MUSE_smart")
    names = {state.name for state in run.states(MUSE_R, "2021-03-04")}
    assert set(smart.names("2021-03-04")) == names
    assert smart.verify() == tree.verify() == []
    assert not smart.history("2021-03-04", min(names))


def test_a_failed_exposure_is_left_out_and_comes_in_when_it_succeeds(
    database: Database, configuration: Configuration
) -> None:
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 2), (3, "HUDF", 2))
    first, *others = site.exposures()
    site.process(others)
    site.process([first], outcome=Outcome.FAILED)
    site.create()
    assert len(deep_abs(site)[1].input_abs) == 3
    assert {(out["path"], out["code"]) for out in left_out(site)} == {(first, "DEFECTIVE_INPUT")}
    assert "failed in MUSE_R: as the test wants" in left_out(site)[0]["reason"]
    site.process([first])
    site.create()
    cubes = [ab for ab in site.deep()["deep_combine"] if not ab.exclusion]
    assert [len(ab.input_abs) for ab in cubes] == [4]


def test_the_cube_is_combined_of_products_of_the_other_release(run: MuseRun) -> None:
    run.create()
    alignment, cube = deep_abs(run)
    engine = MuseEngine()
    seen: list[str] = []

    def recipe(job, on_line) -> int:
        seen.extend(next(job.input_folder.rglob("job.sof")).read_text().splitlines())
        return MuseEngine().recipe(job, on_line)

    blocked = run_ab(run.database, run.configuration, DEEP, cube.name, runner=engine)
    assert (blocked.outcome, engine.jobs) == (Outcome.BLOCKED, []), "its offsets are not there"
    for name in (alignment.name, cube.name):
        attempt = run_ab(run.database, run.configuration, DEEP, name, runner=MuseEngine(recipe))
        assert attempt.outcome.succeeded, attempt.findings
    tables = [line for line in seen if line.endswith("PIXTABLE_REDUCED")]
    assert len(tables) == len(set(tables)) == 5, "recipes call all their products the same"


def deep_outcome(run: MuseRun, name: str) -> str | None:
    with run.database.transaction() as session:
        return session.scalar(select(AbRow.outcome).where(AbRow.release == DEEP, AbRow.name == name))


def test_an_exposure_processed_again_makes_the_deep_cube_to_do(run: MuseRun) -> None:
    run.create()
    alignment, cube = deep_abs(run)
    for name in (alignment.name, cube.name):
        run_ab(run.database, run.configuration, DEEP, name, runner=MuseEngine())
    assert deep_outcome(run, cube.name) in {"ok", "caveats"}
    run.process(run.exposures()[2:3])
    assert deep_outcome(run, cube.name) is not None, "an exposure of another target"
    run.process(run.exposures()[:1])
    assert (deep_outcome(run, alignment.name), deep_outcome(run, cube.name)) == (None, None)


def test_the_index_of_what_uses_what_reaches_across_releases(run: MuseRun) -> None:
    run.create()
    alignment, cube = deep_abs(run)
    exposure = run.exposures()[0]
    with run.database.transaction() as session:
        index = MasterRepository(session)
        direct = index.direct([Master(exposure, MUSE_R)])
        deep = {row.id: row.name for row in index.rows() if row.release == DEEP}
        assert {deep[ab_id] for ab_id in direct if ab_id in deep} == {alignment.name, cube.name}
        maker = next(row.id for row in index.rows() if row.release == MUSE_R and row.name == exposure)
        assert deep.keys() <= index.dependents([maker])
        used = {(str(entry.master), entry.status) for entry in index.used(DEEP)}
        assert (f"{exposure} of MUSE_R", "INPUT") in used
        assert (f"{alignment.name} of MUSE_DEEP", "VIRTUAL") in used
        abs_ = AbRepository(session, AbTrees(run.configuration.folders))
        batch = abs_.state(DEEP, alignment.name).batch_id
        assert [state.name for state in abs_.runnable(batch)] == [alignment.name]


def test_one_target_is_made_alone_and_the_others_stay(
    database: Database, configuration: Configuration
) -> None:
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 1), (2, "NGC 253", 1))
    site.night("2021-03-05", (3, "HUDF", 1), (4, "NGC 253", 1))
    site.process(site.exposures())
    site.create(target="HUDF")
    assert {dict(ab.match_keys)["target"] for abs_ in site.deep().values() for ab in abs_} == {"HUDF"}
    site.create(target="NGC 253")
    assert len([ab for ab in site.deep()["deep_combine"] if not ab.exclusion]) == 2
    with pytest.raises(UsageError, match="one of HUDF, NGC 253"):
        site.create(target="M 31")


def test_one_target_is_made_alone_by_the_name_of_its_ab(
    database: Database, configuration: Configuration
) -> None:
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 1), (2, "NGC 253", 1))
    site.night("2021-03-05", (3, "HUDF", 1), (4, "NGC 253", 1))
    site.process(site.exposures())
    first, *_ = site.exposures()
    site.create(target=first.replace("_post.ab", "_dpc.ab"))
    made = site.deep()
    assert set(made) == {"deep_alignment", "deep_combine"}
    assert {dict(ab.match_keys)["target"] for abs_ in made.values() for ab in abs_} == {"HUDF"}


def test_the_report_says_why_exposures_are_left_to_muse_r(run: MuseRun) -> None:
    run.create()
    report = batch_report(run.database, run.configuration, DEEP, RUN)
    (why,) = report.left_out
    assert why.startswith("SINGLE_OB: OB 2 is the only one of target NGC 253")
    assert why.endswith("(exposures: 2)")
    assert why in report.text()


def test_a_run_nobody_processed_is_refused(database: Database, configuration: Configuration) -> None:
    with pytest.raises(UsageError, match="MUSE_R has no ABs of it"):
        MuseRun(database, configuration).create()


def test_the_run_stands_in_place_of_the_night(run: MuseRun) -> None:
    assert nights_with_frames(run.database, run.configuration, DEEP, RUN) == [RUN]
    run.create()
    assert {state.night for state in run.states(DEEP, RUN)} == {RUN}


def test_a_run_is_complete_when_all_its_obs_are_processed_and_it_is_quiet(
    database: Database, configuration: Configuration
) -> None:
    site = MuseRun(database, configuration)
    site.night("2021-03-04", (1, "HUDF", 1), (2, "HUDF", 1))
    assert complete_runs(database, configuration, DEEP, NOW) == [], "nothing is processed"
    everything = [state.name for state in site.states(MUSE_R, "2021-03-04")]
    site.process(everything[:-1])
    found = progress(database, configuration, DEEP, RUN)
    assert found is not None
    assert (found.blocks, found.missing(NOW)) == (
        ("1", "2"),
        f"OBs {found.open_blocks[0]}"
        + (f", {found.open_blocks[1]}" if found.open_blocks[1:] else "")
        + " are not processed",
    )
    site.process(everything[-1:])
    found = progress(database, configuration, DEEP, RUN)
    assert found is not None
    assert "quiet only from 2021-04-0" in found.missing(found.newest + timedelta(days=29))
    assert found.missing(found.newest + timedelta(days=30)) == ""
    assert complete_runs(database, configuration, DEEP, NOW) == [RUN]


def test_a_run_is_announced_once_and_again_when_more_of_it_is_processed(run: MuseRun) -> None:
    everything = [state.name for key in ("2021-03-04", "2021-04-10") for state in run.states(MUSE_R, key)]
    run.process(everything)
    assert complete_runs(run.database, run.configuration, DEEP, NOW) == [RUN]
    with run.database.transaction() as session:
        later = session.scalar(select(AbRow.created_at).limit(1)) + timedelta(hours=1)
    announce(run.database, DEEP, [RUN], later)
    assert complete_runs(run.database, run.configuration, DEEP, NOW) == []
    announce(run.database, DEEP, [RUN], later - timedelta(days=1))
    assert complete_runs(run.database, run.configuration, DEEP, NOW) == [RUN], "processed after it was told"


def test_one_target_is_processed_alone(run: MuseRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run.night("2021-04-11", (4, "NGC 253", 2))
    run.process(run.exposures())
    run.create()
    tried: list[str] = []

    def instead_of_the_engine(database, configuration, release, name):
        tried.append(name)
        return run_ab(database, configuration, release, name, runner=MuseEngine())

    monkeypatch.setattr("phoenix.chain.run.run_with_retries", instead_of_the_engine)
    alignment, cube = (
        next(ab for ab in run.deep()[task] if dict(ab.match_keys)["target"] == "HUDF")
        for task in ("deep_alignment", "deep_combine")
    )
    told: list[str] = []

    def recipes(*names: str) -> None:
        batch = BatchRun(run.database, run.configuration, DEEP, RUN, "test", told.append, abs_=names)
        batch.run([Step.RUN_RECIPES])

    recipes("MUSE.misspelt.ab")
    assert tried == []
    assert "AB MUSE.misspelt.ab: is not of batch MUSE_DEEP" in told[-1]
    recipes(cube.name)
    assert tried == [alignment.name, cube.name]
    recipes()
    assert len(tried) == 4, "the other target's"
