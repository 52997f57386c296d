"""QC in the store: what is written comes back, is replaced as a whole, and can be followed over time."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select

from phoenix.model.product import Product
from phoenix.model.score import Qc1Value, QcProblem, QcResult, Score, Verdict
from phoenix.store.database import Database
from phoenix.store.qc import QcRecord, QcRepository, products_sha256
from phoenix.store.tables import AbRow, BatchRow, Qc1Row, QcRunRow, ReportRow, ScoreRow

RESULT = QcResult(
    values=(Qc1Value("wave_rms_pix_BLUE", 0.028, "pix"), Qc1Value("wave_lines_BLUE", 80.0, "")),
    scores=(
        Score("wave_rms_pix_BLUE", 0.028, Verdict.GREEN, None, 0.15, "2026-11"),
        Score("wave_lines_BLUE", 80.0, Verdict.RED, 250.0, None, "2026-11"),
        Score("wave_order_min_BLUE", 94.0, Verdict.GREY, None, None, "2026-11"),
    ),
    reports=(("wavelength", "/reports/a_wavelength.png"),),
    problems=(QcProblem("wave_chi2_BLUE", "the keyword is not in the header", "Traceback ...", scored=True),),
    wall_s=0.5,
)


@pytest.fixture
def ab_ids(database: Database) -> list[int]:
    """Numbers of three ABs of a batch, on two nights."""
    with database.transaction() as session:
        batch = BatchRow(
            release="UVES_R3", key="2019-03", kind="month", state="RUNNING", opened_at=datetime.now(UTC),
            summary={}, problems=[],
        )  # fmt: skip
        session.add(batch)
        session.flush()
        rows = [
            AbRow(
                batch_id=batch.id, release="UVES_R3", name=f"UVES.{number}.ab", instrument="UVES",
                night=f"2019-03-0{1 + number // 2}", task="wavelength", recipe="uves_cal_wavecal",
                raw_type="ARC", setting={}, mjd_obs_mod=58543.0 + number, completeness="COMPLETE", level=0,
                waits_for=[], tree="final", text_sha256="", source_sha256="", outcome="ok",
            )
            for number in range(3)
        ]  # fmt: skip
        session.add_all(rows)
        session.flush()
        return [row.id for row in rows]


def record(ab_id: int, result: QcResult = RESULT, *, mjd: float = 58543.0, sha256: str = "a") -> QcRecord:
    report = tuple((kind, path.replace("/a_", f"/{ab_id}_")) for kind, path in result.reports)
    return QcRecord(ab_id, "UVES", "wavelength", mjd, sha256, replace(result, reports=report))


def save(database: Database, *records: QcRecord) -> None:
    with database.transaction() as session:
        QcRepository(session).save(records)


def test_what_is_written_comes_back(database: Database, ab_ids: list[int]) -> None:
    written = record(ab_ids[0])
    save(database, written)
    with database.transaction() as session:
        assert QcRepository(session).of_ab("UVES_R3", "UVES.0.ab") == written.result
        assert QcRepository(session).of_ab("UVES_R3", "UVES.1.ab") is None


def test_a_second_qc_replaces_the_first_as_a_whole(database: Database, ab_ids: list[int]) -> None:
    save(database, record(ab_ids[0]), record(ab_ids[1]))
    smaller = QcResult(values=(Qc1Value("wave_lines_BLUE", 640.0, ""),), wall_s=0.1)
    save(database, record(ab_ids[0], smaller, sha256="b"))
    with database.transaction() as session:
        repository = QcRepository(session)
        assert repository.of_ab("UVES_R3", "UVES.0.ab") == smaller
        other = repository.of_ab("UVES_R3", "UVES.1.ab")
        assert other is not None
        assert other.values == RESULT.values
        counts = [
            session.scalar(select(func.count()).select_from(t))
            for t in (Qc1Row, ScoreRow, ReportRow, QcRunRow)
        ]
    assert counts == [3, 3, 1, 2]


def test_a_failing_write_leaves_the_old_qc(database: Database, ab_ids: list[int]) -> None:
    save(database, record(ab_ids[0]))
    twice = replace(RESULT, values=RESULT.values * 2)
    with pytest.raises(Exception, match="uq_qc1_ab_parameter"):
        save(database, record(ab_ids[0], twice))
    with database.transaction() as session:
        kept = QcRepository(session).of_ab("UVES_R3", "UVES.0.ab")
    assert kept is not None
    assert kept.values == RESULT.values


def test_done_knows_products_and_reports_and_leaves_failures_out(
    database: Database, ab_ids: list[int]
) -> None:
    failed = QcResult(failure="its process was killed by SIGKILL")
    save(database, record(ab_ids[0], sha256="a"), record(ab_ids[1], failed))
    with database.transaction() as session:
        done = QcRepository(session).done(ab_ids)
    assert done == {ab_ids[0]: ("a", (f"/reports/{ab_ids[0]}_wavelength.png",))}


def test_trend_is_in_time_order_with_the_limits_of_the_day(database: Database, ab_ids: list[int]) -> None:
    save(database, record(ab_ids[0], mjd=58545.0), record(ab_ids[1], mjd=58543.0))
    with database.transaction() as session:
        repository = QcRepository(session)
        points = repository.trend("UVES", "wave_lines_BLUE")
        assert repository.trend("UVES", "wave_lines_BLUE", release="OTHER") == []
        assert repository.trend("MUSE", "wave_lines_BLUE") == []
        assert repository.parameters("UVES") == ["wave_lines_BLUE", "wave_rms_pix_BLUE"]
    assert [(point.mjd_obs, point.ab) for point in points] == [(58543.0, "UVES.1.ab"), (58545.0, "UVES.0.ab")]
    assert {(point.value, point.verdict, point.low, point.high) for point in points} == {
        (80.0, Verdict.RED, 250.0, None)
    }


def test_scores_of_a_batch_count_verdicts_and_name_the_reds(database: Database, ab_ids: list[int]) -> None:
    save(database, record(ab_ids[0]), record(ab_ids[2], QcResult(failure="out of time")))
    with database.transaction() as session:
        first, last = QcRepository(session).scores_of_batch("UVES_R3", "2019-03")
        (second_night,) = QcRepository(session).scores_of_batch("UVES_R3", "2019-03", "2019-03-02")
    assert (first.greens, len(first.reds), first.greys, first.problems) == (1, 1, 1, 1)
    assert first.reds[0].parameter == "wave_lines_BLUE"
    assert last.failure == "out of time"
    assert second_night == last


def test_many_abs_are_written_at_once(database: Database, ab_ids: list[int]) -> None:
    many = QcResult(values=tuple(Qc1Value(f"snr_{fibre:04d}", fibre / 7, "") for fibre in range(3000)))
    save(database, *(record(ab_id, many) for ab_id in ab_ids))
    with database.transaction() as session:
        assert session.scalar(select(func.count()).select_from(Qc1Row)) == 9000


def test_the_checksum_of_products_depends_on_content_and_not_on_order() -> None:
    one, two = Product("/a", "RED_BLUE", 1, "1" * 64), Product("/b", "ERRORBAR_BLUE", 1, "2" * 64)
    assert products_sha256([one, two]) == products_sha256([two, one])
    assert products_sha256([one, two]) != products_sha256([one, replace(two, sha256="3" * 64)])
    assert products_sha256([one]) != products_sha256([one, two])
