"""One QC job: measure, score and draw one AB. A job and its result travel between processes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from phoenix.config.qc import TaskQc
from phoenix.errors import InfrastructureError
from phoenix.model.ab import AssociationBlock
from phoenix.model.frame import Value
from phoenix.model.product import Product
from phoenix.model.score import Qc1Value, Score
from phoenix.qc.measure import Problem, measure_all, problem_of
from phoenix.qc.pictures.look import png
from phoenix.qc.products import Products
from phoenix.qc.registry import Source, find_report
from phoenix.qc.score import score_all
from phoenix.qc.scorecard import Scorecard, scorecard
from phoenix.store.files import write_atomically


@dataclass(frozen=True, slots=True)
class QcJob:
    """All that is needed to measure, score and report an AB, without a database.

    Attributes
    ----------
    qc
        Parameters and report of the AB's task.
    threshold_version
        Kept in each score.
    words
        Values of the words in product names: ``{"chip": ("BLUE", "REDL", "REDU")}``.
    setting
        The AB's setting by alias, for the conditions of thresholds.
    report_folder
        Where pictures are written, as ``<stem>_<kind>.png``.
    """

    ab: AssociationBlock
    products: tuple[Product, ...]
    qc: TaskQc
    threshold_version: str
    words: Mapping[str, tuple[str, ...]]
    setting: Mapping[str, Value]
    report_folder: str


@dataclass(frozen=True, slots=True)
class QcResult:
    """What a job found.

    Attributes
    ----------
    reports
        (kind, path) of each picture.
    problems
        What could not be measured or drawn; the rest is good all the same.
    """

    values: tuple[Qc1Value, ...] = ()
    scores: tuple[Score, ...] = ()
    reports: tuple[tuple[str, str], ...] = ()
    problems: tuple[Problem, ...] = ()
    wall_s: float = 0.0


def run_job(job: QcJob) -> QcResult:
    """Measure, score and draw one AB.

    Raises
    ------
    InfrastructureError
        If a picture cannot be written, e.g. because the disk is full.
    """
    started = time.monotonic()
    with closing(Products(job.products, job.words, job.ab.expected)) as products:
        source = Source(job.ab, products)
        measured, problems = measure_all(source, job.qc.parameters)
        scores = score_all(measured, job.setting, job.threshold_version)
        reports, undrawn = _draw(job, source, scorecard(measured, scores, problems))
    return QcResult(
        values=tuple(one.qc1 for one in measured),
        scores=scores,
        reports=reports,
        problems=(*problems, *undrawn),
        wall_s=time.monotonic() - started,
    )


def _draw(
    job: QcJob, source: Source, card: Scorecard
) -> tuple[tuple[tuple[str, str], ...], tuple[Problem, ...]]:
    """Draw and write the pictures one after the other; the first that fails ends the report of this AB."""
    if job.qc.report is None:
        return (), ()
    reports: list[tuple[str, str]] = []
    try:
        for kind, picture in find_report(job.qc.report)(source, card):
            path = Path(job.report_folder) / f"{job.ab.stem}_{kind}.png"
            write_atomically(path, png(picture.figure()))
            reports.append((kind, str(path)))
    except InfrastructureError:
        raise
    except Exception as error:
        return tuple(reports), (problem_of(f"report {job.qc.report}", error),)
    return tuple(reports), ()
