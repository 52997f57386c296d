"""Light on the detector: order spectra in electrons per row, spread along the slit into an image."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import erf

from phoenix.simulation.xshooter.geometry import SLIT_LENGTH_ARCSEC, Echellogram
from phoenix.simulation.xshooter.light import Density
from phoenix.simulation.xshooter.settings import Arm

Floats = NDArray[np.float64]
#: Fraction of the light of a row that falls on a pixel of so many arcsec at this position of the slit.
SlitProfile = Callable[[Floats, float], Floats]

FWHM_PER_SIGMA = 2.3548
OVERSAMPLING = 5
#: Rows beyond the detector's edges whose light the tilted slit brings onto it.
MARGIN_PX = 40
_REACH_ARCSEC = SLIT_LENGTH_ARCSEC / 2 + 2.0
_EDGE_ARCSEC = 0.08


def fine_rows(orders: Echellogram) -> Floats:
    """Rows of order spectra, `OVERSAMPLING` per pixel."""
    count = (orders.ny + 2 * MARGIN_PX) * OVERSAMPLING
    return (np.arange(count) + 0.5) / OVERSAMPLING - 0.5 - MARGIN_PX


def continuum(orders: Echellogram, density: Density) -> dict[int, Floats]:
    """Spectra of a continuous source, broadened by the slit image: electrons per row, by order."""
    rows = fine_rows(orders)
    sigma = orders.layout.line_fwhm_px / FWHM_PER_SIGMA * OVERSAMPLING
    spectra = {}
    for order in orders.orders:
        wave_nm = orders.wave_nm(order, rows)
        light = density(wave_nm) * np.gradient(wave_nm, rows) * orders.blaze(order, wave_nm)
        spectra[order] = gaussian_filter1d(light, sigma, mode="nearest")
    return spectra


def emission_lines(orders: Echellogram, wave_nm: Floats, electrons: Floats) -> dict[int, Floats]:
    """Spectra of unresolved lines of so many electrons each at the blaze peak."""
    rows = fine_rows(orders)
    sigma = orders.layout.line_fwhm_px / FWHM_PER_SIGMA
    reach = int(6 * sigma * OVERSAMPLING)
    spectra = {}
    for order in orders.orders:
        spectrum = np.zeros(len(rows))
        centres = orders.row(order, wave_nm)
        brightness = electrons * orders.blaze(order, wave_nm)
        for centre, light in zip(centres, brightness, strict=True):
            if not rows[0] < centre < rows[-1]:
                continue
            middle = np.searchsorted(rows, centre)
            near = slice(max(0, middle - reach), middle + reach)
            shape = np.exp(-0.5 * ((rows[near] - centre) / sigma) ** 2)
            spectrum[near] += light * shape / (sigma * np.sqrt(2 * np.pi))
        spectra[order] = spectrum
    return spectra


def image(orders: Echellogram, spectra: dict[int, Floats], profile: SlitProfile) -> Floats:
    """Return the expected electrons per pixel, shape (ny, nx), dispersion along y."""
    frame = np.zeros((orders.ny, orders.nx))
    fine, y = fine_rows(orders), np.arange(orders.ny, dtype=float)[:, None]
    scale = orders.layout.scale_arcsec
    reach = int(_REACH_ARCSEC / scale)
    for order, spectrum in spectra.items():
        centre = orders.centre_column(order, y)
        first = max(0, int(centre.min()) - reach)
        last = min(orders.nx, int(centre.max()) + reach + 1)
        slit_arcsec = (np.arange(first, last) - centre) * scale
        light = np.interp(orders.straightened(y, slit_arcsec), fine, spectrum)
        frame[:, first:last] += light * profile(slit_arcsec, scale)
    return frame


def _share(pixel_arcsec: float, low: Floats, high: Floats, sigma_arcsec: float) -> Floats:
    """Fraction of a pixel between two soft edges."""
    width = sigma_arcsec * np.sqrt(2.0)
    return np.asarray(pixel_arcsec * 0.5 * (erf(low / width) - erf(high / width)), float)


def point(fwhm_arcsec: float, centre_arcsec: float = 0.0) -> SlitProfile:
    """Gaussian along the slit, integrated over pixels."""
    sigma = fwhm_arcsec / FWHM_PER_SIGMA
    return partial(_gaussian, sigma_arcsec=sigma, centre_arcsec=centre_arcsec)


def _gaussian(slit_arcsec: Floats, pixel_arcsec: float, sigma_arcsec: float, centre_arcsec: float) -> Floats:
    width, half = sigma_arcsec * np.sqrt(2.0), pixel_arcsec / 2
    offset = slit_arcsec - centre_arcsec
    return np.asarray(0.5 * (erf((offset + half) / width) - erf((offset - half) / width)), float)


def points(fwhm_arcsec: float, centres_arcsec: tuple[float, ...]) -> SlitProfile:
    """Several pinholes, each as bright as one alone."""
    each = [point(fwhm_arcsec, centre) for centre in centres_arcsec]
    return lambda slit_arcsec, pixel: np.sum([one(slit_arcsec, pixel) for one in each], axis=0)


def filled_slit(slit_arcsec: Floats, pixel_arcsec: float) -> Floats:
    """Light spread evenly over the slit, with soft ends."""
    half = SLIT_LENGTH_ARCSEC / 2
    lit = _share(pixel_arcsec, slit_arcsec + half, slit_arcsec - half, _EDGE_ARCSEC)
    return lit / SLIT_LENGTH_ARCSEC


def to_raw(image: Floats, arm: Arm) -> Floats:
    """Turn an image into raw orientation, with the dark edges that the pipeline cuts off."""
    left, right, below, above = arm.cut_px
    return np.rot90(np.pad(image, ((below, above), (left, right))), arm.turns)
