"""An analytic extinction curve (Rayleigh, aerosol, ozone) that resembles Paranal's, no more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRESSURE_HPA = 743.0


def extinction_mag(wave_nm: Floats) -> Floats:
    """Extinction in magnitudes per airmass.

    Rayleigh optical depth after Froehlich & Shaw (1980), aerosol law of Patat et al. (2011, A&A 527, A91),
    ozone as a Gaussian (Chappuis band) and an exponential edge (Huggins band).
    """
    wave_um = np.asarray(wave_nm, float) / 1000.0
    rayleigh = (
        1.0857 * PRESSURE_HPA / 1013.25 * 0.00864 * wave_um ** -(3.916 + 0.074 * wave_um + 0.050 / wave_um)
    )
    aerosol = 0.013 * wave_um**-1.38
    ozone = 0.03 * np.exp(-0.5 * ((wave_um - 0.600) / 0.045) ** 2) + 0.05 * np.exp((0.330 - wave_um) / 0.007)
    return rayleigh + aerosol + ozone


def transmission(wave_nm: Floats, airmass: float) -> Floats:
    """Fraction of light that passes at `airmass`."""
    return np.asarray(10 ** (-0.4 * airmass * extinction_mag(wave_nm)), float)
