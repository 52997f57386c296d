"""What a QC job costs beyond its measuring and drawing, and what a second worker brings.

Run ``python tests/bench/bench_qc.py [jobs [pictures]]``. Trivial jobs, which give ten values at once, tell
what the machinery costs: the bare workers, then a whole batch with its database. Realistic jobs measure and
draw ABs of UVES, of synthetic products, with one worker and with two, in turns. Where others use the machine
as well, the time workers wait for the machinery and the CPU a job takes tell more than the wall time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median
from unittest.mock import patch

from sqlalchemy import create_engine, text
from typer import echo

sys.path.insert(0, str(Path(__file__).parents[1]))

import phoenix.chain.qc as chain
from builders_qc import KEY, RELEASE, publish_abs
from phoenix.chain.qc_jobs import jobs_of, to_do
from phoenix.config.loader import Configuration
from phoenix.deployment.database import start_embedded, stop_embedded
from phoenix.instruments import load
from phoenix.qc.jobs import QcJob, run_job
from phoenix.qc.pool import Limits, run_all
from phoenix.store.database import Database
from qc_products import ProductFolder, ab_of, job_of, write_science
from quick_qc import import_nothing, trivial

JOBS, PICTURES, PASSES = 1000, 12, 3
LIMITS = Limits(timeout_s=600.0, memory_gb=2.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """What a job took, seconds, and how much of the time the workers were at work."""

    wall_s: float
    cpu_s: float
    busy: float


def pace(
    jobs: Sequence[QcJob], run: Callable[[QcJob], object], prepare: Callable[[], object], workers: int
) -> Pace:
    """Run jobs and measure from the first result to the last, so that the workers' start does not count."""
    first = last = worked = 0.0
    ended = 0
    before = getrusage(RUSAGE_CHILDREN)
    for some in run_all(jobs, run, workers=workers, limits=LIMITS, prepare=(prepare,)):
        for one in some:
            if one.failure:
                raise SystemExit(f"{one.job.ab.name}: {one.failure.reason}\n{one.failure.trace}")
            worked += one.wall_s if first else 0.0
        if some:
            last = time.perf_counter()
            first = first or last
            ended += len(some)
    after = getrusage(RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Of the jobs that ran when the first ended, half was before.
    worked -= (workers - 1) * worked / ended / 2
    return Pace((last - first) / (ended - 1), cpu_s / ended, worked / (last - first) / workers)


def speed_up(title: str, instrument: str, jobs: Sequence[QcJob]) -> None:
    """Tell what a realistic job takes with one worker, and how much faster two are."""
    prepare = partial(load, instrument, "qc")
    found: dict[int, list[Pace]] = {1: [], 2: []}
    for _ in range(PASSES):
        for workers, paces in found.items():
            paces.append(pace(jobs, run_job, prepare, workers))
    one, two = (min(paces, key=lambda one: one.wall_s) for paces in found.values())
    for workers, best in ((1, one), (2, two)):
        echo(
            f"{title}, {workers} workers: {best.wall_s * 1e3:.0f} ms a job, {best.cpu_s * 1e3:.0f} ms of CPU"
            f" with its share of the imports, workers busy {best.busy:.1%} of the time"
        )
    echo(
        f"{title}: two workers are {one.wall_s / two.wall_s:.2f} times as fast as one"
        f" (best of {PASSES}; load {os.getloadavg()[0]:.1f})"
    )


def overhead(database: Database, configuration: Configuration, count: int) -> None:
    """Tell what a trivial job costs, with and without the database."""
    publish_abs(database, configuration, count)
    with database.transaction() as session:
        abs_, _ = to_do(session, configuration, RELEASE, KEY)
        began = time.perf_counter()
        jobs, _ = jobs_of(configuration, "UVES", abs_)
        made = time.perf_counter() - began
    echo(f"{count} trivial jobs: {made / count * 1e3:.2f} ms to make a job of an AB")
    prepare = partial(import_nothing, "UVES", "qc")
    for workers in (1, 2):
        bare = [
            pace([one.job for one in jobs.values()], trivial, prepare, workers).wall_s for _ in range(PASSES)
        ]
        whole = []
        with patch.object(chain, "run_job", trivial), patch.object(chain, "load", import_nothing):
            for _ in range(PASSES):
                began = time.perf_counter()
                chain.qc_reports(database, configuration, RELEASE, KEY, workers=workers, again=True)
                whole.append((time.perf_counter() - began) / count)
        echo(
            f"{workers} workers: {median(bare) * 1e3:.2f} ms a job in the workers,"
            f" {median(whole) * 1e3:.2f} ms with ABs read, ten values saved and the workers' start"
        )


def main() -> None:
    count, pictures = (*map(int, sys.argv[1:3]), *(JOBS, PICTURES)[len(sys.argv) - 1 :])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        configuration = Configuration(root=folder / "var")
        server = start_embedded(folder / "pg", durable=True)
        url = f"postgresql+psycopg://postgres@/{{name}}?host={server.socket_folder}"
        with create_engine(url.format(name="postgres"), isolation_level="AUTOCOMMIT").connect() as admin:
            admin.execute(text("CREATE DATABASE bench"))
        database = Database(url.format(name="bench"))
        database.migrate()
        try:
            overhead(database, configuration, count)
        finally:
            database.close()
            stop_embedded(folder / "pg")
        products = ProductFolder(folder / "science")
        for chip in ("REDL", "REDU"):
            write_science(products, chip)
        abs_ = [ab_of("science", name=f"UVES.2019-03-04T02:00:{n:02d}.000_sci.ab") for n in range(pictures)]
        jobs = [
            replace(job_of(configuration, products, "science", ab), report_folder=str(folder / ab.stem))
            for ab in abs_
        ]
        speed_up("pictures of UVES", "UVES", jobs)


if __name__ == "__main__":
    main()
