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


def spectrum_of(night: XshooterNight, task: str) -> tuple[np.ndarray, np.ndarray, ScienceTruth]:
    """Return wavelengths (nm), flux densities and the truth of the first exposure."""
    with fits.open(night.product(task, "SDP_SCI_SLIT_FLUX_MERGE1D")) as hdus:
        header, row = hdus[0].header, hdus[1].data[0]
        return row["WAVE"], row["FLUX"], night.truth.exposure(header["ESO PRO REC1 RAW1 NAME"])


def test_each_task_ran_once(reduced_xshooter: XshooterNight) -> None:
    assert sorted(row.task for row in reduced_xshooter.abs_) == [
        "bias", "flat", "format_check", "order_position", "response",
        "science_nod", "science_offset", "science_stare", "telluric_nod", "wavelength",
    ]  # fmt: skip


def test_orders_are_traced_where_they_are(reduced_xshooter: XshooterNight) -> None:
    orders = Echellogram(LAYOUTS["small", "VIS"], SHIFT_PX)
    rows = np.arange(10.0, orders.ny - 10.0)
    edges = fits.getdata(reduced_xshooter.product("flat", "ORDER_TAB_EDGES_SLIT"))

    def traced(which: str, line: fits.FITS_record) -> np.ndarray:
        terms = [name for name in edges.names if name.startswith(which)]
        return sum(line[name] * (rows + 1) ** int(name.removeprefix(which)) for name in terms) - 1

    assert sorted(edges["ABSORDER"]) == sorted(orders.orders)
    for line in edges:
        wrong = traced("CENCOEF", line) - orders.centre_column(int(line["ABSORDER"]), rows)
        assert abs(wrong).max() < 0.05
        width = traced("EDGUPCOEF", line) - traced("EDGLOCOEF", line)
        assert np.median(width) == pytest.approx(11.0 / orders.layout.scale_arcsec, abs=0.3)


def test_the_maps_tell_wavelength_and_slit_position_of_each_pixel(reduced_xshooter: XshooterNight) -> None:
    orders = Echellogram(LAYOUTS["small", "VIS"], SHIFT_PX)
    wave_nm, slit = (
        fits.getdata(reduced_xshooter.product("wavelength", f"{name}_MAP")) for name in ("WAVE", "SLIT")
    )
    y, x = np.mgrid[30 : orders.ny - 30, 0 : orders.nx].astype(float)
    for order in orders.orders:
        true_slit = (x - orders.centre_column(order, y)) * orders.layout.scale_arcsec
        inside = abs(true_slit) < 5.0
        true_nm = orders.wave_nm(order, orders.straightened(y, true_slit))
        wrong_kms = (wave_nm[30:-30] / true_nm - 1)[inside] * 299792.458
        assert abs(np.median(wrong_kms)) < 0.3, order
        assert np.std(wrong_kms) < 2.0, order
        assert np.std((slit[30:-30] - true_slit)[inside]) < 0.02, order


@pytest.mark.parametrize("task", ["science_stare", "science_nod", "science_offset"])
def test_spectra_are_those_of_the_stars(reduced_xshooter: XshooterNight, task: str) -> None:
    wave_nm, flux, exposure = spectrum_of(reduced_xshooter, task)
    assert wave_nm[1] - wave_nm[0] == pytest.approx(BIN_NM)
    windows = [(wave_nm > low) & (wave_nm < low + 30.0) for low in range(545, 870, 35)]
    ratios = [np.median(flux[w] / exposure.science_flux(wave_nm[w])) for w in windows]
    # Absorption lines, broadened and true, differ; their medians over 30 nm do not.
    np.testing.assert_allclose(ratios, 1.0, atol=0.02)
    wrong_kms = [
        velocity_error_kms(wave_nm[w], flux[w], exposure, LAYOUTS["small", "VIS"], BIN_NM) for w in windows
    ]
    assert abs(np.median(wrong_kms)) < 1.0, wrong_kms
    assert np.std(wrong_kms) < 3.0, wrong_kms


def test_a_telluric_standard_is_reduced_as_science_is(reduced_xshooter: XshooterNight) -> None:
    header = fits.getheader(reduced_xshooter.product("telluric_nod", "SDP_TELL_SLIT_FLUX_MERGE1D"))
    assert header["ESO PRO CATG"] == "SCI_SLIT_FLUX_IDP_VIS"
    assert header["PRODCATG"] == "SCIENCE.SPECTRUM"
    assert header["ESO QC FLUX SN"] > 50
