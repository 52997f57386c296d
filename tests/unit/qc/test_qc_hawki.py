"""HAWK-I QC against products of known truth: values of each detector, score bits, pages."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

import products_hawki as truth
from builders_ab import science_ab
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.product import Product
from phoenix.model.score import QcResult
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.jobs import QcJob, run_job
from products_hawki import PAWPRINT_PRODUCTS, TILE_PRODUCTS, Imaged

load("HAWKI", "qc")
PRODUCTS = {"science": PAWPRINT_PRODUCTS, "tile": TILE_PRODUCTS}


def run(configuration: Configuration, imaged: Imaged, task: str, *, drawn: bool = False) -> QcResult:
    products = tuple(imaged.products(PRODUCTS[task]))
    return run_job(_job(configuration, task, products, imaged.folder, drawn=drawn))


def _job(
    configuration: Configuration,
    task: str,
    products: tuple[Product, ...],
    folder: Path,
    *,
    drawn: bool = False,
) -> QcJob:
    qc = configuration.qc("HAWKI")
    job = QcJob(
        science_ab(instrument="HAWKI", task=task, expected=()), products, qc.tasks[task], qc.version, {},
        str(folder / "reports"),
    )  # fmt: skip
    return job if drawn else replace(job, qc=job.qc.model_copy(update={"report": None}))


def numbers(result: QcResult) -> dict[str, float]:
    return {value.parameter: value.value for value in result.values}


def bits(configuration: Configuration, result: QcResult, task: str) -> str:
    return bit_string(score_bits(configuration.qc("HAWKI").tasks[task].parameters, result.scores))


def test_each_detector_has_its_values(configuration: Configuration, tmp_path: Path) -> None:
    result = run(configuration, Imaged(tmp_path).write(), "science")
    assert result.problems == ()
    found = numbers(result)
    for chip, zero in truth.ZERO_1.items():
        assert found[f"zero_point_difference_{chip}"] == pytest.approx(zero - truth.ZERO_2)
        assert found[f"zero_point_{chip}"] == truth.MAGZPT_TEL
        assert found[f"size_{chip}"] == pytest.approx(2 * truth.HALF_RADIUS * 0.106)
        assert found[f"sources_{chip}"] == truth.SOURCES
        assert found[f"zero_point_stars_{chip}"] == 50 + int(chip)
        assert (found[f"sky_{chip}"], found[f"sky_noise_{chip}"]) == (truth.SKY, truth.NOISE)
        assert (found[f"fwhm_{chip}"], found[f"ellipticity_{chip}"]) == (0.6, 0.0135)
        assert (found[f"wcs_rms_{chip}"], found[f"limiting_mag_{chip}"]) == (truth.WCS_RMS, 23.7)
    assert found["zero_point_agreement"] == pytest.approx(max(truth.ZERO_1.values()) - truth.ZERO_2)
    assert found["zero_point_support"] == 51


def test_a_tile_has_one_value_of_each(configuration: Configuration, tmp_path: Path) -> None:
    result = run(configuration, Imaged(tmp_path).write(), "tile")
    assert result.problems == ()
    found = numbers(result)
    assert found["tile_zero_point_difference"] == pytest.approx(truth.ZERO_1["1"] - truth.ZERO_2)
    # The recipe's size is a guess; ours is measured.
    assert (found["tile_fwhm"], found["tile_size"]) == (0.2592, pytest.approx(0.636))


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"ESO DRS ZPIM1": truth.ZERO_2}, "00000"),
        ({}, "10000"),
        ({"ESO DRS ZPIM1": truth.ZERO_2 - 0.11}, "10000"),
        ({"ESO DRS ZPIM1": truth.ZERO_2, "ESO DRS MAGNZPTIM": 2}, "01000"),
        ({"ESO DRS ZPIM1": truth.ZERO_2, "ELLIPTIC": 0.2}, "00010"),
        ({"ESO DRS ZPIM1": truth.ZERO_2, "ESO QC WCS_RMS": 0.11}, "00001"),
    ],
)
@pytest.mark.parametrize("task", ["science", "tile"])
def test_score_bits(
    configuration: Configuration, tmp_path: Path, task: str, cards: dict[str, object], expected: str
) -> None:
    imaged = Imaged(tmp_path, image_cards=cards).write()
    assert bits(configuration, run(configuration, imaged, task), task) == expected


def test_bad_seeing_is_told(configuration: Configuration, tmp_path: Path) -> None:
    imaged = Imaged(tmp_path, image_cards={"ESO DRS ZPIM1": truth.ZERO_2}).write()
    path = imaged.folder / "stack_cat_1.fits"
    with fits.open(path, mode="update") as hdus:
        hdus[3].data["Half_radius"] *= 3
    assert bits(configuration, run(configuration, imaged, "science"), "science") == "00100"


def test_without_photometry_the_other_values_are_there(configuration: Configuration, tmp_path: Path) -> None:
    missing = dict.fromkeys(("ESO QC MAGZPT TEL", "ESO DRS ZPIM1", "ESO DRS ZPIM2"))
    result = run(configuration, Imaged(tmp_path, image_cards=missing).write(), "science")
    found = numbers(result)
    assert "zero_point_1" not in found
    assert found["wcs_rms_1"] == truth.WCS_RMS
    assert {problem.subject for problem in result.problems} >= {"zero_point_*", "zero_point_agreement"}
    assert bits(configuration, result, "science")[0] == "-"


def test_a_source_list_of_other_detectors_is_no_source_list(
    configuration: Configuration, tmp_path: Path
) -> None:
    imaged = Imaged(tmp_path).write()
    with fits.open(imaged.folder / "stack_cat_1.fits", mode="update") as hdus:
        hdus[1].header["EXTNAME"], hdus[2].header["EXTNAME"] = "CHIP2.INT1", "CHIP1.INT1"
    result = run(configuration, imaged, "science")
    assert result.values == ()
    assert all("CHIP" in problem.reason for problem in result.problems)


def test_calibrations(configuration: Configuration, tmp_path: Path) -> None:
    header = fits.Header()
    header["HIERARCH ESO QC DARK MED"], header["HIERARCH ESO QC RON1"] = 25.0, 2.1
    header["HIERARCH ESO QC DARK NBADPIX"] = 16
    chips = [fits.ImageHDU(np.zeros((4, 4)), header, name=f"CHIP{chip}.INT1") for chip in (1, 2, 4, 3)]
    fits.HDUList([fits.PrimaryHDU(), *chips]).writeto(tmp_path / "dark.fits")
    table = {
        "EXTNAME": ("10A", [f"CHIP{chip}.INT1" for chip in (2, 1)]),
        "READNOISE": ("E", [5.2, 5.0]),
        "GAIN": ("E", [1.9, 1.8]),
    }
    columns = [fits.Column(name, form, array=values) for name, (form, values) in table.items()]
    fits.BinTableHDU.from_columns(columns).writeto(tmp_path / "gain.fits")
    dark = _job(
        configuration, "dark", (Product(str(tmp_path / "dark.fits"), "MASTER_DARK", 1, ""),), tmp_path
    )
    noise = _job(
        configuration, "noise", (Product(str(tmp_path / "gain.fits"), "MASTER_READGAIN", 1, ""),), tmp_path
    )
    found = numbers(run_job(dark)) | numbers(run_job(noise))
    assert [found[f"dark_level_{chip}"] for chip in (1, 2, 3, 4)] == [25.0] * 4
    assert (found["dark_noise_3"], found["dark_hot_pixels_3"]) == (2.1, 16)
    assert (found["read_noise_1"], found["gain_2"]) == (pytest.approx(5.0), pytest.approx(1.9))


@pytest.mark.parametrize("task", ["science", "tile"])
def test_the_page_is_drawn(configuration: Configuration, tmp_path: Path, task: str) -> None:
    result = run(configuration, Imaged(tmp_path).write(), task, drawn=True)
    assert result.problems == ()
    ((kind, path),) = result.reports
    assert kind == {"science": "pawprint", "tile": "tile"}[task]
    picture = Image.open(BytesIO(Path(path).read_bytes()))
    assert picture.size == (1400, 1000)
    assert len(picture.convert("RGB").getcolors(maxcolors=1_000_000) or []) > 100
