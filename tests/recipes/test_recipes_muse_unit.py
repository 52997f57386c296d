"""Raw frames of one unit of MUSE through the real recipes: bias, flat, pixel table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.config.loader import Configuration
from phoenix.config.site import Engine
from phoenix.execution.command import recipe_command
from phoenix.execution.container import INPUT, ContainerJob
from phoenix.execution.docker_engine import DockerRunner, recipe_user
from phoenix.execution.workfolder import WorkFolder, place
from phoenix.simulation.muse.unit import UNIT, UNIT_LINES_A, unit_frames

pytestmark = pytest.mark.engine


def reduce(folder: Path, recipe: str, frames: dict[str, list[Path]]) -> Path:
    """Run a recipe on one unit; return its output folder."""
    work = WorkFolder(folder)
    work.create(recipe_user())
    sof = ""
    for tag, paths in frames.items():
        for path in paths:
            place(path, work.input / path.name, recipe_user())
            sof += f"{INPUT}/{path.name} {tag}\n"
    (work.input / "job.sof").write_text(sof)
    said: list[str] = []
    with DockerRunner(Engine(), "test") as runner:
        job = ContainerJob(
            release=f"TEST_{folder.parent.name}",
            ab=f"{recipe}.ab",
            attempt=1,
            image=runner.image_id(Configuration().instrument("MUSE").pipeline.image),
            command=recipe_command(recipe, INPUT / "job.sof", {"nifu": str(UNIT)}),
            input_folder=work.input,
            output_folder=work.output,
            memory_gb=1.0,
            cpus=1.0,
            timeout_s=120.0,
        )
        end = runner.run(job, said.append, lambda: False)
    assert end.exit_code == 0, "\n".join(said)
    return work.output


def test_raw_frames_of_a_unit_become_a_pixel_table(tmp_path: Path) -> None:
    frames = unit_frames(tmp_path / "raw", seed=1)
    made = reduce(tmp_path / "bias", "muse_bias", {"BIAS": frames["BIAS"]})
    bias = {"MASTER_BIAS": [made / f"MASTER_BIAS-{UNIT}.fits"]}
    made = reduce(tmp_path / "flat", "muse_flat", {"FLAT": frames["FLAT"], **bias})
    calibrations = {name: [made / f"{name}-{UNIT}.fits"] for name in ("MASTER_FLAT", "TRACE_TABLE")}
    tables = {name: frames[name] for name in ("WAVECAL_TABLE", "GEOMETRY_TABLE")}
    inputs = {"OBJECT": frames["OBJECT"], **bias, **calibrations, **tables}
    made = reduce(tmp_path / "science", "muse_scibasic", inputs)
    with fits.open(made / f"PIXTABLE_OBJECT_0001-{UNIT}.fits") as hdus:
        wave_a, data = hdus["lambda"].data.ravel(), hdus["data"].data.ravel()
        assert "ESO DPR CATG" not in hdus[0].header
        # The columns our simulated pixel tables have.
        assert [hdu.name.lower() for hdu in hdus[1:8]] == [
            "xpos", "ypos", "lambda", "data", "dq", "stat", "origin",
        ]  # fmt: skip
    for line_a in UNIT_LINES_A:
        near = np.abs(wave_a - line_a) < 4.0
        light = np.clip(data[near] - np.median(data), 0.0, 1.0e4)
        assert np.average(wave_a[near], weights=light) == pytest.approx(line_a, abs=0.15)
