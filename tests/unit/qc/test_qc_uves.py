"""UVES QC against products of known truth: numbers, scores and pictures of each task."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import qc_products as truth
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.score import QcResult, Verdict
from phoenix.qc.jobs import QcJob, run_job
from qc_products import WRITERS, ProductFolder, ab_of, job_of, write_raw, write_science

load("UVES", "qc")


@pytest.fixture
def folder(tmp_path: Path) -> ProductFolder:
    return ProductFolder(tmp_path / "products")


def numbers(result: QcResult) -> dict[str, float]:
    return {value.parameter: value.value for value in result.values}


def verdicts(result: QcResult) -> dict[str, Verdict]:
    return {score.parameter: score.verdict for score in result.scores}


@pytest.mark.parametrize("chips", [("BLUE",), ("REDL", "REDU")], ids=["blue", "red"])
@pytest.mark.parametrize("task", WRITERS)
def test_every_task_is_measured_and_drawn_without_a_problem(
    configuration: Configuration, folder: ProductFolder, tmp_path: Path, task: str, chips: tuple[str, ...]
) -> None:
    for chip in chips:
        WRITERS[task](folder, chip)
    ab = ab_of(task, raws=(write_raw(tmp_path / "raw.fits"),))
    result = run_job(job_of(configuration, folder, task, ab))
    assert result.problems == ()
    assert Verdict.RED not in verdicts(result).values()
    ((kind, path),) = result.reports
    assert Path(path).name == f"{ab.stem}_{kind}.png"
    assert_drawn(Path(path))


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


def test_bias_level_and_its_outliers(configuration: Configuration, folder: ProductFolder) -> None:
    image = folder.random.normal(truth.BIAS_ADU, truth.BIAS_NOISE_ADU, (60, 90))
    image[0, :3] = 30_000
    folder.write("MASTER_BIAS_BLUE", image)
    found = numbers(run_job(job_of(configuration, folder, "bias")))
    assert found["bias_level_BLUE"] == pytest.approx(truth.BIAS_ADU, abs=0.1)
    assert found["bias_hot_pixels_BLUE"] == 3


def test_flat_level_and_snr(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["flat"](folder, "BLUE")
    found = numbers(run_job(job_of(configuration, folder, "flat")))
    assert found["flat_snr_BLUE"] == pytest.approx(truth.FLAT_SNR, rel=0.05)
    assert found["flat_level_BLUE"] == pytest.approx(truth.FLAT_ADU, rel=0.03)


def test_a_turned_arc_frame_is_red(configuration: Configuration, folder: ProductFolder) -> None:
    """The recipe converges on wrong orders with exit code 0; the scores see it."""
    WRITERS["wavelength"](folder, "BLUE")
    path = folder.folder / "line_table_blue.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[0].header["ESO QC ORDMIN"], hdus[0].header["ESO QC ORDMAX"] = 91, 121
        hdus[0].header["ESO QC NLINSOL"], hdus[0].header["ESO QC LINE IDCHI2"] = 80, 64.7
    found = verdicts(run_job(job_of(configuration, folder, "wavelength")))
    reds = {parameter for parameter, verdict in found.items() if verdict is Verdict.RED}
    assert reds == {"wave_order_min_BLUE", "wave_order_max_BLUE", "wave_lines_BLUE", "wave_chi2_BLUE"}


def test_orders_of_a_setting_without_thresholds_are_grey(
    configuration: Configuration, folder: ProductFolder
) -> None:
    WRITERS["wavelength"](folder, "BLUE")
    job = job_of(configuration, folder, "wavelength", ab_of("wavelength", wlen="346"))
    found = verdicts(run_job(job))
    assert found["wave_order_min_BLUE"] is Verdict.GREY
    assert found["wave_rms_pix_BLUE"] is Verdict.GREEN


def test_response_scatter_and_efficiency(configuration: Configuration, folder: ProductFolder) -> None:
    WRITERS["response"](folder, "BLUE")
    found = numbers(run_job(job_of(configuration, folder, "response")))
    assert found["response_scatter_BLUE"] == pytest.approx(truth.RESPONSE_SCATTER_PERCENT, rel=0.15)
    assert found["efficiency_peak_BLUE"] == pytest.approx(100 * (0.10 + 0.002 * truth.ORDERS))


def test_science_numbers(configuration: Configuration, folder: ProductFolder, tmp_path: Path) -> None:
    write_science(folder, "BLUE")
    raws = (write_raw(tmp_path / "a.fits", saturated=4), write_raw(tmp_path / "b.fits", saturated=3))
    found = numbers(run_job(job_of(configuration, folder, "science", ab_of("science", raws=raws))))
    arcsec = truth.PIXSCALE_ARCSEC * truth.BINNING
    assert found["sci_snr_BLUE"] == pytest.approx(truth.SIGNAL_ADU / truth.ERROR_ADU, rel=0.02)
    assert found["sci_fwhm_BLUE"] == pytest.approx(truth.FWHM_PIX * arcsec)
    assert found["sci_position_BLUE"] == pytest.approx(truth.OFFSET_PIX * arcsec)
    assert found["sci_position_range_BLUE"] == 0
    assert found["sci_ripple_BLUE"] == pytest.approx(0.4)
    assert found["sci_cosmics_BLUE"] == truth.COSMICS
    assert found["sci_saturated"] == 7
    assert found["sci_barycor_BLUE"] == -17.2
    assert found["sci_flux_high_BLUE"] == pytest.approx(150, rel=0.05)
    assert [found[f"sci_snr_order_BLUE_{n:02d}"] for n in range(1, truth.ORDERS + 1)] == [60.0] * truth.ORDERS


def test_cosmics_are_scored_only_where_the_object_is_sampled(
    configuration: Configuration, folder: ProductFolder
) -> None:
    write_science(folder, "BLUE")
    number = np.arange(6000)
    folder.write("CRMASK_BLUE", [truth.table(Order=number, X=number, Y=number, Flux=number * 1.0)])

    def verdict(binning: str) -> Verdict:
        ab = ab_of("science")
        ab = replace(ab, match_keys=(*ab.match_keys, ("binx", binning)))
        return verdicts(run_job(job_of(configuration, folder, "science", ab)))["sci_cosmics_BLUE"]

    assert (verdict("2"), verdict("4")) == (Verdict.RED, Verdict.GREY)


def test_negative_pixels_are_counted_in_percent(configuration: Configuration, folder: ProductFolder) -> None:
    write_science(folder, "BLUE")
    path = folder.folder / "red_sci_point_blue.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[0].data[20:88] = -5.0  # 68 of 680 lit pixels
    assert numbers(run_job(job_of(configuration, folder, "science")))["sci_negative_BLUE"] == pytest.approx(
        10.0
    )


def test_without_flux_calibration_the_report_shows_adu(
    configuration: Configuration, folder: ProductFolder, tmp_path: Path
) -> None:
    write_science(folder, "BLUE", fluxed=False)
    result = run_job(
        job_of(configuration, folder, "science", ab_of("science", raws=(write_raw(tmp_path / "r.fits"),)))
    )
    assert result.problems == ()
    assert "sci_flux_low_BLUE" not in numbers(result)
    assert [kind for kind, _ in result.reports] == ["science"]


def test_a_report_that_cannot_be_drawn_leaves_the_numbers(
    configuration: Configuration, folder: ProductFolder
) -> None:
    write_science(folder, "BLUE")
    products = tuple(p for p in folder.products if not p.pro_catg.startswith("ORDER_EXTRACT_QC"))
    result = run_job(replace(job_of(configuration, folder, "science"), products=products))
    assert result.reports == ()
    assert "sci_snr_BLUE" in numbers(result)
    told = {problem.subject: problem.reason for problem in result.problems}
    assert told["report uves.science"] == "product ORDER_EXTRACT_QC_BLUE: is not there"


def test_two_runs_write_the_same_picture(configuration: Configuration, folder: ProductFolder) -> None:
    write_science(folder, "BLUE")
    job = job_of(configuration, folder, "science")

    def picture(job: QcJob) -> bytes:
        ((_, path),) = run_job(job).reports
        return Path(path).read_bytes()

    assert picture(job) == picture(job)


def test_every_measurement_and_report_of_the_configuration_exists(configuration: Configuration) -> None:
    from phoenix.qc.registry import find_measurement, find_report

    for task in configuration.qc("UVES").tasks.values():
        assert task.report is not None
        find_report(task.report)
        for parameter in task.parameters:
            if parameter.measure:
                find_measurement(parameter.measure)


def test_every_task_of_the_release_has_qc(configuration: Configuration) -> None:
    tasks = configuration.rules("UVES").tasks_for(configuration.release("UVES_STACK"))
    assert set(configuration.qc("UVES").tasks) == {task.name for task in tasks}
