"""GIRAFFE QC against exposures and stacks of known truth: numbers, score bits, pages."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import qc_products_giraffe as truth
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.score import QcResult, Verdict
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.jobs import run_job
from phoenix.qc.registry import find_measurement, find_report
from qc_products_giraffe import Scene, job_of, without_report, write_exposure, write_stack

load("GIRAFFE", "qc")


def numbers(result: QcResult) -> dict[str, float]:
    return {value.parameter: value.value for value in result.values}


def measured(configuration: Configuration, folder: Path, scene: Scene) -> QcResult:
    return run_job(without_report(job_of(configuration, "science", write_exposure(folder, scene))))


def bits(configuration: Configuration, result: QcResult, item: str, task: str = "science") -> str:
    return bit_string(score_bits(configuration.qc("GIRAFFE").tasks[task].parameters, result.scores, item))


def test_numbers_of_fibres(configuration: Configuration, tmp_path: Path) -> None:
    scene = Scene(saturated=((5, truth.PRESCAN + truth.PITCH), (6, truth.PRESCAN + truth.PITCH + 1), (7, 0)))
    result = measured(configuration, tmp_path, scene)
    assert result.problems == ()
    found = numbers(result)
    for number, flux in enumerate(truth.fluxes(scene), 1):
        assert found[f"flux_{number:03d}"] == pytest.approx(flux, rel=0.01)
        assert found[f"snr_{number:03d}"] == pytest.approx(flux / truth.ERROR_ADU, rel=0.01)
    assert found["snr_slope"] == pytest.approx(-0.4, abs=0.01)
    assert found["sky_level"] == pytest.approx(truth.SKY_ADU, rel=0.05)
    assert (found["numsat"], found["saturated_001"], found["saturated_002"]) == (3, 2, 0)
    assert found["qc_deltatemp"] == pytest.approx(-0.4)
    assert found["qc_deltatime"] == pytest.approx(-0.4)
    assert (found["nsci"], found["nsky"]) == (12, 2)


def test_a_fibre_that_lost_its_target_is_counted(configuration: Configuration, tmp_path: Path) -> None:
    folder = write_exposure(tmp_path, Scene())
    with fits.open(folder / "spectra.fits", mode="update") as hdus:
        hdus[0].data[:, 4] *= 0.1
    found = numbers(run_job(without_report(job_of(configuration, "science", folder))))
    assert found["lost_targets"] == 1


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (Scene(), "000001000"),  # without simultaneous calibration: bit 5
        (Scene(lamp=True), "000000000"),
        (Scene(lamp=True, temperature=12.5, arc_temperature=11.0), "000000000"),
        (Scene(lamp=True, temperature=12.51, arc_temperature=11.0), "100000000"),
        (Scene(lamp=True, temperature=9.49, arc_temperature=11.0), "100000000"),
        (Scene(lamp=True, mjd_obs=58546.0, arc_mjd_obs=58547.0), "000000000"),
        (Scene(lamp=True, mjd_obs=58546.0, arc_mjd_obs=58547.01), "010000000"),
        (Scene(lamp=True, saturated=tuple((n // 50, n % 50) for n in range(999))), "000000000"),
        (Scene(lamp=True, saturated=tuple((n // 50, n % 50) for n in range(1000))), "001000000"),
        (Scene(lamp=True, science=10), "000000000"),
        (Scene(lamp=True, science=9), "000100000"),
        (Scene(lamp=True, sky=0), "000010000"),
        (Scene(lamp=True, dpr_type="SIMCAL"), "000000100"),
        (Scene(lamp=True, temperature=None), "-00000000"),
        (Scene(lamp=True, arc_mjd_obs=None), "0-0000000"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bits_at_their_limits(
    configuration: Configuration, tmp_path: Path, scene: Scene, expected: str
) -> None:
    assert bits(configuration, measured(configuration, tmp_path, scene), "001") == expected


@pytest.mark.parametrize(
    ("fps", "old", "tail"),
    [(22, True, "00"), (23, True, "10"), (24, True, "10"), (25, True, "00"), (108, True, "00"),
     (109, True, "01"), (124, True, "01"), (125, True, "00"), (23, False, "00"), (109, False, "00")],
)  # fmt: skip
def test_bits_of_the_first_detector_depend_on_fibre_and_date(
    configuration: Configuration, tmp_path: Path, fps: int, old: bool, tail: str
) -> None:
    mjd = np.nextafter(54557.0, 0) if old else 54557.0  # 2008-04-01
    scene = Scene(lamp=True, first_fps=fps, mjd_obs=float(mjd), arc_mjd_obs=float(mjd))
    result = measured(configuration, tmp_path, scene)
    assert bits(configuration, result, f"{fps:03d}") == "0000000" + tail


@pytest.mark.parametrize(
    ("keywords", "tail"),
    [({}, "00"), ({"LEVELDEV": 0.1999}, "00"), ({"LEVELDEV": 0.2}, "10"),
     ({"REJECTED": 0.03, "LOST": 0.0199}, "00"), ({"REJECTED": 0.05}, "01"),
     ({"LOST": 0.05, "REJECTED": 0}, "01"), ({"LEVELDEV": 0.5, "LOST": 0.5}, "11")],
)  # fmt: skip
def test_bits_of_stacks_at_their_limits(
    configuration: Configuration, tmp_path: Path, keywords: dict[str, float], tail: str
) -> None:
    scene = Scene(lamp=True)
    exposures = [write_exposure(tmp_path / name, scene) for name in "ab"]
    folder = write_stack(tmp_path / "stack", exposures, scene, **keywords)
    result = run_job(without_report(job_of(configuration, "stack", folder)))
    assert result.problems == ()
    assert bits(configuration, result, "003", "stack") == "000000000" + tail


def test_a_stack_is_as_bad_as_the_worst_exposure(configuration: Configuration, tmp_path: Path) -> None:
    scene = Scene(lamp=True)
    worse = replace(scene, temperature=13.0, saturated=tuple((n // 50, n % 50) for n in range(1500)), sky=0)
    exposures = [write_exposure(tmp_path / "a", scene), write_exposure(tmp_path / "b", worse)]
    folder = write_stack(tmp_path / "stack", exposures, scene)
    result = run_job(without_report(job_of(configuration, "stack", folder)))
    assert numbers(result)["numsat"] == 1500
    assert bits(configuration, result, "001", "stack") == "10101000000"


def test_without_the_run_record_what_it_tells_is_grey_and_told(
    configuration: Configuration, tmp_path: Path
) -> None:
    folder = write_exposure(tmp_path, Scene(lamp=True))
    (folder / "verdict.json").unlink()
    result = run_job(without_report(job_of(configuration, "science", folder)))
    assert bits(configuration, result, "001") == "---000000"
    told = {problem.subject for problem in result.problems if problem.scored}
    assert told == {"qc_deltatemp", "qc_deltatime", "numsat", "saturated_*"}
    assert numbers(result)["nsci"] == 12


def test_a_raw_frame_cleaned_away_costs_its_bit_only(configuration: Configuration, tmp_path: Path) -> None:
    folder = write_exposure(tmp_path, Scene(lamp=True))
    (tmp_path / "raw.fits").unlink()
    result = run_job(without_report(job_of(configuration, "science", folder)))
    assert bits(configuration, result, "001") == "00-000000"


def test_each_fibre_and_the_frame_has_a_page(configuration: Configuration, tmp_path: Path) -> None:
    hostile = ("$x^{", "<b>../../etc", "\\frac{", "{0}")
    job = job_of(configuration, "science", write_exposure(tmp_path, Scene(names=hostile, field="$\\frac{")))
    result = run_job(job)
    assert result.problems == ()
    kinds = [kind for kind, _ in result.reports]
    assert kinds == ["frame", *(f"fps{number:03d}" for number in range(1, 13))]
    for _, path in result.reports:
        assert Path(path).parent == Path(job.report_folder)
    with Image.open(result.reports[1][1]) as page:
        assert page.size == (1200, 800)
        grey = np.asarray(page.convert("L"))
    for part in (
        grey[:78],
        grey[90:350],
        grey[400:640, :430],
        grey[400:640, 500:850],
        grey[400:640, 930:],
        grey[690:],
    ):
        assert (part < 200).mean() > 0.002
    assert set(np.unique(grey[340:400, :5])) == {255}


def test_pages_are_the_same_whatever_was_drawn_before(configuration: Configuration, tmp_path: Path) -> None:
    one = job_of(configuration, "science", write_exposure(tmp_path / "a", Scene(science=3)))
    other = job_of(
        configuration, "science", write_exposure(tmp_path / "b", Scene(science=3, seed=8, level=9))
    )
    first = [Path(path).read_bytes() for _, path in run_job(one).reports]
    run_job(other)
    assert [Path(path).read_bytes() for _, path in run_job(one).reports] == first
    assert len(set(first)) == 4


def test_stack_pages_show_the_exposures(configuration: Configuration, tmp_path: Path) -> None:
    exposures = [write_exposure(tmp_path / name, Scene(science=3)) for name in "ab"]
    folder = write_stack(tmp_path / "stack", exposures, Scene(science=3))
    result = run_job(job_of(configuration, "stack", folder))
    assert result.problems == ()
    assert [kind for kind, _ in result.reports] == ["stack", "fps001", "fps002", "fps003"]


def test_a_scene_without_magnitudes_has_no_relation(configuration: Configuration, tmp_path: Path) -> None:
    folder = write_exposure(tmp_path, Scene())
    with fits.open(folder / "spectra.fits", mode="update") as hdus:
        hdus[1].data["MAGNITUDE"] = 0.0
    result = run_job(job_of(configuration, "science", folder))
    assert result.problems == ()
    assert "snr_slope" not in numbers(result)


def test_an_empty_fibre_is_red_and_has_no_page(configuration: Configuration, tmp_path: Path) -> None:
    folder = write_exposure(tmp_path, Scene(science=3))
    with fits.open(folder / "errors.fits", mode="update") as hdus:
        hdus[0].data[:, 1] = 0.0
    result = run_job(job_of(configuration, "science", folder))
    assert [kind for kind, _ in result.reports] == ["frame", "fps001", "fps003"]
    assert {score.parameter: score.verdict for score in result.scores}["snr_002"] is Verdict.RED


def test_every_measurement_and_report_of_the_configuration_exists(configuration: Configuration) -> None:
    for task in configuration.qc("GIRAFFE").tasks.values():
        find_report(str(task.report))
        for parameter in task.parameters:
            if parameter.measure:
                find_measurement(parameter.measure)


def test_every_task_of_the_release_has_qc(configuration: Configuration) -> None:
    tasks = configuration.rules("GIRAFFE").tasks_for(configuration.release("GIRAF_STACK"))
    assert set(configuration.qc("GIRAFFE").tasks) == {task.name for task in tasks}
