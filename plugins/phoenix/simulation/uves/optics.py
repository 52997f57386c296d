"""Light on the chip: order spectra in electrons per column, spread along the slit into an image."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import erf

from phoenix.simulation.uves.geometry import Echellogram

Floats = NDArray[np.float64]
#: Fraction of the light of a column that falls on a pixel this far (rows) from the order's centre.
SlitProfile = Callable[[Floats], Floats]

FWHM_PER_SIGMA = 2.3548
OVERSAMPLING = 5


def continuum(orders: Echellogram, electrons_per_nm: Callable[[Floats], Floats]) -> Floats:
    """Order spectra of a continuous source, broadened by the slit image.

    Parameters
    ----------
    electrons_per_nm : callable
        Detected electrons per nm at the peak of the blaze, for wavelengths in nm.

    Returns
    -------
    ndarray, shape (orders, columns)
        Electrons per column.
    """
    x = (np.arange(orders.nx * OVERSAMPLING) + 0.5) / OVERSAMPLING - 0.5
    wave_nm = orders.wave_nm(x)
    spectrum = electrons_per_nm(wave_nm) * np.gradient(wave_nm, x, axis=1) * orders.blaze(wave_nm)
    sigma = orders.line_fwhm_px / FWHM_PER_SIGMA * OVERSAMPLING
    broad = gaussian_filter1d(spectrum, sigma, axis=1, mode="nearest")
    return np.asarray(broad.reshape(len(orders.orders), orders.nx, OVERSAMPLING).mean(axis=2), float)


def emission_lines(orders: Echellogram, wave_nm: Floats, electrons: Floats) -> Floats:
    """Order spectra of a line lamp, lines integrated over the columns; shape (orders, columns)."""
    sigma = orders.line_fwhm_px / FWHM_PER_SIGMA
    reach = int(np.ceil(8 * sigma)) + 1
    offsets = np.arange(-reach, reach + 1)
    spectrum = np.zeros((len(orders.orders), orders.nx))
    for row, (lines, x) in enumerate(orders.columns(wave_nm)):
        blaze = orders.blaze_of(orders.orders[row], wave_nm[lines])
        columns = np.rint(x).astype(int)[:, None] + offsets
        edges = (columns - x[:, None]) / (sigma * np.sqrt(2.0))
        half = 0.5 / (sigma * np.sqrt(2.0))
        share = 0.5 * (erf(edges + half) - erf(edges - half)) * (electrons[lines] * blaze)[:, None]
        on_chip = (columns >= 0) & (columns < orders.nx)
        spectrum[row] = np.bincount(columns[on_chip], share[on_chip], minlength=orders.nx)
    return spectrum


def image(orders: Echellogram, spectrum: Floats, profile: SlitProfile, background_e: float) -> Floats:
    """Return the expected electrons per pixel in standard orientation; shape (ny, nx).

    Parameters
    ----------
    background_e : float
        Scattered light, electrons per pixel, flat.
    """
    frame = np.full((orders.ny, orders.nx), background_e)
    x = np.arange(orders.nx)
    reach = int(orders.slit_px / 2 + 8)
    offsets = np.arange(-reach, reach + 1)[:, None]
    for centre, light in zip(orders.rows(x.astype(float)), spectrum, strict=True):
        rows = np.floor(centre).astype(int) + offsets
        share = profile(rows - centre) * light
        on_chip = (rows >= 0) & (rows < orders.ny)
        columns = np.broadcast_to(x, rows.shape)
        frame[rows[on_chip], columns[on_chip]] += share[on_chip]
    return frame


def point_source(fwhm_px: float, offset_px: float = 0.0) -> SlitProfile:
    """Gaussian along the slit, integrated over pixels."""
    width = fwhm_px / FWHM_PER_SIGMA * np.sqrt(2.0)

    def share(distance: Floats) -> Floats:
        shifted = distance - offset_px
        return np.asarray(0.5 * (erf((shifted + 0.5) / width) - erf((shifted - 0.5) / width)), float)

    return share


def filled_slit(slit_px: float, edge_px: float = 0.5) -> SlitProfile:
    """Uniform light over the slit with soft edges."""
    width = edge_px * np.sqrt(2.0)

    def share(distance: Floats) -> Floats:
        top = erf((distance + slit_px / 2) / width) - erf((distance - slit_px / 2) / width)
        return np.asarray(0.5 * top / slit_px, float)

    return share


def star_and_sky(star: SlitProfile, sky: SlitProfile, sky_fraction: float) -> SlitProfile:
    """Add to a star sky light of `sky_fraction` of the star's, spread over the slit."""
    return lambda distance: star(distance) + sky_fraction * sky(distance)
