"""The stack of exposures, held against what numpy says of the same numbers, through the recipe's own door."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix.recipes.combine import Rejection, combine
from phoenix.recipes.contract import run
from phoenix.recipes.registry import PIPELINE
from phoenix.recipes.resample import Samples, bin_edges, resample

BINS = 3000
WAVE_NM = 450 + 0.02 * np.arange(BINS)
SPEED_OF_LIGHT_KMS = 299792.458


def truth(wave_nm: np.ndarray) -> np.ndarray:
    """A continuum of 1000 with two absorption lines."""
    line = 0.6 * np.exp(-0.5 * ((wave_nm - 486.13) / 0.15) ** 2)
    return 1000 * (1 + 0.1 * np.sin(wave_nm / 7)) * (1 - line)


def exposure(rng: np.random.Generator, level: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Flux and error of an exposure with photon noise."""
    clean = level * truth(WAVE_NM)
    error = np.sqrt(clean)
    return clean + error * rng.standard_normal(BINS), error


def fibre_table(
    path: Path, number: int, flux: np.ndarray, error: np.ndarray, fps: int = 7, wave: np.ndarray = WAVE_NM
) -> Path:
    """A spectrum as giscience writes it."""
    values = {"WAVE": wave, "FLUX_REDUCED": flux, "ERR_REDUCED": error, "SNR": flux / error}
    units = {"WAVE": "nm", "FLUX_REDUCED": "adu", "ERR_REDUCED": "adu", "SNR": ""}
    columns = [
        fits.Column(name, f"{len(wave)}D", units[name], array=array[np.newaxis])
        for name, array in values.items()
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["TUTYP1"], table.header["TUCD2"] = "Spectrum.Data.SpectralAxis.Value", "phot.flux"
    table.header["VOCLASS"] = "SPECTRUM V2.0"
    primary = fits.PrimaryHDU()
    header = primary.header
    header["OBJECT"], header["FPS"], header["SPECSYS"] = f"STAR-{fps}", fps, "HELIOCEN"
    header["MJD-OBS"], header["EXPTIME"] = 58500.0 + 0.01 * number, 600.0
    header["ARCFILE"] = f"GIRAF.2019-01-01T00:0{number}:00.000.fits"
    header["HIERARCH ESO PRO CATG"] = "SCIENCE_RBNSPEC_IDP"
    header["HIERARCH ESO PRO REC1 PIPE ID"] = "giraf/2.16.10"
    header["HIERARCH ESO QC ORD1 OBJ SN"] = 12.0
    fits.HDUList([primary, table]).writeto(path)
    return path


def chip_images(
    path: Path, number: int, shift_kms: float, rng: np.random.Generator
) -> list[tuple[Path, str]]:
    """Flux and error as uves_obs_scired writes them: topocentric, padded with flux 0 and error 1."""
    rest_nm = WAVE_NM * (1 + shift_kms / SPEED_OF_LIGHT_KMS)
    clean = truth(rest_nm)
    error = np.sqrt(clean)
    flux = clean + error * rng.standard_normal(BINS)
    flux[:10], error[:10] = 0, 1
    files = []
    for tag, values in (("RED_SCI_POINT_BLUE", flux), ("ERRORBAR_SCI_POINT_BLUE", error)):
        image = fits.PrimaryHDU(values.astype(np.float32))
        header = image.header
        header["CRVAL1"], header["CRPIX1"], header["CDELT1"] = WAVE_NM[0] * 10, 1.0, 0.2
        header["CTYPE1"], header["CUNIT1"], header["BUNIT"] = "AWAV", "Angstrom", "ADU"
        header["MJD-OBS"], header["EXPTIME"] = 58500.0 + 0.01 * number, 600.0
        header["ARCFILE"] = f"UVES.2019-01-01T00:0{number}:00.000.fits"
        header["HIERARCH ESO QC VRAD BARYCOR"] = shift_kms
        header["HIERARCH ESO PRO CATG"] = tag
        file = path / f"{tag.lower()}_{number}.fits"
        image.writeto(file)
        files.append((file, tag))
    return files


def reduce(
    folder: Path, frames: list[tuple[Path, str]], *parameters: str
) -> tuple[int, list[dict[str, str]]]:
    """Run the recipe as a container does; return exit code and the list of products."""
    sof = folder / "job.sof"
    sof.write_text("".join(f"{path} {tag}\n" for path, tag in frames), encoding="ascii")
    listing = folder / "products.json"
    code = run(
        PIPELINE,
        [
            f"--output-dir={folder}",
            f"--products-sof={listing}",
            "phoenix_spectrum_combine",
            *parameters,
            str(sof),
        ],
    )
    return code, json.loads(listing.read_text()) if listing.exists() else []


def stacked(folder: Path, exposures: list[tuple[np.ndarray, np.ndarray]], *parameters: str) -> fits.FITS_rec:
    """The stack of exposures of one fibre."""
    frames = [
        (fibre_table(folder / f"spectrum_{number}.fits", number, *one), "SCIENCE_RBNSPEC_IDP")
        for number, one in enumerate(exposures)
    ]
    code, products = reduce(folder, frames, *parameters)
    assert code == 0
    assert [product["category"] for product in products] == ["STACK_SCIENCE_RBNSPEC_IDP"]
    return fits.getdata(folder / products[0]["name"], 1)


@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_signal_to_noise_grows_as_the_square_root(tmp_path: Path, count: int) -> None:
    rng = np.random.default_rng(count)
    exposures = [exposure(rng) for _ in range(count)]
    table = stacked(tmp_path, exposures)
    gain = np.median(table["SNR"][0]) / np.median(np.sqrt(truth(WAVE_NM)))
    assert gain == pytest.approx(np.sqrt(count), rel=0.02)
    # The errors tell the scatter that is there.
    pull = (table["FLUX_REDUCED"][0] - truth(WAVE_NM)) / table["ERR_REDUCED"][0]
    assert np.std(pull) == pytest.approx(1, abs=0.05)
    assert np.mean(table["FLUX_REDUCED"][0]) == pytest.approx(np.mean(truth(WAVE_NM)), rel=1e-3)


def test_more_than_two_exposures_are_the_plain_mean(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    exposures = [exposure(rng, level) for level in (0.8, 1.0, 1.2)]
    table = stacked(tmp_path, exposures)
    assert np.allclose(table["FLUX_REDUCED"][0], np.mean([flux for flux, _ in exposures], axis=0))
    expected = np.sqrt(np.sum([error**2 for _, error in exposures], axis=0)) / 3
    assert np.allclose(table["ERR_REDUCED"][0], expected)


def test_a_cosmic_in_one_of_two_is_rejected_and_leaves_no_step(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    exposures = [exposure(rng, 1.0), exposure(rng, 0.8)]
    hit = slice(1000, 1003)
    exposures[0][0][hit] += 5000
    exposures[0][1][hit] = np.sqrt(exposures[0][0][hit])
    table = stacked(tmp_path, exposures)
    flux, error = table["FLUX_REDUCED"][0], table["ERR_REDUCED"][0]
    level = 0.9 * truth(WAVE_NM)
    assert np.all(np.abs(flux[hit] - level[hit]) < 4 * error[hit])
    assert np.all(error[hit] > 1.2 * np.median(error))  # one exposure stands for both
    assert np.all(table["QUAL"][0] == 0)
    assert np.mean(flux) == pytest.approx(np.mean(level), rel=1e-3)


@pytest.mark.parametrize(("parameter", "rejects"), [("--reject=off", False), ("--reject=on", True)])
def test_rejection_can_be_chosen(tmp_path: Path, parameter: str, rejects: bool) -> None:
    rng = np.random.default_rng(5)
    exposures = [exposure(rng) for _ in range(3)]
    exposures[1][0][500] += 20000
    flux = stacked(tmp_path, exposures, parameter)["FLUX_REDUCED"][0]
    assert (flux[500] < 1500) == rejects


def test_fibres_are_kept_apart_and_single_ones_are_left(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    frames = []
    for number, fps in [(0, 7), (1, 7), (0, 9), (1, 9), (0, 30)]:
        path = fibre_table(tmp_path / f"s_{number}_{fps}.fits", number, *exposure(rng), fps=fps)
        frames.append((path, "SCIENCE_RBNSPEC_IDP"))
    code, products = reduce(tmp_path, frames)
    headers = [fits.getheader(tmp_path / product["name"]) for product in products]
    assert code == 0
    assert [header["FPS"] for header in headers] == [7, 9]
    header = headers[0]
    assert header["ESO PRO CATG"] == "STACK_SCIENCE_RBNSPEC_IDP"
    assert header["EXPTIME"] == 1200
    assert header["MJD-OBS"] == 58500.0
    assert header["MJD-END"] == pytest.approx(58500.01 + 600 / 86400)
    assert [header[f"ESO PRO REC1 RAW{n} NAME"] for n in (1, 2)] == ["s_0_7.fits", "s_1_7.fits"]
    assert "ESO QC ORD1 OBJ SN" not in header  # that was of one exposure
    table = fits.getheader(tmp_path / products[0]["name"], 1)
    assert table["TUTYP1"] == "Spectrum.Data.SpectralAxis.Value"
    assert table["TTYPE4"] == "QUAL"
    assert table["VOCLASS"] == "SPECTRUM V2.0"


def test_topocentric_exposures_are_moved_into_the_frame_of_the_first(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    shifts = (-17.0, -15.5, -10.0)
    frames = [
        file for number, shift in enumerate(shifts) for file in chip_images(tmp_path, number, shift, rng)
    ]
    code, products = reduce(tmp_path, frames)
    assert code == 0
    by_catg = {product["category"]: tmp_path / product["name"] for product in products}
    flux = fits.getdata(by_catg["STACK_RED_SCI_POINT_BLUE"])
    error = fits.getdata(by_catg["STACK_ERRORBAR_SCI_POINT_BLUE"])
    rest_nm = WAVE_NM * (1 + shifts[0] / SPEED_OF_LIGHT_KMS)
    inside = slice(30, -30)
    pull = (flux - truth(rest_nm))[inside] / error[inside]
    assert abs(np.mean(pull)) < 0.1
    assert np.std(pull) < 1.05
    # Bins share noise after resampling: averages over many bins tell whether the errors keep the information.
    means = pull[: pull.size // 20 * 20].reshape(-1, 20).mean(axis=1) * np.sqrt(20)
    assert np.std(means) == pytest.approx(1, abs=0.2)
    line = slice(np.searchsorted(rest_nm, 485.0), np.searchsorted(rest_nm, 487.3))
    depth = truth(rest_nm)[line].max() - flux[line]
    centre = np.sum(rest_nm[line] * depth) / np.sum(depth)
    clean = truth(rest_nm)[line].max() - truth(rest_nm)[line]
    assert centre == pytest.approx(np.sum(rest_nm[line] * clean) / np.sum(clean), abs=0.01)
    assert np.all(flux[:9] == 0)
    assert np.all(error[:9] == 1)
    header = fits.getheader(by_catg["STACK_RED_SCI_POINT_BLUE"])
    assert header["ESO QC STACK NRESAMP"] == 2
    assert header["ESO QC VRAD BARYCOR"] == shifts[0]
    assert (header["CRVAL1"], header["CDELT1"], header["CTYPE1"]) == (4500.0, 0.2, "AWAV")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("velocity", "no velocity correction"),
        ("errors", "no ERRORBAR_SCI_POINT_BLUE"),
        ("twice", "each once"),
        ("one", "no spectrum has two exposures"),
    ],
)
def test_what_cannot_be_stacked_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], spoil: str, words: str
) -> None:
    rng = np.random.default_rng(8)
    frames = [file for number in range(2) for file in chip_images(tmp_path, number, 1.0 + number, rng)]
    if spoil == "velocity":
        fits.delval(frames[2][0], "HIERARCH ESO QC VRAD BARYCOR")
    elif spoil == "errors":
        del frames[1]
    elif spoil == "twice":
        frames.append(frames[0])
    else:
        frames = frames[:2]
    code, products = reduce(tmp_path, frames)
    assert code != 0
    assert products == []
    assert words in capsys.readouterr().out


@settings(max_examples=60, deadline=None)
@given(
    shift=st.floats(-3, 3),
    stretch=st.floats(0.5, 2.0),
    seed=st.integers(0, 1000),
)
def test_resampling_keeps_the_light(shift: float, stretch: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    wave = 400 + 0.1 * np.arange(200)
    flux = np.zeros(200)
    flux[50:150] = rng.uniform(0, 100, 100)
    samples = Samples(flux, np.ones(200), np.ones(200, dtype=bool))
    target = np.arange(395, 425, 0.1 * stretch) + 0.1 * shift
    result = resample(wave, samples, target)
    light = np.sum(flux * np.diff(bin_edges(wave)))
    assert np.sum(result.flux * np.diff(bin_edges(target))) == pytest.approx(light, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(2, 6), seed=st.integers(0, 1000), kappa=st.floats(1, 10))
def test_rejection_always_leaves_a_value_where_there_was_one(count: int, seed: int, kappa: float) -> None:
    rng = np.random.default_rng(seed)
    flux = rng.normal(0, 50, (count, 64))
    good = rng.random((count, 64)) < 0.7
    combined = combine(flux, np.ones((count, 64)), good, np.ones(count), Rejection(kappa, kappa))
    assert np.array_equal(combined.contributions > 0, good.any(axis=0))
    assert np.all(np.isfinite(combined.flux))
    assert np.all(np.isfinite(combined.error))
    assert not np.any(combined.rejected & ~good)
