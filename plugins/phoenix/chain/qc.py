"""QC of a batch: measures, scores and reports what has products and no QC of them yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from phoenix.config.loader import Configuration
from phoenix.config.rules import Rules
from phoenix.errors import PhoenixError
from phoenix.instruments import load
from phoenix.model.ab import AssociationBlock, Tree
from phoenix.model.outcome import Outcome
from phoenix.model.product import Product
from phoenix.model.score import QcProblem, QcResult, Verdict
from phoenix.qc.jobs import QcJob, run_job
from phoenix.qc.pool import Ended, run_all
from phoenix.store.ab_trees import AbTrees
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.qc import QcRecord, QcRepository, products_sha256
from phoenix.store.tables import AbRow

#: These have products worth measuring.
_GOOD = [Outcome.OK.value, Outcome.CAVEATS.value]
#: A worker needs a second to start, a job half a second: fewer jobs than this do not pay for another one.
_JOBS_PER_WORKER = 4


@dataclass(frozen=True, slots=True)
class QcProgress:
    """How far the QC jobs have come."""

    done: int
    total: int
    failed: int
    ab: str


@dataclass(frozen=True, slots=True)
class QcReport:
    """What the QC of a batch came to, in ABs.

    Attributes
    ----------
    reds
        ``<AB>: <parameter>`` of each red score made now.
    failures
        One message for each AB whose QC failed as a whole; they are tried again by the next call.
    """

    measured: int = 0
    unchanged: int = 0
    problems: int = 0
    reds: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()

    @property
    def clean(self) -> bool:
        """Whether every AB has its QC; reds inform and do not count here."""
        return not self.failures

    def __str__(self) -> str:
        counts = (
            f"{self.measured} ABs measured, {self.unchanged} unchanged, {len(self.reds)} red scores, "
            f"{self.problems} parameters or pictures not made, {len(self.failures)} ABs failed"
        )
        return "\n".join([counts, *(f"red: {red}" for red in self.reds), *self.failures])


def qc_reports(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str,
    night: str | None = None,
    *,
    workers: int | None = None,
    again: bool = False,
    progress: Callable[[QcProgress], None] = lambda _: None,
) -> QcReport:
    """Measure, score and report the ABs of a batch, or of one night of it, that have no QC of their products.

    Parameters
    ----------
    workers : int, optional
        Worker processes; by default as many as the host has slots and the jobs pay for.
    again : bool
        Do it for all ABs with products, e.g. after thresholds have changed.
    progress : callable
        Told after each AB.

    Raises
    ------
    UsageError
        If the batch was never opened.
    InfrastructureError
        If database or disk are not there.
    """
    stream = configuration.release(release)
    jobs, refused, unchanged = _jobs(database, configuration, release, key, night, again)
    slots = min(configuration.host.slots, max(1, len(jobs) // _JOBS_PER_WORKER))
    reds, problems, failures = [], 0, list(refused)
    ended = run_all(
        [job for _, job in jobs],
        run_job,
        workers=workers or slots,
        timeout_s=configuration.qc(stream.instrument).timeout.total_seconds(),
        prepare=(partial(load, stream.instrument, "qc"),),
    )
    row_of = {job.ab.name: ab_id for ab_id, job in jobs}
    for number, one in enumerate(ended, start=1):
        result, name = _result(one), one.job.ab.name
        with database.transaction() as session:
            QcRepository(session).save([_record(row_of[name], one.job, result)])
        problems += len(result.problems)
        reds += [f"{name}: {score.parameter}" for score in result.scores if score.verdict is Verdict.RED]
        if result.failure:
            failures.append(f"{name}: QC failed: {result.failure}")
        progress(QcProgress(number, len(jobs), len(failures), name))
    if failures:
        with database.transaction() as session:
            BatchRepository(session).note_problems(release, key, failures)
    measured = len(jobs) - (len(failures) - len(refused))
    return QcReport(measured, unchanged, problems, tuple(reds), tuple(failures))


def _jobs(
    database: Database, configuration: Configuration, release: str, key: str, night: str | None, again: bool
) -> tuple[list[tuple[int, QcJob]], list[str], int]:
    """Return the jobs with the numbers of their AB rows, what cannot be a job, and how many need none."""
    jobs: list[tuple[int, QcJob]] = []
    refused, unchanged = [], 0
    with database.transaction() as session:
        rows = _rows(session, release, key, night)
        done = {} if again else QcRepository(session).done(row.id for row in rows)
        for row in rows:
            products = tuple(Product(p.path, p.pro_catg, p.size_bytes, p.sha256) for p in row.products)
            if row.id in done and _still_holds(*done[row.id], products):
                unchanged += 1
                continue
            if row.task not in configuration.qc(row.instrument).tasks:
                continue
            try:
                jobs.append((row.id, _job(configuration, row, products)))
            except PhoenixError as error:
                refused.append(f"{row.name}: {error}")
    return jobs, refused, unchanged


def _rows(session: Session, release: str, key: str, night: str | None) -> list[AbRow]:
    batch = BatchRepository(session).find(release, key)
    query = select(AbRow).where(AbRow.batch_id == batch.id, AbRow.exclusion == "", AbRow.outcome.in_(_GOOD))
    query = query.where(AbRow.night == night) if night else query
    return list(session.scalars(query.order_by(AbRow.mjd_obs_mod, AbRow.name)))


def _still_holds(sha256: str, reports: Iterable[str], products: tuple[Product, ...]) -> bool:
    """Whether a QC is of these products and its pictures are still there."""
    return sha256 == products_sha256(products) and all(Path(path).is_file() for path in reports)


def _job(configuration: Configuration, row: AbRow, products: tuple[Product, ...]) -> QcJob:
    qc = configuration.qc(row.instrument)
    trees = AbTrees(configuration.folders)
    ab = trees.load(row.release, Tree(row.tree), row.night, row.name, row.text_sha256).ab
    return QcJob(
        ab=ab,
        products=products,
        qc=qc.tasks[row.task],
        threshold_version=qc.version,
        words=words_of_rules(configuration.rules(row.instrument)),
        report_folder=str(configuration.folders.report_of(ab)),
    )


def words_of_rules(rules: Rules) -> dict[str, tuple[str, ...]]:
    """Return what each ``{word}`` of a product name can be: values of splits and of classification tags."""
    words = {
        name: list(dict.fromkeys(value for values in split.values.values() for value in values))
        for name, split in rules.splits.items()
    }
    for classification in rules.classification:
        for name, value in classification.tags.items():
            if value not in words.setdefault(name, []):
                words[name].append(value)
    return {name: tuple(values) for name, values in words.items()}


def _result(ended: Ended[QcJob, QcResult]) -> QcResult:
    if ended.failure is None and ended.result is not None:
        return ended.result
    reason, trace = (ended.failure.reason, ended.failure.trace) if ended.failure else ("no result", "")
    return QcResult(problems=(QcProblem("QC job", reason, trace),), failure=reason)


def _record(ab_id: int, job: QcJob, result: QcResult) -> QcRecord:
    ab: AssociationBlock = job.ab
    return QcRecord(ab_id, ab.instrument, ab.task, ab.mjd_obs, products_sha256(job.products), result)
