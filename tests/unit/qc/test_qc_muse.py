"""MUSE QC against cubes of known truth: numbers, score bits at their limits, pages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import qc_products_muse as truth
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.score import QcResult
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.jobs import run_job
from phoenix.qc.registry import find_measurement, find_report
from qc_products_muse import (
    Scene,
    job_of,
    without_report,
    write_alignment,
    write_combination,
    write_exposure,
    write_masters,
)

load("MUSE", "qc")


def numbers(result: QcResult) -> dict[str, float]:
    return {value.parameter: value.value for value in result.values}


def measured(configuration: Configuration, folder: Path, task: str = "exposure") -> QcResult:
    return run_job(without_report(job_of(configuration, task, folder)))


def bits(configuration: Configuration, result: QcResult, task: str = "exposure") -> str:
    return bit_string(score_bits(configuration.qc("MUSE").tasks[task].parameters, result.scores))


def test_numbers_of_a_cube(configuration: Configuration, tmp_path: Path) -> None:
    scene = Scene(background=5.0, residual=60.0, saturated=(7, 5), shifts=(0.2, -0.3))
    result = measured(configuration, write_exposure(tmp_path, scene))
    assert result.problems == ()
    found = numbers(result)
    white_noise = truth.NOISE * np.sqrt(1 + 0.05 * (truth.LINE_FACTOR**2 - 1)) / np.sqrt(truth.PLANES)
    assert found["sources"] == len(truth.STARS)
    assert found["fwhm_brightest"] == pytest.approx(truth.FWHM_ARCSEC, rel=0.01)
    assert found["histo_bkg"] == pytest.approx(5.0 + 60.0 * 0.05, abs=0.2 * white_noise)
    assert found["sky_lines"] == pytest.approx(65.0, abs=5)
    assert found["sky_between"] == pytest.approx(5.0, abs=1)
    assert found["sky_residual"] == pytest.approx(65.0 / (truth.NOISE * truth.LINE_FACTOR), abs=0.05)
    assert found["noise_ratio"] == pytest.approx(1.0, abs=0.03)
    assert found["abmaglim"] == 23.5
    assert (found["num_sat"], found["lshift_max"], found["arc_close"]) == (12, pytest.approx(0.3), 0.5)


def test_what_is_read_does_not_depend_on_the_slabs(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_exposure(tmp_path, Scene(residual=60.0))
    whole = numbers(measured(configuration, folder))
    monkeypatch.setattr("phoenix.instruments.muse.qc_cube._SLAB_BYTES", 7 * 4 * truth.ROWS * truth.COLUMNS)
    assert numbers(measured(configuration, folder)) == pytest.approx(whole)


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (Scene(), "000000000"),
        (Scene(log="[WARNING] muse_scipost: no sky lines\n"), "100000000"),
        (Scene(log="[ ERROR ] muse_scipost: Sky fit failed\n"), "100000000"),
        (Scene(log="[WARNING] muse_scipost: no standard star\n"), "000000000"),
        (Scene(log=None), "-00000000"),
        (Scene(dpr_type="SKY"), "010000000"),
        (Scene(dedicated_sky=False), "001000000"),
        (Scene(dpr_type="SKY", dedicated_sky=False), "011000000"),
        (Scene(mjd_obs=59278.0, arc_mjd_obs=59279.5), "000000000"),
        (Scene(mjd_obs=59278.0, arc_mjd_obs=59276.49), "000100000"),
        (Scene(arc_mjd_obs=None), "000-00000"),
        (Scene(twilight=False), "000010000"),
        (Scene(saturated=(150, 149)), "000000000"),
        (Scene(saturated=(150, 150)), "000001000"),
        (Scene(saturated=None), "00000-000"),
        (Scene(sources=0), "000000100"),
        (Scene(sources=None), "000000-00"),
        (Scene(background=-18.0), "000000000"),
        (Scene(background=-22.0), "000000010"),
        (Scene(unit="count"), "0000000-0"),
        (Scene(shifts=(0.49, -0.49)), "000000000"),
        (Scene(shifts=(0.0, -0.5)), "000000001"),
        (Scene(shifts=None), "00000000-"),
        (Scene(basic=False), "000--0000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bits_at_their_limits(
    configuration: Configuration, tmp_path: Path, scene: Scene, expected: str
) -> None:
    assert bits(configuration, measured(configuration, write_exposure(tmp_path, scene))) == expected


def test_stored_tables_tell_their_calibrations_by_the_header(
    configuration: Configuration, tmp_path: Path
) -> None:
    folder = write_exposure(tmp_path, Scene(basic=False))
    for table in (tmp_path / "basic").glob("*.fits"):
        with fits.open(table, mode="update") as hdus:
            hdus[0].header["HIERARCH ESO PRO REC1 ID"] = "muse_scibasic"
            hdus[0].header["HIERARCH ESO PRO REC1 CAL1 CATG"] = "TWILIGHT_CUBE"
    assert bits(configuration, measured(configuration, folder, "exposure_stored")) == "000-00000"


def test_without_the_run_record_only_the_cube_speaks(configuration: Configuration, tmp_path: Path) -> None:
    folder = write_exposure(tmp_path, Scene())
    (folder / "verdict.json").unlink()
    result = measured(configuration, folder)
    assert bits(configuration, result) == "------00-"
    told = {problem.subject for problem in result.problems if problem.scored}
    assert told == {"check_bkg", "is_obj", "has_sky", "arc_close", "sky_flat", "num_sat", "lshift_max"}


@pytest.mark.parametrize(
    ("offset_deg", "unmatched", "digit"),
    [(5.9e-5, 0, "0"), (6e-5, 0, "1"), (-6.1e-5, 0, "1"), (1e-5, 1, "1"), (None, 0, "1"), (1e-5, None, "-")],
)
def test_alignment_bit_at_its_limits(
    configuration: Configuration,
    tmp_path: Path,
    offset_deg: float | None,
    unmatched: int | None,
    digit: str,
) -> None:
    exposures = [write_exposure(tmp_path / name, Scene()) for name in "ab"]
    folder = write_combination(tmp_path / "comb", exposures, Scene(), offset_deg, unmatched)
    assert bits(configuration, measured(configuration, folder, "combine"), "combine") == f"000000000{digit}0"


def test_a_combination_is_as_bad_as_its_worst_exposure(configuration: Configuration, tmp_path: Path) -> None:
    worse = Scene(
        saturated=(400, 0),
        shifts=(0.0, 0.7),
        twilight=False,
        dedicated_sky=False,
        template="2021-03-05T09:00:00",
    )
    exposures = [write_exposure(tmp_path / "a", Scene()), write_exposure(tmp_path / "b", worse)]
    folder = write_combination(tmp_path / "comb", exposures, Scene())
    result = measured(configuration, folder, "combine")
    assert bits(configuration, result, "combine") == "00101100101"
    assert numbers(result)["modified"] == 2
    assert numbers(result)["largest_offset"] == pytest.approx(1e-5 * 3600 * 0.5)  # at Dec -60


def test_an_exposure_cleaned_away_makes_its_bits_grey(configuration: Configuration, tmp_path: Path) -> None:
    exposures = [write_exposure(tmp_path / name, Scene()) for name in "ab"]
    folder = write_combination(tmp_path / "comb", exposures, Scene())
    (exposures[1] / "PIXTABLE_REDUCED_0001.fits").unlink()
    assert bits(configuration, measured(configuration, folder, "combine"), "combine") == "------00-0-"


def test_deep_cubes_are_measured_without_bits(configuration: Configuration, tmp_path: Path) -> None:
    exposures = [write_exposure(tmp_path / name, Scene()) for name in "ab"]
    folder = write_combination(tmp_path / "comb", exposures, Scene())
    result = measured(configuration, folder, "deep_combine")
    assert result.problems == ()
    assert bits(configuration, result, "deep_combine") == ""
    assert numbers(result)["exposures"] == 2


def test_an_empty_field_has_no_sources_and_a_page(configuration: Configuration, tmp_path: Path) -> None:
    result = run_job(job_of(configuration, "exposure", write_exposure(tmp_path, Scene(stars=()))))
    assert result.problems == ()
    assert numbers(result)["sources"] == 0
    assert "fwhm_brightest" not in numbers(result)
    assert [kind for kind, _ in result.reports] == ["cube"]


def test_a_cube_without_any_value_is_told_and_nothing_breaks(
    configuration: Configuration, tmp_path: Path
) -> None:
    folder = write_exposure(tmp_path, Scene())
    with fits.open(folder / "DATACUBE_FINAL.fits", mode="update") as hdus:
        hdus["DATA"].data[:] = np.nan
    result = run_job(job_of(configuration, "exposure", folder))
    assert {problem.subject for problem in result.problems} == {"histo_bkg"}
    assert bits(configuration, result) == "0000000-0"
    assert numbers(result)["empty_voxels"] == 100


@pytest.mark.parametrize("damage", ["cut", "no_data", "gone"])
def test_a_damaged_cube_is_told_by_its_file(
    configuration: Configuration, tmp_path: Path, damage: str
) -> None:
    folder = write_exposure(tmp_path, Scene())
    job = job_of(configuration, "exposure", folder)
    cube = folder / "DATACUBE_FINAL.fits"
    if damage == "cut":
        cube.write_bytes(cube.read_bytes()[:500_000])
    elif damage == "no_data":
        fits.PrimaryHDU(header=fits.getheader(cube)).writeto(cube, overwrite=True)
    else:
        cube.unlink()
    result = run_job(job)
    reasons = [problem.reason for problem in result.problems if problem.subject == "histo_bkg"]
    assert len(reasons) == 1
    assert "DATACUBE_FINAL.fits" in reasons[0]
    assert not any(problem.trace for problem in result.problems)
    assert result.reports == ()


def test_pages_with_hostile_names(configuration: Configuration, tmp_path: Path) -> None:
    hostile = Scene(name="$\\frac{ <b>../../x")
    exposures = [
        write_exposure(tmp_path / name, replace(hostile, seed=seed)) for seed, name in enumerate("ab")
    ]
    folder = write_combination(tmp_path / "comb", exposures, hostile, 5e-4)
    job = job_of(configuration, "combine", folder)
    result = run_job(job)
    assert result.problems == ()
    [(kind, path)] = result.reports
    assert kind == "cube"
    assert Path(path).parent == Path(job.report_folder)
    with Image.open(path) as page:
        assert page.size == (1400, 1320)
        grey = np.asarray(page.convert("L"))
    field, offsets, table = grey[100:520, 80:490], grey[100:420, 640:970], grey[80:250, 1050:1380]
    spectra, sky, strip = grey[600:840, 80:1370], grey[910:1150, 80:1370], grey[1210:]
    for part in (grey[:78], field, offsets, table, spectra, sky, strip):
        assert (part < 200).mean() > 0.002
    again = run_job(job)
    assert Path(again.reports[0][1]).read_bytes() == Path(path).read_bytes()


def test_alignment_has_a_page(configuration: Configuration, tmp_path: Path) -> None:
    write_alignment(tmp_path / "align", 1e-4, 0)
    result = run_job(job_of(configuration, "alignment", tmp_path / "align"))
    assert result.problems == ()
    assert [kind for kind, _ in result.reports] == ["alignment"]
    assert numbers(result)["align_matches"] == 7


def test_masters_are_as_good_as_their_worst_unit(configuration: Configuration, tmp_path: Path) -> None:
    found = numbers(measured(configuration, write_masters(tmp_path / "all"), "bias"))
    assert found == pytest.approx(
        {"bias_ron": 3.04, "bias_level": 1000, "bias_slope": 24e-5, "bias_bad_pixels": 300, "bias_units": 24}
    )
    assert numbers(measured(configuration, write_masters(tmp_path / "some", 23), "bias"))["bias_units"] == 23


def test_every_measurement_and_report_of_the_configuration_exists(configuration: Configuration) -> None:
    qc = configuration.qc("MUSE")
    assert set(qc.tasks) <= {task.name for task in configuration.rules("MUSE").tasks}
    for task in qc.tasks.values():
        if task.report:
            find_report(task.report)
        for parameter in task.parameters:
            if parameter.measure:
                find_measurement(parameter.measure)
