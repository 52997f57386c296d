"""QC1 values, scores and reports of ABs: written together, replaced together, read back, and over time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select
from sqlalchemy.orm import Session

from phoenix.model.product import Product
from phoenix.model.score import Qc1Value, QcProblem, QcResult, Score, Verdict
from phoenix.store.tables import AbRow, BatchRow, ProductRow, Qc1Row, QcRunRow, ReportRow, ScoreRow

_TABLES = (Qc1Row, ScoreRow, ReportRow, QcRunRow)


@dataclass(frozen=True, slots=True)
class QcRecord:
    """The QC of one AB on its way into the store.

    Attributes
    ----------
    ab_id
        Number of the AB's row.
    mjd_obs
        MJD of the AB, the time axis of trends.
    products_sha256
        From :func:`products_sha256`, of the products that were measured.
    """

    ab_id: int
    instrument: str
    task: str
    mjd_obs: float
    products_sha256: str
    result: QcResult


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One QC1 value over time; ``verdict`` is grey when it was not scored."""

    mjd_obs: float
    value: float
    unit: str
    verdict: Verdict
    low: float | None
    high: float | None
    release: str
    ab: str


@dataclass(frozen=True, slots=True)
class AbScores:
    """How the scores of one AB stand: numbers of each verdict, the reds by name."""

    ab: str
    night: str
    task: str
    greens: int
    reds: tuple[Score, ...]
    greys: int
    problems: int
    failure: str


def products_sha256(products: Iterable[Product]) -> str:
    """Return one checksum for a set of products, in whatever order."""
    lines = sorted(f"{product.pro_catg} {product.sha256}" for product in products)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


