"""Seconds the QC of a GIRAFFE raw frame of 100 fibres takes: all measurements, 101 pages written to disk.

Run ``python tests/bench/bench_qc_giraffe.py``; it writes synthetic products of the real size (2901 bins, a
raw frame of 2148 x 4096 pixels) to a temporary folder. Workers are the pool's own processes, warm: each has
drawn a small frame before. The last line is computed from the others; ESO's pages show other things.
"""

from __future__ import annotations

import sys
import tempfile
import time
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from typer import echo

import qc_products_giraffe as giraffe
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.qc.jobs import QcJob, run_job
from phoenix.qc.pool import Limits, run_all

FIBRES, BINS, ROWS, COLUMNS = 100, 2901, 4096, 2148
PASSES = 3
PREPARE = (partial(load, "GIRAFFE", "qc"),)
#: A busy month.
RAW_FRAMES, FIBRES_OF_A_MONTH = 100, 10_000


def jobs(folder: Path, count: int, **changes: int) -> list[QcJob]:
    """Return jobs of frames with products of their own."""
    configuration = Configuration(root=folder / "var")
    found = []
    for number in range(count):
        scene = giraffe.Scene(science=changes.get("fibres", FIBRES), sky=4, seed=number)
        products = giraffe.write_exposure(folder / f"{len(list(folder.iterdir()))}", scene)
        found.append(giraffe.job_of(configuration, "science", products))
    return found


def seconds(todo: list[QcJob], warm: list[QcJob], workers: int) -> float:
    """Return the wall time of jobs from the first warm worker on, best of some passes."""
    best = float("inf")
    for _ in range(PASSES):
        started = None
        rounds = run_all(
            [*warm[:workers], *todo], run_job, workers=workers, limits=Limits(600.0), prepare=PREPARE
        )
        for ended in rounds:
            if failures := [one.failure.reason for one in ended if one.failure is not None]:
                raise SystemExit(failures[0])
            if ended and started is None:
                started = time.perf_counter()
        best = min(best, time.perf_counter() - (started or 0.0))
    return best


def in_this_process(job: QcJob) -> tuple[int, float, float]:
    """Return pages, wall and CPU time of a job, the pass with the least CPU: others may share the machine."""
    passes = []
    for _ in range(PASSES + 1):
        wall, cpu = time.perf_counter(), time.process_time()
        pages = len(run_job(job).reports)
        passes.append((time.process_time() - cpu, time.perf_counter() - wall, pages))
    cpu, wall, pages = min(passes)
    return pages, wall, cpu


def main() -> None:
    """Measure and print."""
    giraffe.BINS, giraffe.ROWS, giraffe.COLUMNS, giraffe.PITCH = BINS, ROWS, COLUMNS, 19
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        frames = jobs(folder, 2)
        warm = jobs(folder, 2, fibres=2)
        pages, wall, cpu = in_this_process(frames[0])
        one = seconds(frames, warm, 1)
        two = seconds(frames, warm, 2)
    echo(
        f"one raw frame, {FIBRES} fibres, {pages} pages, in this process: {wall:.1f} s, of these "
        f"{cpu:.1f} s of CPU ({1000 * cpu / pages:.0f} ms a page)"
    )
    echo(f"two raw frames in 1 worker: {one:.1f} s; in 2 workers: {two:.1f} s; speed-up {one / two:.2f}")
    month = two / 2 * RAW_FRAMES / 60
    echo(f"computed: a month of {RAW_FRAMES} raw frames, {FIBRES_OF_A_MONTH} fibres: {month:.1f} minutes")


if __name__ == "__main__":
    load("GIRAFFE", "qc")
    main()
