"""XSHOOTER QC against products of known truth: numbers, scores, bits and pictures of each task."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import products_xshooter as spectra
import qc_products_xshooter as truth
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.ab import Mcalib, McalibStatus
from phoenix.model.score import QcResult, Verdict
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.jobs import run_job
from phoenix.qc.registry import find_measurement, find_report
from products_xshooter import Slit
from qc_products_xshooter import WRITERS, ProductFolder, ab_of, job_of

load("XSHOOTER", "qc")
ARMS = ["UVB", "VIS", "NIR"]


@pytest.fixture
def folder(tmp_path: Path) -> ProductFolder:
    return ProductFolder(tmp_path / "products")


def calibrated(
    configuration: Configuration, folder: ProductFolder, task: str, arm: str = "VIS", *, page: bool = False
) -> QcResult:
    ab = ab_of(task, arm)
    return run_job(job_of(configuration, folder.products, folder.folder, task, ab, page=page))


def reduced(
    configuration: Configuration,
    slit: Slit,
    task: str = "science_stare",
    *,
    page: bool = False,
    **changes: object,
) -> QcResult:
    ab = replace(ab_of(task, slit.arm), **changes)  # type: ignore[arg-type]
    return run_job(job_of(configuration, slit.products, slit.folder, task, ab, page=page))


def numbers(result: QcResult) -> dict[str, float]:
    return {value.parameter: value.value for value in result.values}


def verdicts(result: QcResult) -> dict[str, Verdict]:
    return {score.parameter: score.verdict for score in result.scores}


def bits(configuration: Configuration, result: QcResult, task: str = "science_stare") -> str:
    return bit_string(score_bits(configuration.qc("XSHOOTER").tasks[task].parameters, result.scores, ""))


def assert_drawn(path: Path) -> None:
    """The picture has the size of a page, and something in each part of it."""
    with Image.open(path) as picture:
        assert picture.format == "PNG"
        assert picture.size == (1400, 1000)
        grey = np.asarray(picture.convert("L"))
    header, middle, strip = grey[:78], grey[100:850], grey[-40:]
    quarters = [middle[:375, :700], middle[:375, 700:], middle[375:, :700], middle[375:, 700:]]
    for part in (header, *quarters, strip):
        assert part.std() > 5
        assert (part < 200).mean() > 0.002


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("task", WRITERS)
def test_every_calibration_is_measured_without_a_problem(
    configuration: Configuration, folder: ProductFolder, task: str, arm: str
) -> None:
    WRITERS[task](folder, arm)
    result = calibrated(configuration, folder, task, arm)
    assert result.problems == ()
    assert Verdict.RED not in verdicts(result).values()


@pytest.mark.parametrize("task", WRITERS)
def test_every_calibration_has_its_page(
    configuration: Configuration, folder: ProductFolder, task: str
) -> None:
    WRITERS[task](folder, "VIS")
    result = calibrated(configuration, folder, task, page=True)
    assert result.problems == ()
    ((kind, path),) = result.reports
    assert kind == task
    assert_drawn(Path(path))


@pytest.mark.parametrize(
    ("task", "technique", "exposures", "arm"),
    [
        ("science_stare", "STARE", 1, "UVB"),
        ("science_nod", "NODDING", 2, "VIS"),
        ("science_offset", "OFFSET", 1, "NIR"),
        ("telluric_nod", "NODDING", 2, "VIS"),
        ("telluric_stare", "STARE", 1, "UVB"),
    ],
)
def test_every_spectrum_is_measured_and_drawn_without_a_problem(
    configuration: Configuration, tmp_path: Path, task: str, technique: str, exposures: int, arm: str
) -> None:
    kind = "TELL" if task.startswith("telluric") else "SCI"
    slit = Slit(tmp_path, arm, technique, exposures, kind=kind).write()
    result = reduced(configuration, slit, task, page=True)
    assert result.problems == ()
    assert Verdict.RED not in verdicts(result).values()
    ((kind, path),) = result.reports
    assert kind == "science"
    assert_drawn(Path(path))


def test_numbers_of_a_spectrum(configuration: Configuration, tmp_path: Path) -> None:
    slit = Slit(tmp_path).write()
    found = numbers(reduced(configuration, slit))
    good = slit.lit & (slit.quality == 0)
    signal = spectra.counts("VIS")
    assert found["sci_snr_VIS"] == pytest.approx(np.median(np.sqrt(signal[good])), rel=1e-6)
    assert found["sci_flagged_VIS"] == pytest.approx(100 * (~good).sum() / spectra.BINS)
    assert found["sci_negative_VIS"] == 0
    low, high = np.percentile((signal * spectra.response("VIS"))[good], [1, 99]) / 1e-16
    assert (found["sci_flux_low_VIS"], found["sci_flux_high_VIS"]) == pytest.approx((low, high), rel=1e-6)
    assert found["sci_position_VIS"] == pytest.approx(-5.3 + spectra.CENTRE_ROW * spectra.SLIT_STEP, abs=1e-3)
    assert found["sci_position_range_VIS"] == pytest.approx(0, abs=1e-3)
    # Half height is interpolated between rows of the slit.
    assert found["sci_fwhm_VIS"] == pytest.approx(spectra.FWHM_STEPS * spectra.SLIT_STEP, rel=0.03)
    assert found["sci_barycor_VIS"] == 1.35
    assert found["sci_slit_VIS"] == 0.9
    orders = np.array_split(np.arange(spectra.BINS), len(spectra.ORDERS))
    for number, part in zip(spectra.ORDERS, orders, strict=True):
        expected = np.median(np.sqrt(signal[part][good[part]]))
        assert found[f"sci_snr_order_{number}_VIS"] == pytest.approx(expected, rel=1e-6)


def test_a_nod_of_the_wrong_sign_is_red(configuration: Configuration, tmp_path: Path) -> None:
    """The recipe gives a negative spectrum with exit code 0; no keyword tells, the bits do."""
    slit = Slit(tmp_path, technique="NODDING", exposures=2).write()
    for name in ("MERGE1D", "FLUX_MERGE1D"):
        with fits.open(slit.path(f"SCI_SLIT_{name}_VIS"), mode="update") as hdus:
            hdus[0].data *= -1
    result = reduced(configuration, slit, "science_nod")
    assert numbers(result)["sci_negative_VIS"] == 100
    assert bits(configuration, result, "science_nod") == "0110-"


@pytest.mark.parametrize(
    ("saturated", "flagged", "days", "expected"),
    [
        (300, 0, 1.5, "00000"),
        (301, 0, 0.2, "10000"),
        (0, 300, 0.2, "00010"),
        (0, 0, -1.6, "00001"),
    ],
)
def test_score_bits(
    configuration: Configuration, tmp_path: Path, saturated: int, flagged: int, days: float, expected: str
) -> None:
    slit = Slit(tmp_path).write()
    path = slit.path("SCI_SLIT_MERGE1D_VIS")
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["ESO QC NPIXSAT"] = saturated
        hdus["QUAL"].data[100 : 100 + flagged] = 32
    arc = Mcalib(McalibStatus.REAL, "/masters/wave.fits", "WAVE_TAB_2D_VIS", days, 0)
    assert bits(configuration, reduced(configuration, slit, mcalibs=(arc,))) == expected


def test_without_an_object_it_has_no_place_on_the_slit(configuration: Configuration, tmp_path: Path) -> None:
    slit = Slit(tmp_path).write()
    with fits.open(slit.path("SCI_SLIT_FLUX_MERGE2D_VIS"), mode="update") as hdus:
        hdus[0].data[:] = np.random.default_rng(3).normal(0, 1e-17, hdus[0].data.shape)
    result = reduced(configuration, slit, page=True)
    assert result.problems == ()
    assert len(result.reports) == 1
    assert "sci_fwhm_VIS" not in numbers(result)
    assert "sci_position_VIS" not in numbers(result)


def test_the_bias_has_its_hot_pixels_counted(configuration: Configuration, folder: ProductFolder) -> None:
    image = folder.random.normal(truth.BIAS_ADU, truth.BIAS_NOISE_ADU, (60, 90))
    image[0, :3] = 30_000
    folder.write("MASTER_BIAS_VIS", image)
    assert numbers(calibrated(configuration, folder, "bias"))["bias_hot_pixels_VIS"] == 3


def test_flat_snr(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["flat"](folder, "VIS")
    found = numbers(calibrated(configuration, folder, "flat"))
    assert found["flat_snr_VIS"] == pytest.approx(truth.FLAT_SNR, rel=0.05)


def test_numbers_of_the_format_check(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["format_check"](folder, "VIS")
    found = numbers(calibrated(configuration, folder, "format_check"))
    assert found["format_lines_VIS"] == truth.LINES_PER_ORDER * 15
    assert found["format_matched_fraction_VIS"] == pytest.approx(0.9)
    assert found["format_rms_y_VIS"] == pytest.approx(truth.SHIFT_PIX, rel=0.2)
    assert found["format_rms_x_VIS"] == pytest.approx(found["format_rms_y_VIS"] / 2)


@pytest.mark.parametrize("fit", ["poly", "model"])
def test_numbers_of_the_wavelength_solution(
    configuration: Configuration, folder: ProductFolder, fit: str
) -> None:
    """Polynomial and physical model leave their residuals in columns of their own."""
    truth.write_wavelength(folder, "VIS", fit)
    found = numbers(calibrated(configuration, folder, "wavelength"))
    assert found["wave_lines_VIS"] == truth.LINES_PER_ORDER * 15
    assert found["wave_positions_VIS"] == truth.LINES_PER_ORDER * 15 * truth.PINHOLES
    assert found["wave_orders_VIS"] == 15
    assert found["wave_rms_y_VIS"] == pytest.approx(truth.SHIFT_PIX, rel=0.05)
    assert found["wave_fwhm_VIS"] == pytest.approx(truth.FWHM_PIX)
    path = folder.folder / "WAVE_RESID_TAB_LINES_VIS.fits"
    lines = fits.getdata(path, 1)
    speed = 299792.458 * lines[f"ResidY{fit}"] * truth.DISPERSION_NM / lines["Wavelength"]
    assert found["wave_rms_speed_VIS"] == pytest.approx(np.sqrt(np.mean(speed**2)), rel=1e-6)
    assert (found["wave_line_min_VIS"], found["wave_line_max_VIS"]) == pytest.approx(
        (lines["Wavelength"].min(), lines["Wavelength"].max())
    )


def test_numbers_of_a_response(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["response"](folder, "VIS")
    found = numbers(calibrated(configuration, folder, "response"))
    assert found["resp_unfitted_VIS"] == pytest.approx(truth.UNFITTED_NM * 0.9, abs=0.5)
    assert found["resp_scatter_VIS"] == pytest.approx(truth.RESPONSE_SCATTER_PERCENT, rel=0.05)
    assert found["resp_efficiency_VIS"] == pytest.approx(100 * truth.EFFICIENCY)


def test_a_response_that_holds_to_its_ends_loses_nothing(
    configuration: Configuration, folder: ProductFolder
) -> None:
    WRITERS["response"](folder, "VIS")
    folder.write("RESPONSE_MERGE1D_SLIT_VIS", [truth.response_table(folder, unfitted_nm=0)])
    assert numbers(calibrated(configuration, folder, "response"))["resp_unfitted_VIS"] == 0


def test_lost_orders_are_red(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["order_position"](folder, "VIS")
    with fits.open(folder.folder / "ORDER_TAB_CENTR_VIS.fits", mode="update") as hdus:
        hdus[0].header["ESO QC ORD ORDERPOS NDET"] = 13
    found = verdicts(calibrated(configuration, folder, "order_position"))
    reds = {parameter for parameter, verdict in found.items() if verdict is Verdict.RED}
    assert reds == {"orders_detected_VIS", "orders_lost_VIS"}


def test_a_residual_table_without_lines_is_told(configuration: Configuration, folder: ProductFolder) -> None:
    folder.write("DISP_TAB_VIS", [truth.table(ORDER=np.arange(3))])
    empty = truth.arc_lines(folder, "VIS").data[:0]
    folder.write("WAVE_RESID_TAB_LINES_VIS", [fits.BinTableHDU(empty)])
    result = calibrated(configuration, folder, "wavelength")
    told = {problem.subject: problem.reason for problem in result.problems}
    assert told["wave_lines_VIS"] == "WAVE_RESID_TAB_LINES_VIS: holds no residuals of arc lines"


def test_two_runs_write_the_same_picture(configuration: Configuration, tmp_path: Path) -> None:
    slit = Slit(tmp_path).write()

    def picture() -> bytes:
        ((_, path),) = reduced(configuration, slit, page=True).reports
        return Path(path).read_bytes()

    assert picture() == picture()


def test_every_measurement_and_report_of_the_configuration_exists(configuration: Configuration) -> None:
    for task in configuration.qc("XSHOOTER").tasks.values():
        assert task.report is not None
        find_report(task.report)
        for parameter in task.parameters:
            if parameter.measure:
                find_measurement(parameter.measure)


def test_every_task_of_the_release_has_qc(configuration: Configuration) -> None:
    tasks = configuration.rules("XSHOOTER").tasks_for(configuration.release("XSHOOT_R2"))
    assert set(configuration.qc("XSHOOTER").tasks) == {task.name for task in tasks}
