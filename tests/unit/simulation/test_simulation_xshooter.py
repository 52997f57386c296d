"""One simulated XSHOOTER night on disk: geometry, frames, headers, theoretical tables, truth."""

from __future__ import annotations

import hashlib
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.truth import load_truth
from phoenix.simulation.xshooter.geometry import PINHOLES_ARCSEC, Echellogram
from phoenix.simulation.xshooter.settings import ARMS, LAYOUTS, SHIFT_PX, VIS

NIGHT = "2021-03-04"
PLAN = SimulationPlan("XSHOOTER", "2021-03", 1, 7, "small")

Headers = dict[str, fits.Header]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("month")
    simulator("XSHOOTER").simulate(PLAN, out, lambda _done, _all, _name: None)
    return out


@pytest.fixture(scope="module")
def headers(month: Path) -> Headers:
    return {path.name: fits.getheader(path) for path in sorted(month.glob(f"raw/{NIGHT}/*.fits"))}


def image(month: Path, headers: Headers, dpr_type: str, tech: str, number: int = 0) -> np.ndarray:
    """Counts of a VIS frame above the bias, without prescan and overscan."""
    names = [
        name
        for name, h in headers.items()
        if (h["ESO DPR TYPE"], h["ESO DPR TECH"], h["ESO SEQ ARM"]) == (dpr_type, tech, "VIS")
    ]
    raw = fits.getdata(month / "raw" / NIGHT / names[number]).astype(float)
    return raw[:, VIS.prescan_px : -VIS.overscan_px] - VIS.bias_adu


@pytest.mark.parametrize("size", ["small", "full"])
@pytest.mark.parametrize("arm", ARMS, ids=lambda arm: arm.name)
def test_rows_and_wavelengths_are_each_others_inverse(size: str, arm: object) -> None:
    layout = LAYOUTS[size, arm.name]  # type: ignore[attr-defined]
    orders = Echellogram(layout, (0.3, -0.7))
    rows = np.linspace(0.0, layout.ny - 1.0, 50)
    for order in orders.orders:
        wave_nm = orders.wave_nm(order, rows)
        assert np.all(np.diff(wave_nm) > 0)
        np.testing.assert_allclose(orders.row(order, wave_nm), rows, atol=1e-6)
        for slit_arcsec in (-5.0, 0.0, 5.0):
            x, y = orders.position(order, wave_nm, slit_arcsec)
            np.testing.assert_allclose(orders.straightened(y, np.array(slit_arcsec)), rows, atol=1e-6)
            np.testing.assert_allclose(
                (x - orders.centre_column(order, y)) * layout.scale_arcsec, slit_arcsec
            )


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=["-".join(key) for key in LAYOUTS])
def test_orders_lie_apart_on_the_detector_and_overlap_in_wavelength(layout: object) -> None:
    orders = Echellogram(layout)  # type: ignore[arg-type]
    rows = np.arange(orders.ny, dtype=float)
    half = 5.5 / orders.layout.scale_arcsec
    centres = [orders.centre_column(order, rows) for order in orders.orders]
    assert all(np.min(right - left) > 2 * half + 8 for left, right in pairwise(centres))
    assert min(centres[0]) - half > 5
    assert max(centres[-1]) + half < orders.nx - 5
    assert orders.ny % 8 == 0
    for blue, red in pairwise(orders.orders):
        assert orders.covered_nm(red)[0] < orders.free_nm(blue)[1] < orders.covered_nm(blue)[1]


