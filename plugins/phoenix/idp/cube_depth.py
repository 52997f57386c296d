"""How faint a point source a white-light image shows: our own estimate, where a recipe gives none."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

_LIGHT_ANGSTROM_S = 2.99792458e18
#: Median absolute deviation -> standard deviation of a normal distribution.
_MAD_TO_SIGMA = 1.4826
_SIGMAS = 5.0


def point_source_limit(
    white: npt.NDArray[np.float32], flux_unit: float, wave_nm: float, fwhm_arcsec: float, pixel_area: float
) -> float | None:
    """Return the AB magnitude of a point source that stands five standard deviations above the sky.

    The sky's noise is 1.4826 times the median absolute deviation of all pixels, so that objects in less than
    half of them do not count. A source of Gaussian shape, weighted with its shape, has the noise of
    ``4 pi s^2 / a`` pixels (s: standard deviation of the shape, a: area of a pixel). Neighbouring pixels
    of a resampled cube are correlated, which the estimate leaves aside: it is too deep by some tenths.

    Parameters
    ----------
    white : ndarray
        Mean flux density over wavelength; NaN where there is none.
    flux_unit : float
        Its unit in erg/s/cm2/Angstrom.
    wave_nm : float
        Mean wavelength, at which the flux density becomes one of frequency.
    fwhm_arcsec, pixel_area : float
        Of a point source, arcsec; of a pixel, arcsec^2.

    Returns
    -------
    None if the image has no noise, as where all is padding.
    """
    known = white[np.isfinite(white)].astype(np.float64)
    if not known.size:
        return None
    noise = _MAD_TO_SIGMA * float(np.median(np.abs(known - np.median(known)))) * flux_unit
    if not noise > 0:
        return None
    shape_arcsec = fwhm_arcsec / (2 * math.sqrt(2 * math.log(2)))
    pixels = max(1.0, 4 * math.pi * shape_arcsec**2 / pixel_area)
    per_angstrom = _SIGMAS * noise * math.sqrt(pixels)
    per_hertz = per_angstrom * (wave_nm * 10) ** 2 / _LIGHT_ANGSTROM_S
    return -2.5 * math.log10(per_hertz) - 48.6
