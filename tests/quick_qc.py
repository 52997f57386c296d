"""QC jobs that need no products and no time: stand-ins where the machinery is tested."""

from __future__ import annotations

import time
from pathlib import Path

from phoenix.model.score import Qc1Value, QcResult, Score, Verdict
from phoenix.qc.jobs import QcJob, clear_leftovers
from phoenix.store.files import write_atomically

STEP_S = 0.01


def import_nothing(instrument: str, step: str) -> None:
    """Take the place of an instrument's imports."""


def draw(job: QcJob) -> QcResult:
    """Give what follows from the AB alone: two pictures, two values, a score; every seventh AB fails."""
    number = round(job.ab.mjd_obs * 86400)
    reports = []
    clear_leftovers(Path(job.report_folder))
    for kind in ("page", "spectrum"):
        time.sleep(STEP_S)
        path = Path(job.report_folder) / f"{job.ab.stem}_{kind}.png"
        write_atomically(path, f"{job.ab.name} {kind}\n".encode() * 500)
        reports.append((kind, str(path)))
    if number % 7 == 0:
        raise ValueError(f"no fibre in {job.ab.name}")
    values = (Qc1Value("number", number, ""), Qc1Value("length", len(job.ab.name), "letters"))
    score = Score("number", number, Verdict(number % 2), 0.0, None, job.threshold_version)
    return QcResult(values, (score,), tuple(reports))


def trivial(job: QcJob) -> QcResult:
    """Give ten values at once."""
    return QcResult(tuple(Qc1Value(f"value_{item:02d}", item, "") for item in range(10)))