ON_SKY = {
    ("OBJECT", "ECHELLE,SLIT,STARE"): 1,
    ("OBJECT", "ECHELLE,SLIT,NODDING"): 2,
    ("OBJECT", "ECHELLE,SLIT,OFFSET"): 1,
    ("SKY", "ECHELLE,SLIT,OFFSET"): 1,
    ("STD,TELLURIC", "ECHELLE,SLIT,NODDING"): 2,
    ("STD,FLUX", "ECHELLE,SLIT,STARE"): 1,
}
PINHOLE, PINHOLES, SLIT = "ECHELLE,PINHOLE", "ECHELLE,MULTI-PINHOLE", "ECHELLE,SLIT"
CALIBRATIONS = {
    "UVB": {
        ("BIAS", "IMAGE"): 3,
        ("LAMP,FMTCHK", PINHOLE): 1,
        ("LAMP,DORDERDEF", PINHOLE): 1,
        ("LAMP,QORDERDEF", PINHOLE): 1,
        ("LAMP,DFLAT", SLIT): 3,
        ("LAMP,QFLAT", SLIT): 3,
        ("LAMP,WAVE", PINHOLES): 1,
    },
    "VIS": {
        ("BIAS", "IMAGE"): 3,
        ("LAMP,FMTCHK", PINHOLE): 1,
        ("LAMP,ORDERDEF", PINHOLE): 1,
        ("LAMP,FLAT", SLIT): 3,
        ("LAMP,WAVE", PINHOLES): 1,
    },
    # Each lamp switched on and off.
    "NIR": {
        ("LAMP,FMTCHK", PINHOLE): 1,
        ("LAMP,FMTCHK", "IMAGE"): 1,
        ("LAMP,ORDERDEF", PINHOLE): 1,
        ("LAMP,ORDERDEF", "IMAGE"): 1,
        ("LAMP,FLAT", SLIT): 3,
        ("LAMP,FLAT", "IMAGE"): 3,
        ("LAMP,WAVE", PINHOLES): 1,
        ("LAMP,WAVE", "IMAGE"): 1,
    },
}


@pytest.mark.parametrize("arm", CALIBRATIONS)
def test_a_night_holds_every_mode_and_its_calibrations(headers: Headers, arm: str) -> None:
    found = Counter(
        (h["ESO DPR TYPE"], h["ESO DPR TECH"]) for h in headers.values() if h["ESO SEQ ARM"] == arm
    )
    assert found == ON_SKY | CALIBRATIONS[arm]


def test_headers_are_written_as_eso_writes_them(headers: Headers) -> None:
    for name, header in headers.items():
        assert header["ARCFILE"] == name == f"XSHOO.{header['DATE-OBS']}.fits"
        assert (header["TELESCOP"], header["INSTRUME"]) == ("ESO-VLT-U2", "XSHOOTER")
        assert header["PHX SIMULATED"] is True
        groups = [key.split()[1] for key in header if key.startswith("ESO ")]
        assert list(dict.fromkeys(groups)) == ["DPR", "OBS", "TPL", "TEL", "ADA", "INS", "DET", "SEQ"]
        assert header["DATE-OBS"] >= header["ESO TPL START"] >= header["ESO OBS START"]
        width = {"UVB": 1240 + 96, "VIS": 1530 + 58, "NIR": 696 + 8}[header["ESO SEQ ARM"]]
        assert (header["NAXIS1"], header.get("ESO DET WIN1 NX", header.get("ESO DET CHIP NX"))) == (
            width,
            width,
        )
        # The array of NIR is read without a clock and never binned.
        assert (
            ("ESO DET WIN1 BINX" in header)
            == (header["ESO SEQ ARM"] != "NIR")
            == ("ESO DET DIT" not in header)
        )


