"""Raw frames of one unit of MUSE through the real recipes, as a batch: bias, flat, pixel table."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from astropy.io import fits

from muse_frames import NIGHT, one_unit
from phoenix.chain.run import BatchRun, Step
from phoenix.config.loader import PROJECT, Configuration
from phoenix.simulation.muse.unit import UNIT, UNIT_LINES_A
from phoenix.store.database import Database

pytestmark = pytest.mark.engine

RELEASE = "MUSE_R"
TO_RECIPES = list(Step)[: list(Step).index(Step.RUN_RECIPES) + 1]


@pytest.fixture
def one_unit_alone(tmp_path: Path) -> Configuration:
    """The project's configuration with recipes of one unit, as the documentation tells."""
    folder = tmp_path / "config"
    shutil.copytree(PROJECT / "include" / "config", folder)
    file = folder / "instruments" / "muse.yaml"
    content = yaml.safe_load(file.read_text())
    for recipe in ("muse_bias", "muse_flat", "muse_scibasic"):
        content["recipes"][recipe] |= {"memory_gb": 2, "parameters": {"nifu": UNIT}}
    file.write_text(yaml.safe_dump(content))
    return Configuration(folder, tmp_path / "var")


def test_raw_frames_of_a_unit_become_a_pixel_table(database: Database, one_unit_alone: Configuration) -> None:
    science = f"{one_unit(one_unit_alone.root)[-1].stem}.ab"
    said: list[str] = []
    batch = BatchRun(database, one_unit_alone, RELEASE, NIGHT, "test", said.append, abs_=[science])
    report = batch.run(TO_RECIPES)
    assert report.outcomes == {
        "bias": {"ok": 1}, "flat": {"ok": 1}, "science": {"ok": 1}, "exposure": {"to do": 1},
    }, said  # fmt: skip
    folder = one_unit_alone.folders.products / RELEASE / NIGHT / science.removesuffix(".ab")
    with fits.open(folder / f"PIXTABLE_OBJECT_0001-{UNIT}.fits") as hdus:
        header = hdus[0].header
        wave_a, data = hdus["lambda"].data.ravel(), hdus["data"].data.ravel()
        # The columns our simulated pixel tables have.
        assert [hdu.name.lower() for hdu in hdus[1:8]] == [
            "xpos", "ypos", "lambda", "data", "dq", "stat", "origin",
        ]  # fmt: skip
    assert "ESO DPR CATG" not in header
    given = {header[key] for key in header if key.startswith("ESO PRO REC1 CAL") and key.endswith("CATG")}
    assert given == {"MASTER_BIAS", "MASTER_FLAT", "TRACE_TABLE", "WAVECAL_TABLE", "GEOMETRY_TABLE"}
    for line_a in UNIT_LINES_A:
        near = np.abs(wave_a - line_a) < 4.0
        light = np.clip(data[near] - np.median(data), 0.0, 1.0e4)
        assert np.average(wave_a[near], weights=light) == pytest.approx(line_a, abs=0.15)
