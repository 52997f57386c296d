"""A cube passes conversion, checks and ingestion in a memory that does not depend on its size."""

from __future__ import annotations

import pytest

from cube_steps import run_step

#: 2 x 100 MB, and what a step may take beside its imports.
COLUMNS, ROWS, PLANES = 500, 500, 100
LIMIT_MB = 90


@pytest.fixture(scope="module")
def measured(tmp_path_factory) -> dict[str, dict[str, float]]:
    folder = tmp_path_factory.mktemp("large")
    run_step("make", folder, COLUMNS, ROWS, PLANES)
    return {step: run_step(step, folder) for step in ("convert", "check", "ingest")}


@pytest.mark.parametrize("step", ["convert", "check", "ingest"])
def test_a_cube_is_never_held_whole(measured, step):
    assert measured[step]["bytes"] > 2e8
    assert measured[step]["above_mb"] < LIMIT_MB