def test_the_star_stands_where_the_offsets_say(month: Path, headers: Headers) -> None:
    """The recipe wants a star of a positive position on the slit to have a negative cumulative offset."""
    orders = Echellogram(LAYOUTS["small", "VIS"], SHIFT_PX)
    row = np.array([orders.ny // 2])
    nods = [
        h
        for h in headers.values()
        if (h["ESO DPR TYPE"], h["ESO SEQ ARM"]) == ("OBJECT", "VIS") and "NODDING" in h["ESO DPR TECH"]
    ]
    assert [h["ESO SEQ CUMOFF Y"] for h in nods] == [-2.5, 2.5]
    for number, header in enumerate(nods):
        counts = image(month, headers, "OBJECT", "ECHELLE,SLIT,NODDING", number)[row[0] - 20 : row[0] + 20]
        centre = orders.centre_column(20, row)[0]
        near = slice(int(centre) - 34, int(centre) + 35)
        brightest = int(centre) - 34 + int(np.argmax(np.median(counts[:, near], axis=0)))
        expected = centre - header["ESO SEQ CUMOFF Y"] / orders.layout.scale_arcsec
        assert abs(brightest - expected) < 2


def test_theoretical_tables_tell_where_lines_are_but_for_the_shift(month: Path, headers: Headers) -> None:
    single, several = (
        fits.getdata(month / "static" / f"THEO_TAB_{kind}_VIS.fits") for kind in ("SING", "MULT")
    )
    assert len(several) == len(PINHOLES_ARCSEC) * len(single)
    counts = image(month, headers, "LAMP,FMTCHK", "ECHELLE,PINHOLE")
    y, x = np.mgrid[-5:6, -5:6]
    wrong = []
    for line in single:
        column, row = round(line["detector_x"] - 1), round(line["detector_y"] - 1)
        box = np.clip(counts[row - 5 : row + 6, column - 5 : column + 6] - 10.0, 0.0, None)
        wrong.append(
            (
                column + (x * box).sum() / box.sum() - (line["detector_x"] - 1),
                row + (y * box).sum() / box.sum() - (line["detector_y"] - 1),
            )
        )
    np.testing.assert_allclose(np.median(wrong, axis=0), SHIFT_PX, atol=0.05)
    assert np.std(wrong, axis=0).max() < 0.2


def test_theoretical_tables_name_a_line_in_one_order_and_go_through_all(month: Path) -> None:
    """Otherwise the recipe loses the trace of an order, or takes a line for one of another order."""
    lines = fits.getdata(month / "static" / "THEO_TAB_SING_VIS.fits")
    assert len(np.unique(lines["Wavelength"])) == len(lines)
    assert list(dict.fromkeys(lines["Order"])) == list(range(30, 15, -1))
    for order in range(16, 31):
        assert np.count_nonzero(lines["Order"] == order) > 10
    spectral = fits.getdata(month / "static" / "SPECTRAL_FORMAT_TAB_VIS.fits")
    assert list(spectral["ORDER"]) == list(range(16, 31))
    assert np.all(spectral["WLMIN"][:-1] < spectral["WLMAX"][1:])


def test_nothing_is_saturated(month: Path) -> None:
    for path in month.glob(f"raw/{NIGHT}/*.fits"):
        counts = fits.getdata(path)
        assert np.count_nonzero(counts > 60000) < 50, path.name


def test_truth_tells_each_star_that_was_seen(month: Path, headers: Headers) -> None:
    truth = load_truth(month / "truth.json")
    assert {exposure.arcfile for exposure in truth.exposures} == {
        name for name, header in headers.items() if header["ESO DPR TYPE"] == "OBJECT"
    }
    for exposure in truth.exposures:
        header = headers[exposure.arcfile]
        assert (exposure.ob_id, exposure.exptime_s) == (header["ESO OBS ID"], header["EXPTIME"])
        assert exposure.velocity_kms + exposure.barycentric_correction_kms == pytest.approx(
            exposure.star.velocity_kms
        )
        assert np.median([noise.snr_per_column for noise in exposure.snr]) > 20


def test_lost_files_come_back_byte_by_byte(month: Path) -> None:
    lost = [*sorted(month.glob(f"raw/{NIGHT}/*.fits"))[::9], *month.glob("static/THEO_TAB_MULT_*.fits")]
    before = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in lost}
    for path in lost:
        path.unlink()
    simulator("XSHOOTER").simulate(PLAN, month, lambda _done, _all, _name: None)
    assert {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in lost} == before
