"""QC of a batch: does what is missing, keeps failures apart, and is told by the command line."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

import phoenix.cli.qc as cli
from phoenix.chain.qc import qc_reports, qc_shards
from phoenix.chain.qc_jobs import words_of_rules
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError, UsageError
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.batch import BatchKey, BatchKind
from phoenix.model.outcome import Attempt, Outcome
from phoenix.store.ab_trees import AbTrees
from phoenix.store.abs import AbRepository
from phoenix.store.attempts import AttemptRepository
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.qc import QcRepository
from phoenix.store.qc_progress import QcProgress, read_progress
from phoenix.store.tables import AbRow, BatchRow, QcRunRow
from qc_products import WRITERS, ProductFolder, ab_of

RELEASE, KEY, NIGHT = "UVES_R3", "2019-03", "2019-03-03"


def publish(
    database: Database, configuration: Configuration, ab: AssociationBlock, folder: ProductFolder
) -> None:
    """Put an AB into the store as if its recipe had just made these products."""
    trees = AbTrees(configuration.folders)
    now = datetime.now(UTC)
    with database.transaction() as session:
        batch = BatchRepository(session).open(RELEASE, BatchKey(BatchKind.MONTH, KEY), "test")
        AbRepository(session, trees).put(ab, batch.id)
        session.flush()
        attempts = AttemptRepository(session)
        number = attempts.begin(RELEASE, ab.name, "image", now)
        session.flush()
        sha256 = trees.save(Tree.FINAL, ab)
        attempt = Attempt(number, Outcome.OK, now, now)
        attempts.publish(RELEASE, ab.name, attempt, folder.folder, folder.products, sha256)


@pytest.fixture
def folders(database: Database, configuration: Configuration, tmp_path: Path) -> dict[str, ProductFolder]:
    """Products of a bias and a wavelength AB, published."""
    made = {}
    for task in ("bias", "wavelength"):
        made[task] = ProductFolder(tmp_path / task)
        WRITERS[task](made[task], "BLUE")
        publish(database, configuration, ab_of(task), made[task])
    return made


@pytest.fixture
def command(
    database: Database, configuration: Configuration, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CliRunner]:
    monkeypatch.setattr(cli, "get_database", lambda: database)
    monkeypatch.setattr(cli, "get_configuration", lambda: configuration)
    return CliRunner()


def test_a_second_call_does_only_what_is_missing(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    seen: list[QcProgress] = []
    first = qc_reports(database, configuration, RELEASE, KEY, NIGHT, progress=seen.append)
    assert (first.measured, first.unchanged, first.problems, first.reds, first.clean) == (2, 0, 0, (), True)
    assert [(one.done, one.total, one.failed) for one in seen] == [(1, 2, 0), (2, 2, 0)]

    again = qc_reports(database, configuration, RELEASE, KEY)
    assert (again.measured, again.unchanged) == (0, 2)

    (folders["bias"].folder / "new").mkdir()
    other = ProductFolder(folders["bias"].folder / "new", seed=2)
    other.write("OTHER_PRODUCT_FIRST")  # other checksums follow
    WRITERS["bias"](other, "BLUE")
    publish(database, configuration, ab_of("bias"), other)
    third = qc_reports(database, configuration, RELEASE, KEY)
    assert (third.measured, third.unchanged) == (1, 1)


def test_the_progress_is_kept_for_pages_and_forgotten_by_a_new_plan(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    bias, wavelength = ab_of("bias").name, ab_of("wavelength").name
    assert list(map(sorted, qc_shards(database, configuration, RELEASE, KEY))) == [sorted([bias, wavelength])]
    qc_reports(database, configuration, RELEASE, KEY, names=[bias], part="shard_1")
    (one,) = read_progress(configuration.folders, RELEASE, KEY)
    assert (one.part, one.done, one.total, one.failed, one.ab, one.ended) == ("shard_1", 1, 1, 0, bias, True)
    assert str(one) == "1 of 1 QC jobs done"
    qc_reports(database, configuration, RELEASE, KEY, NIGHT)
    assert [(one.part, one.total) for one in read_progress(configuration.folders, RELEASE, KEY)] == [
        (NIGHT, 1),
        ("shard_1", 1),
    ]
    assert qc_shards(database, configuration, RELEASE, KEY) == []
    assert read_progress(configuration.folders, RELEASE, KEY) == []


def test_a_stop_keeps_what_had_ended(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    seen: list[QcProgress] = []
    with pytest.raises(InfrastructureError, match="1 of 2 QC jobs done"):
        qc_reports(
            database,
            configuration,
            RELEASE,
            KEY,
            workers=1,
            progress=seen.append,
            should_stop=lambda: bool(seen),
        )
    rest = qc_reports(database, configuration, RELEASE, KEY)
    assert (rest.measured, rest.unchanged) == (1, 1)


def test_jobs_that_took_long_before_are_the_first(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    qc_reports(database, configuration, RELEASE, KEY)
    order: list[list[str]] = []
    for slow in ("bias", "wavelength"):
        with database.transaction() as session:
            for row in session.scalars(select(QcRunRow)):
                ab = session.get_one(AbRow, row.ab_id)
                row.wall_s = 1000.0 if ab.task == slow else 0.001
        seen: list[QcProgress] = []
        qc_reports(database, configuration, RELEASE, KEY, workers=1, again=True, progress=seen.append)
        order.append([one.ab for one in seen])
    assert order[0] == order[1][::-1] == [ab_of("bias").name, ab_of("wavelength").name]


def test_a_killed_worker_leaves_no_half_picture(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    folder = configuration.folders.report_of(ab_of("bias"))
    folder.mkdir(parents=True)
    (folder / ".bias.png.0123.tmp").write_bytes(b"half a pict")
    qc_reports(database, configuration, RELEASE, KEY)
    assert [path.suffix for path in folder.iterdir()] == [".png"]


def test_a_lost_picture_is_made_again(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    qc_reports(database, configuration, RELEASE, KEY)
    with database.transaction() as session:
        result = QcRepository(session).of_ab(RELEASE, ab_of("bias").name)
    assert result is not None
    picture = Path(result.reports[0][1])
    assert picture.parent == configuration.folders.report_of(ab_of("bias"))
    picture.unlink()
    assert qc_reports(database, configuration, RELEASE, KEY).measured == 1
    assert picture.is_file()


def test_a_failed_job_is_kept_with_its_reason_and_tried_again(
    database: Database,
    configuration: Configuration,
    folders: dict[str, ProductFolder],
) -> None:
    # The report cannot be written: a file stands where its folder should be.
    blocked = configuration.folders.report_of(ab_of("bias"))
    blocked.parent.mkdir(parents=True)
    blocked.write_text("in the way")
    report = qc_reports(database, configuration, RELEASE, KEY)
    assert (report.measured, len(report.failures)) == (1, 1)
    assert "cannot be written" in report.failures[0]
    with database.transaction() as session:
        failed = QcRepository(session).of_ab(RELEASE, ab_of("bias").name)
        problems = session.scalars(select(BatchRow.problems)).one()
    assert failed is not None
    assert "cannot be written" in failed.failure
    assert "InfrastructureError" in failed.problems[0].trace
    assert problems == [failure.replace("\n  ->", " ->") for failure in report.failures]

    blocked.unlink()
    mended = qc_reports(database, configuration, RELEASE, KEY)
    assert (mended.measured, mended.unchanged, mended.failures) == (1, 1, ())


def test_an_ab_changed_by_hand_does_not_stop_the_others(
    database: Database, configuration: Configuration, folders: dict[str, ProductFolder]
) -> None:
    ab = ab_of("bias")
    text = configuration.folders.ab_text(RELEASE, Tree.FINAL, NIGHT, ab.name)
    text.write_text(text.read_text() + "# mine\n")
    report = qc_reports(database, configuration, RELEASE, KEY)
    assert report.measured == 1
    assert ab.name in report.failures[0]
    assert "changed by hand" in report.failures[0]


def test_a_batch_that_never_was_is_refused(database: Database, configuration: Configuration) -> None:
    with pytest.raises(UsageError, match="never processed"):
        qc_reports(database, configuration, RELEASE, "1999-01")


def test_words_come_from_splits_and_tags(configuration: Configuration) -> None:
    words = words_of_rules(configuration.rules("UVES"))
    assert words["chip"] == ("BLUE", "REDL", "REDU")
    assert set(words["type"]) == {"SCI_POINT", "SCI_SLICER"}


def test_commands_measure_score_report_and_trend(
    command: CliRunner, folders: dict[str, ProductFolder], tmp_path: Path
) -> None:
    measured = command.invoke(cli.app, ["measure", RELEASE, KEY])
    assert measured.exit_code == 0
    assert "2 ABs measured" in measured.stdout

    status = command.invoke(cli.app, ["status", RELEASE, KEY, "--format", "json"])
    (row,) = json.loads(status.stdout)
    assert (row["part"], row["done"], row["total"], row["state"]) == ("batch", 2, 2, "ended")

    scores = command.invoke(cli.app, ["score", RELEASE, KEY, "--format", "json"])
    assert scores.exit_code == 0
    assert {row["task"]: row["red"] for row in json.loads(scores.stdout)} == {"bias": 0, "wavelength": 0}

    reports = command.invoke(cli.app, ["report", RELEASE, KEY, "--night", NIGHT, "--format", "json"])
    assert sorted(row["kind"] for row in json.loads(reports.stdout)) == ["bias", "wavelength"]

    picture = tmp_path / "trend.png"
    trend = command.invoke(
        cli.app, ["trend", "uves", "wave_rms_pix_BLUE", "--plot", str(picture), "--format", "json"]
    )
    (row,) = json.loads(trend.stdout)
    assert (row["date"], row["value pix"], row["verdict"], row["high"]) == (
        "2019-03-04 01:55",
        0.03,
        "green",
        0.15,
    )
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_red_makes_score_end_with_1_and_is_named(
    command: CliRunner,
    database: Database,
    configuration: Configuration,
    tmp_path: Path,
) -> None:
    folder = ProductFolder(tmp_path / "few")
    WRITERS["bias"](folder, "BLUE")
    folder.write("MASTER_BIAS_BLUE", folder.random.normal(900.0, 1.0, (60, 90)), ESO__QC__OUT1__RON__RAW=9.0)
    publish(database, configuration, ab_of("bias"), folder)
    assert command.invoke(cli.app, ["measure", RELEASE, KEY]).exit_code == 0
    scores = command.invoke(cli.app, ["score", RELEASE, KEY, "--format", "json"])
    assert scores.exit_code == 1
    (row,) = json.loads(scores.stdout)
    assert row["reds"].startswith("bias_level_BLUE = 900, bias_ron_raw_BLUE = 9")


def test_an_unknown_parameter_names_the_known_ones(
    command: CliRunner, folders: dict[str, ProductFolder]
) -> None:
    command.invoke(cli.app, ["measure", RELEASE, KEY])
    refused = command.invoke(cli.app, ["trend", "UVES", "wave_rms"])
    assert isinstance(refused.exception, UsageError)
    assert "wave_rms_pix_BLUE" in refused.exception.remedy
