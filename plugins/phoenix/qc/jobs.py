"""One QC job: measure, score and draw one AB. A job and its result travel between processes.

The heavy imports are where the work is done: who only hands out jobs does not pay for them.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.config.qc import TaskQc
from phoenix.errors import InfrastructureError
from phoenix.model.ab import AssociationBlock
from phoenix.model.product import Product
from phoenix.model.score import QcProblem, QcResult
from phoenix.store.files import write_atomically

if TYPE_CHECKING:
    from phoenix.qc.registry import Source
    from phoenix.qc.scorecard import Scorecard


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
    report_folder
        Where pictures are written, as ``<stem>_<kind>.png``.
    """

    ab: AssociationBlock
    products: tuple[Product, ...]
    qc: TaskQc
    threshold_version: str
    words: Mapping[str, tuple[str, ...]]
    report_folder: str


def run_job(job: QcJob) -> QcResult:
    """Measure, score and draw one AB.

    Raises
    ------
    InfrastructureError
        If a picture cannot be written, e.g. because the disk is full.
    """
    from phoenix.qc.measure import measure_all
    from phoenix.qc.products import Products
    from phoenix.qc.registry import Source
    from phoenix.qc.score import score_all
    from phoenix.qc.scorecard import scorecard

    started = time.monotonic()
    with closing(Products(job.products, job.words, job.ab.expected)) as products:
        source = Source(job.ab, products)
        measured, problems = measure_all(source, job.qc.parameters)
        scores = score_all(measured, job.ab.setting, job.threshold_version)
        result = QcResult(tuple(one.qc1 for one in measured), scores, (), problems)
        result = _draw(job, source, scorecard(measured, scores, problems, job.qc.parameters), result)
    return replace(result, wall_s=time.monotonic() - started)


def _draw(job: QcJob, source: Source, card: Scorecard, result: QcResult) -> QcResult:
    """Draw and write the pictures one after the other; the first that fails ends the report of this AB."""
    from phoenix.qc.measure import problem_of
    from phoenix.qc.registry import find_report

    if job.qc.report is None:
        return result
    clear_leftovers(Path(job.report_folder))
    reports: list[tuple[str, str]] = []
    problems: list[QcProblem] = []
    try:
        for kind, picture in find_report(job.qc.report)(source, card):
            path = Path(job.report_folder) / f"{job.ab.stem}_{kind}.png"
            write_atomically(path, picture.png())
            reports.append((kind, str(path)))
    except (InfrastructureError, MemoryError):
        raise
    except Exception as error:
        problems.append(problem_of(f"report {job.qc.report}", error))
    return replace(result, reports=tuple(reports), problems=(*result.problems, *problems))


def clear_leftovers(folder: Path) -> None:
    """Remove what a killed worker had begun to write into the folder of an AB."""
    for leftover in folder.glob(".*.tmp"):
        leftover.unlink(missing_ok=True)
