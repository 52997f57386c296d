"""From slit to detector: wavelengths of the rows, traces of the fibres, light on pixels.

The spectrograph is the pipeline's own optical model (collimator, grating, camera), written out again, so that
simulator and recipe share their physics: that closes the loop, and proves nothing about real spectra.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from phoenix.simulation.giraffe.fibres import Fibre
from phoenix.simulation.giraffe.settings import (
    CAMERA_FACTOR,
    COLLIMATOR_MM,
    GROOVES_PER_MM,
    PIXEL_MM,
    ROWS,
    Setup,
)

Floats = NDArray[np.float64]

#: True offset of the slit; the grating table says zero, so that the wavelength calibration has to find it.
SLIT_OFFSET_MM = 0.08
#: Width of a fibre across the dispersion, px.
FIBRE_SIGMA_PX = 2.0
_FIBRE_REACH_PX = 14
_LINE_REACH_SIGMA = 6.0


def row_of(setup: Setup, fibre: Fibre, wave_nm: Floats) -> Floats:
    """Row, from 0, on which a wavelength of a fibre falls."""
    x_mm, y_mm = fibre.x_mm + SLIT_OFFSET_MM, fibre.y_mm
    to_grating = np.sqrt(x_mm**2 + y_mm**2 + COLLIMATOR_MM**2)
    cosine, sine = np.cos(setup.angle_rad), np.sin(setup.angle_rad)
    diffracted = (cosine * x_mm + sine * COLLIMATOR_MM) / to_grating
    diffracted = diffracted - wave_nm * 1e-6 * setup.order * GROOVES_PER_MM
    along = np.sqrt(1 - (y_mm / to_grating) ** 2 - diffracted**2)
    in_camera = (cosine * diffracted + sine * along) / (-sine * diffracted + cosine * along)
    return np.asarray(ROWS / 2 - CAMERA_FACTOR * COLLIMATOR_MM * in_camera / PIXEL_MM, float)


def wave_of_rows_nm(setup: Setup, fibre: Fibre) -> Floats:
    """Wavelength of each row of a fibre, shape (ROWS,)."""
    grid_nm = np.linspace(setup.shortest_nm - 10.0, setup.longest_nm + 10.0, 8001)
    return np.interp(np.arange(ROWS), row_of(setup, fibre, grid_nm), grid_nm)


def trace_px(fibre: Fibre) -> Floats:
    """Column, from 0, of a fibre's centre on each row, shape (ROWS,)."""
    place = (np.arange(ROWS) - ROWS / 2) / (ROWS / 2)
    return np.asarray(fibre.column_px + 1.5 * place + 3.0 * place**2, float)


def emission_lines(wave_nm: Floats, centres_nm: Floats, electrons: Floats, sigma_nm: float) -> Floats:
    """Electrons per row of unresolved lines, each with so many electrons in all."""
    half_nm = np.gradient(wave_nm) / 2
    edges_nm = np.append(wave_nm - half_nm, wave_nm[-1] + half_nm[-1])
    spectrum = np.zeros(len(wave_nm))
    for centre_nm, light in zip(centres_nm, electrons, strict=True):
        first, last = np.searchsorted(
            edges_nm, [centre_nm - _LINE_REACH_SIGMA * sigma_nm, centre_nm + _LINE_REACH_SIGMA * sigma_nm]
        )
        first, last = max(0, first - 1), min(len(wave_nm), last)
        if last > first:
            below = erf((edges_nm[first : last + 1] - centre_nm) / (sigma_nm * np.sqrt(2)))
            spectrum[first:last] += light * np.diff(below) / 2
    return spectrum


def image(fibres: tuple[Fibre, ...], spectra: Floats, columns: int) -> Floats:
    """Electrons per pixel, shape (ROWS, columns), of spectra in electrons per row, shape (fibres, ROWS)."""
    made = np.zeros((ROWS, columns))
    for fibre, spectrum in zip(fibres, spectra, strict=True):
        if not spectrum.any():
            continue
        centre = trace_px(fibre)
        first = max(0, int(centre.min()) - _FIBRE_REACH_PX)
        last = min(columns, int(centre.max()) + _FIBRE_REACH_PX + 1)
        edges = np.arange(first, last + 1) - 0.5 - centre[:, np.newaxis]
        profile = np.diff(erf(edges / (FIBRE_SIGMA_PX * np.sqrt(2))), axis=1) / 2
        made[:, first:last] += spectrum[:, np.newaxis] * profile
    return made
