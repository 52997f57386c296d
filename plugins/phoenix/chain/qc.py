"""QC of a batch: measures, scores and reports what has products and no QC of them yet."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from phoenix.chain.qc_jobs import expected, jobs_of, to_do
from phoenix.chain.resources import core_if_free
from phoenix.config.hosts import serving
from phoenix.config.loader import Configuration
from phoenix.errors import InfrastructureError
from phoenix.instruments import load
from phoenix.model.lot import Job
from phoenix.model.score import QcProblem, QcResult, Verdict
from phoenix.qc.jobs import QcJob, run_job
from phoenix.qc.pool import Ended, Limits, run_all
from phoenix.qc.shards import longest_first, shards, workers_for
from phoenix.store.batches import BatchRepository
from phoenix.store.database import Database
from phoenix.store.qc import QcRecord, QcRepository, products_sha256
from phoenix.store.qc_progress import WHOLE, QcProgress, forget_progress, write_progress

#: What a crash may cost: results of a second, or of so many ABs.
_UNSAVED_S, _UNSAVED_ABS = 1.0, 200
#: How often the progress is written for pages.
_PROGRESS_S = 5.0
#: Reds and failures a report tells one by one.
_MOST_LINES = 50


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
        reds = [f"red: {red}" for red in self.reds]
        return "\n".join([counts, *_shortened(reds), *_shortened(self.failures)])


def _shortened(lines: Sequence[str]) -> list[str]:
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"and {more} more: phoenix qc score tells all"] if more > 0 else [])]


def qc_shards(database: Database, configuration: Configuration, release: str, key: str) -> list[list[str]]:
    """Return the ABs of a batch that have no QC of their products, for each host of the release's queue.

    Raises
    ------
    UsageError
        If the batch was never opened.
    """
    stream = configuration.release(release)
    with database.transaction() as session:
        abs_, _ = to_do(session, configuration, release, key)
        jobs = expected(session, stream.instrument, abs_)
    forget_progress(configuration.folders, release, key)
    hosts = serving(configuration.site, stream).hosts
    return [[job.name for job in part] for part in shards(jobs, [host.slots for host in hosts])]


def qc_reports(
    database: Database,
    configuration: Configuration,
    release: str,
    key: str,
    night: str | None = None,
    *,
    names: Collection[str] | None = None,
    part: str = "",
    workers: int | None = None,
    again: bool = False,
    progress: Callable[[QcProgress], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> QcReport:
    """Measure, score and report the ABs of a batch, or of a part of it, that have no QC of their products.

    Jobs run in worker processes, the longest first, each on a core of this host that nobody else uses.
    Results are saved within a second; a call after a crash does what is missing.

    Parameters
    ----------
    names : collection of str, optional
        Only these ABs.
    part : str, optional
        Under what name the progress is stored; default: the night, or the batch as a whole.
    workers : int, optional
        Most worker processes; default: the host's slots, as far as the jobs pay for them.
    again : bool
        Do it for all ABs with products, e.g. after thresholds have changed.
    progress : callable
        Told after each AB.
    should_stop : callable
        Asked at least once a second.

    Raises
    ------
    UsageError
        If the batch was never opened.
    InfrastructureError
        If database or disk are not there, or it was stopped; what had ended is saved.
    """
    instrument = configuration.release(release).instrument
    qc = configuration.qc(instrument)
    with database.transaction() as session:
        abs_, unchanged = to_do(session, configuration, release, key, night, names, again=again)
        jobs = longest_first(expected(session, instrument, abs_))
        job_of, refused = jobs_of(configuration, instrument, abs_)
    jobs = [job for job in jobs if job.name in job_of]
    run = _Run(database, configuration, (release, key, part or night or WHOLE), jobs, progress)
    running = run_all(
        [job_of[job.name].job for job in jobs],
        run_job,
        workers=workers or workers_for(jobs, configuration.host.slots),
        limits=Limits(qc.timeout.total_seconds(), qc.memory_gb),
        prepare=(partial(load, instrument, "qc"),),
        seat=partial(core_if_free, configuration, qc.memory_gb),
        round_s=_UNSAVED_S,
    )
    try:
        for ended in running:
            for one in ended:
                run.take(job_of[one.job.ab.name].ab_id, one)
            run.save()
            if should_stop():
                raise InfrastructureError(f"QC of {release} {key}", f"stopped: {run.progress()}")
    finally:
        running.close()
        run.save(everything=True)
    failures = [*refused, *run.failures]
    if failures:
        with database.transaction() as session:
            BatchRepository(session).note_problems(release, key, failures)
    measured = len(jobs) - len(run.failures)
    return QcReport(measured, unchanged, run.problems, tuple(run.reds), tuple(failures))


@dataclass
class _Run:
    """What has come of the jobs so far, and what of it is saved.

    Parameters
    ----------
    name : tuple of str
        Release, key, and part of the batch.
    """

    database: Database
    configuration: Configuration
    name: tuple[str, str, str]
    jobs: Sequence[Job]
    tell: Callable[[QcProgress], None]
    problems: int = 0
    reds: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._expected_s = {job.name: job.seconds or 0.0 for job in self.jobs}
        self._left_s = sum(self._expected_s.values())
        self._all_s = self._left_s
        self._done = 0
        self._latest = ""
        self._unsaved: list[QcRecord] = []
        self._started_at = datetime.now(UTC)
        self._started = self._saved = time.monotonic()
        self._shown = float("-inf")

    def take(self, ab_id: int, ended: Ended[QcJob, QcResult]) -> None:
        """Take what became of a job."""
        result, name = _result(ended), ended.job.ab.name
        self._unsaved.append(_record(ab_id, ended.job, result))
        self._done += 1
        self._left_s -= self._expected_s[name]
        self._latest = name
        self.problems += len(result.problems)
        self.reds += [f"{name}: {score.parameter}" for score in result.scores if score.verdict is Verdict.RED]
        if result.failure:
            self.failures.append(f"{name}: QC failed: {result.failure}")
        self.tell(self.progress())

    def progress(self, *, ended: bool = False) -> QcProgress:
        """Return how far it is; the time left by the work that is left, for the long jobs are done first."""
        now, worked_s = time.monotonic(), self._all_s - self._left_s
        left_s = (now - self._started) * self._left_s / worked_s if worked_s > 0 else None
        return QcProgress(
            part=self.name[2],
            done=self._done,
            total=len(self.jobs),
            failed=len(self.failures),
            ab=self._latest,
            eta_s=None if left_s is None else max(0.0, left_s),
            started_at=self._started_at,
            updated_at=datetime.now(UTC),
            ended=ended,
        )

    def save(self, *, everything: bool = False) -> None:
        """Save results when it is time: one transaction for all of a second, or for many ABs."""
        if not self.jobs:  # what an earlier run told stands
            return
        now = time.monotonic()
        due = now - self._saved >= _UNSAVED_S or len(self._unsaved) >= _UNSAVED_ABS
        if self._unsaved and (due or everything):
            with self.database.transaction() as session:
                QcRepository(session).save(self._unsaved)
            self._unsaved, self._saved = [], now
        if everything or now - self._shown >= _PROGRESS_S:
            release, key, _ = self.name
            write_progress(self.configuration.folders, release, key, self.progress(ended=everything))
            self._shown = now


def _result(ended: Ended[QcJob, QcResult]) -> QcResult:
    if ended.failure is None and ended.result is not None:
        return ended.result
    reason, trace = (ended.failure.reason, ended.failure.trace) if ended.failure else ("no result", "")
    return QcResult(problems=(QcProblem("QC job", reason, trace),), wall_s=ended.wall_s, failure=reason)


def _record(ab_id: int, job: QcJob, result: QcResult) -> QcRecord:
    ab = job.ab
    return QcRecord(ab_id, ab.instrument, ab.task, ab.mjd_obs, products_sha256(job.products), result)
