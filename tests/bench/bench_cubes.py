"""Throughput and memory of a large cube through conversion, checks and ingestion.

Run ``python tests/bench/bench_cubes.py [GB]`` (default 3); it needs four times that in the temporary folder.
Each step runs in a process of its own. Memory is the peak of the process, file pages included, fitsverify
not: that is a process of its own, with a limit of 2 GB.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from typer import echo

sys.path.insert(0, str(Path(__file__).parents[1]))

from cube_steps import run_step

#: A field of one arcminute and some, as MUSE's cubes have it.
COLUMNS, ROWS = 330, 320
LIMIT_MB = 1000


def main() -> None:
    size_gb = float(sys.argv[1]) if len(sys.argv) > 1 else 3.0
    planes = round(size_gb * 1e9 / (COLUMNS * ROWS * 8))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run_step("make", folder, COLUMNS, ROWS, planes)
        echo(f"{'step':12}{'s':>8}{'MB/s':>8}{'peak MB':>9}")
        for step in ("convert", "check", "ingest"):
            measured = run_step(step, folder)
            rate = measured["bytes"] / 1e6 / measured["seconds"]
            echo(f"{step:12}{measured['seconds']:8.1f}{rate:8.0f}{measured['peak_mb']:9.0f}")
            if measured["peak_mb"] > LIMIT_MB:
                raise SystemExit(f"{step} took more than {LIMIT_MB} MB")


if __name__ == "__main__":
    main()