class QcRepository:
    """QC of all ABs, in one transaction.

    Parameters
    ----------
    session : Session
        The transaction all calls are part of.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, records: Sequence[QcRecord]) -> None:
        """Write the QC of ABs in place of what was there of them; one statement for each table."""
        ids = [record.ab_id for record in records]
        # A process nobody hears any more and its successor save one after the other.
        self._session.execute(select(AbRow.id).where(AbRow.id.in_(ids)).order_by(AbRow.id).with_for_update())
        for table in _TABLES:
            self._session.execute(delete(table).where(table.ab_id.in_(ids)))
        self._insert(QcRunRow, [_run(record) for record in records])
        self._insert(
            Qc1Row,
            [
                {
                    "ab_id": record.ab_id,
                    "instrument": record.instrument,
                    "task": record.task,
                    "mjd_obs": record.mjd_obs,
                    **asdict(value),
                }
                for record in records
                for value in record.result.values
            ],
        )
        self._insert(
            ScoreRow,
            [
                {"ab_id": record.ab_id, **asdict(score), "verdict": int(score.verdict)}
                for record in records
                for score in record.result.scores
            ],
        )
        self._insert(
            ReportRow,
            [
                {"ab_id": record.ab_id, "kind": kind, "path": path}
                for record in records
                for kind, path in record.result.reports
            ],
        )

    def of_ab(self, release: str, name: str) -> QcResult | None:
        """Return the QC of an AB; None if none was done."""
        run = self._session.scalar(
            select(QcRunRow).join(AbRow).where(AbRow.release == release, AbRow.name == name)
        )
        if run is None:
            return None
        values, scores, reports = (
            self._session.scalars(select(Qc1Row).where(Qc1Row.ab_id == run.ab_id).order_by(Qc1Row.id)),
            self._session.scalars(select(ScoreRow).where(ScoreRow.ab_id == run.ab_id).order_by(ScoreRow.id)),
            self._session.scalars(
                select(ReportRow).where(ReportRow.ab_id == run.ab_id).order_by(ReportRow.id)
            ),
        )
        return QcResult(
            values=tuple(Qc1Value(row.parameter, row.value, row.unit) for row in values),
            scores=tuple(_score(row) for row in scores),
            reports=tuple((row.kind, row.path) for row in reports),
            problems=tuple(QcProblem(**problem) for problem in run.problems),
            wall_s=run.wall_s,
            failure=run.failure,
        )

    def done(self, ab_ids: Iterable[int]) -> Mapping[int, tuple[str, tuple[str, ...]]]:
        """Return, for ABs whose QC did not fail, the checksum of its products and its report files."""
        ids = list(ab_ids)
        reports: dict[int, list[str]] = {}
        for ab_id, path in self._session.execute(
            select(ReportRow.ab_id, ReportRow.path).where(ReportRow.ab_id.in_(ids))
        ):
            reports.setdefault(ab_id, []).append(path)
        runs = self._session.execute(
            select(QcRunRow.ab_id, QcRunRow.products_sha256).where(
                QcRunRow.ab_id.in_(ids), QcRunRow.failure == ""
            )
        )
        return {ab_id: (sha256, tuple(reports.get(ab_id, ()))) for ab_id, sha256 in runs}

    def seconds_per_mb(self, instrument: str) -> dict[str, float]:
        """Return how long QC took for each MB of products, of all releases, by task; medians."""
        sizes_mb = (
            select(ProductRow.ab_id, (func.sum(ProductRow.size_bytes) / 1e6).label("mb"))
            .group_by(ProductRow.ab_id)
            .having(func.sum(ProductRow.size_bytes) > 0)
            .subquery()
        )
        rate = func.percentile_cont(0.5).within_group(QcRunRow.wall_s / sizes_mb.c.mb)
        rows = self._session.execute(
            select(AbRow.task, rate)
            .join(QcRunRow, QcRunRow.ab_id == AbRow.id)
            .join(sizes_mb, sizes_mb.c.ab_id == AbRow.id)
            .where(AbRow.instrument == instrument, QcRunRow.failure == "")
            .group_by(AbRow.task)
        )
        return {task: float(median) for task, median in rows}

    def scores_of_batch(self, release: str, key: str, night: str | None = None) -> list[AbScores]:
        """Return how the ABs of a batch score, by match time; ABs without QC are left out."""
        query = (
            select(AbRow, QcRunRow)
            .join(QcRunRow)
            .join(BatchRow, AbRow.batch_id == BatchRow.id)
            .where(BatchRow.release == release, BatchRow.key == key)
            .order_by(AbRow.mjd_obs_mod, AbRow.name)
        )
        query = query.where(AbRow.night == night) if night else query
        found = self._session.execute(query).all()
        scores: dict[int, list[Score]] = {}
        rows = self._session.scalars(
            select(ScoreRow).where(ScoreRow.ab_id.in_([ab.id for ab, _ in found])).order_by(ScoreRow.id)
        )
        for row in rows:
            scores.setdefault(row.ab_id, []).append(_score(row))
        return [_ab_scores(ab, run, scores.get(ab.id, [])) for ab, run in found]

    def trend(self, instrument: str, parameter: str, release: str | None = None) -> list[TrendPoint]:
        """Return a parameter over time, earliest first."""
        query = (
            select(Qc1Row, ScoreRow, AbRow.release, AbRow.name)
            .join(AbRow, Qc1Row.ab_id == AbRow.id)
            .outerjoin(ScoreRow, (ScoreRow.ab_id == Qc1Row.ab_id) & (ScoreRow.parameter == Qc1Row.parameter))
            .where(Qc1Row.instrument == instrument, Qc1Row.parameter == parameter)
            .order_by(Qc1Row.mjd_obs, AbRow.release, AbRow.name)
        )
        query = query.where(AbRow.release == release) if release else query
        return [
            TrendPoint(
                qc1.mjd_obs,
                qc1.value,
                qc1.unit,
                Verdict(score.verdict) if score else Verdict.GREY,
                score.low if score else None,
                score.high if score else None,
                of_release,
                name,
            )
            for qc1, score, of_release, name in self._session.execute(query)
        ]

    def parameters(self, instrument: str) -> list[str]:
        """Return the names of all parameters an instrument has values of."""
        query = select(Qc1Row.parameter).where(Qc1Row.instrument == instrument).distinct()
        return sorted(self._session.scalars(query))

    def _insert(self, table: type, rows: list[dict[str, object]]) -> None:
        if rows:
            self._session.execute(insert(table), rows)


def _run(record: QcRecord) -> dict[str, object]:
    return {
        "ab_id": record.ab_id,
        "products_sha256": record.products_sha256,
        "measured_at": datetime.now(UTC),
        "wall_s": record.result.wall_s,
        "problems": [asdict(problem) for problem in record.result.problems],
        "failure": record.result.failure,
    }


def _score(row: ScoreRow) -> Score:
    return Score(row.parameter, row.value, Verdict(row.verdict), row.low, row.high, row.threshold_version)


def _ab_scores(ab: AbRow, run: QcRunRow, scores: Sequence[Score]) -> AbScores:
    return AbScores(
        ab=ab.name,
        night=ab.night,
        task=ab.task,
        greens=sum(score.verdict is Verdict.GREEN for score in scores),
        reds=tuple(score for score in scores if score.verdict is Verdict.RED),
        greys=sum(score.verdict is Verdict.GREY for score in scores),
        problems=len(run.problems),
        failure=run.failure,
    )
