"""A simulated XSHOOTER night through the real recipes to flux calibrated spectra, held against the truth."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from phoenix.simulation.truth import ScienceTruth
from phoenix.simulation.xshooter.geometry import Echellogram
from phoenix.simulation.xshooter.settings import LAYOUTS, SHIFT_PX
from truth_xshooter import velocity_error_kms
from xshooter_night import BIN_NM, XshooterNight

pytestmark = pytest.mark.engine


ARMS = ("UVB", "VIS", "NIR")
#: Ranges in nm where the pipeline draws no response across bands of the atmosphere, which are not simulated.
CLEAN = {
    "UVB": [(low, low + 25.0) for low in range(320, 540, 25)],
    "VIS": [(low, low + 30.0) for low in range(545, 870, 35)],
    "NIR": [(1000.0, 1080.0), (1510.0, 1600.0), (1600.0, 1700.0), (2050.0, 2200.0), (2200.0, 2400.0)],
}
MODES = [
    ("science_stare", "VIS"),
    ("science_nod", "VIS"),
    ("science_offset", "VIS"),
    ("science_nod", "UVB"),
    ("science_nod", "NIR"),
]


def spectrum_of(night: XshooterNight, task: str, arm: str) -> tuple[np.ndarray, np.ndarray, ScienceTruth]:
    """Return wavelengths (nm), flux densities and the truth of the first exposure."""
    with fits.open(night.product(task, "SDP_SCI_SLIT_FLUX_MERGE1D", arm)) as hdus:
        header, row = hdus[0].header, hdus[1].data[0]
        return row["WAVE"], row["FLUX"], night.truth.exposure(header["ESO PRO REC1 RAW1 NAME"])


def test_each_task_ran_in_each_arm(reduced_xshooter: XshooterNight) -> None:
    every = [
        "flat", "format_check", "order_position", "response",
        "science_nod", "science_offset", "science_stare", "telluric_nod", "wavelength",
    ]  # fmt: skip
    assert sorted(row.task for row in reduced_xshooter.abs_) == sorted(3 * every + 2 * ["bias"])


@pytest.mark.parametrize("arm", ARMS)
def test_orders_are_traced_where_they_are(reduced_xshooter: XshooterNight, arm: str) -> None:
    orders = Echellogram(LAYOUTS["small", arm], SHIFT_PX)
    rows = np.arange(10.0, orders.ny - 10.0)
    edges = fits.getdata(reduced_xshooter.product("flat", "ORDER_TAB_EDGES_SLIT", arm))

    def traced(which: str, line: fits.FITS_record) -> np.ndarray:
        terms = [name for name in edges.names if name.startswith(which)]
        return sum(line[name] * (rows + 1) ** int(name.removeprefix(which)) for name in terms) - 1

    assert sorted(edges["ABSORDER"]) == sorted(orders.orders)
    for line in edges:
        wrong = traced("CENCOEF", line) - orders.centre_column(int(line["ABSORDER"]), rows)
        assert abs(wrong).max() < 0.05
        width = traced("EDGUPCOEF", line) - traced("EDGLOCOEF", line)
        assert np.median(width) == pytest.approx(11.0 / orders.layout.scale_arcsec, abs=0.3)


@pytest.mark.parametrize("arm", ARMS)
def test_the_maps_tell_wavelength_and_slit_position_of_each_pixel(
    reduced_xshooter: XshooterNight, arm: str
) -> None:
    """In the free spectral range of each order; beyond it there are no lines, and polynomials run away."""
    orders = Echellogram(LAYOUTS["small", arm], SHIFT_PX)
    wave_nm, slit = (
        fits.getdata(reduced_xshooter.product("wavelength", f"{name}_MAP", arm)) for name in ("WAVE", "SLIT")
    )
    y, x = np.mgrid[30 : orders.ny - 30, 0 : orders.nx].astype(float)
    for order in orders.orders:
        true_slit = (x - orders.centre_column(order, y)) * orders.layout.scale_arcsec
        true_nm = orders.wave_nm(order, orders.straightened(y, true_slit))
        shortest, longest = orders.free_nm(order)
        inside = (abs(true_slit) < 5.0) & (true_nm > shortest) & (true_nm < longest)
        wrong_kms = (wave_nm[30:-30] / true_nm - 1)[inside] * 299792.458
        assert abs(np.median(wrong_kms)) < 0.6, order
        assert np.std(wrong_kms) < 1.5, order
        assert np.std((slit[30:-30] - true_slit)[inside]) < 0.02, order


@pytest.mark.parametrize(("task", "arm"), MODES)
def test_fluxes_are_those_of_the_stars(reduced_xshooter: XshooterNight, task: str, arm: str) -> None:
    wave_nm, flux, exposure = spectrum_of(reduced_xshooter, task, arm)
    assert wave_nm[1] - wave_nm[0] == pytest.approx(BIN_NM)
    inside = [(wave_nm > low) & (wave_nm < high) for low, high in CLEAN[arm]]
    # Absorption lines, broadened and true, differ; their medians over many do not.
    ratios = [np.median(flux[window] / exposure.science_flux(wave_nm[window])) for window in inside]
    np.testing.assert_allclose(ratios, 1.0, atol=0.035 if arm == "NIR" else 0.02)


@pytest.mark.parametrize(("task", "arm"), [mode for mode in MODES if mode[1] != "NIR"])
def test_velocities_are_those_of_the_stars(reduced_xshooter: XshooterNight, task: str, arm: str) -> None:
    """Simulated stars have no lines in NIR."""
    wave_nm, flux, exposure = spectrum_of(reduced_xshooter, task, arm)
    layout = LAYOUTS["small", arm]
    wrong_kms = []
    for low, high in CLEAN[arm]:
        window = (wave_nm > low) & (wave_nm < high)
        wrong_kms.append(velocity_error_kms(wave_nm[window], flux[window], exposure, layout, BIN_NM))
    assert abs(np.median(wrong_kms)) < 1.5, wrong_kms
    assert np.std(wrong_kms) < 4.0, wrong_kms


def test_a_telluric_standard_is_reduced_as_science_is(reduced_xshooter: XshooterNight) -> None:
    header = fits.getheader(reduced_xshooter.product("telluric_nod", "SDP_TELL_SLIT_FLUX_MERGE1D"))
    assert header["ESO PRO CATG"] == "SCI_SLIT_FLUX_IDP_VIS"
    assert header["PRODCATG"] == "SCIENCE.SPECTRUM"
    assert header["ESO QC FLUX SN"] > 50
