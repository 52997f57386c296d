"""Sources of light: a synthetic line lamp, a flat-field lamp, stars through atmosphere and spectrograph."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import transmission
from phoenix.simulation.uves.settings import Setting

Floats = NDArray[np.float64]

TELESCOPE_AREA_CM2 = 5.03e5
#: h c in erg nm.
HC_ERG_NM = 1.98644586e-9
PEAK_EFFICIENCY = 0.12

ATLAS_NM = (300.0, 720.0)
ATLAS_SEED = "synthetic line lamp atlas, version 1"
FAINTEST_LINE_E = 3.0e3
BRIGHTEST_LINE_E = 6.0e5


@dataclass(frozen=True)
class LineAtlas:
    """Lines of the lamp, sorted: air wavelength in nm and electrons over the slit in a 30 s arc frame."""

    wave_nm: Floats
    electrons: Floats

    def between(self, low_nm: float, high_nm: float) -> LineAtlas:
        """Lines in a wavelength range."""
        inside = (self.wave_nm > low_nm) & (self.wave_nm < high_nm)
        return LineAtlas(self.wave_nm[inside], self.electrons[inside])

    def isolated(self, distance_nm: float, faintest_e: float) -> LineAtlas:
        """Lines of at least `faintest_e` with no neighbour over a tenth as strong within `distance_nm`."""
        crowded = np.zeros(len(self.wave_nm), bool)
        for step in range(1, len(self.wave_nm)):
            earlier = np.flatnonzero(self.wave_nm[step:] - self.wave_nm[:-step] < distance_nm)
            if not len(earlier):
                break
            later = earlier + step
            crowded[later] |= self.electrons[earlier] > 0.1 * self.electrons[later]
            crowded[earlier] |= self.electrons[later] > 0.1 * self.electrons[earlier]
        kept = ~crowded & (self.electrons >= faintest_e)
        return LineAtlas(self.wave_nm[kept], self.electrons[kept])


@cache
def line_atlas() -> LineAtlas:
    """Draw the synthetic atlas: random wavelengths and strengths like a thorium-argon lamp's, no real lines.

    About one line per Angstrom in the blue and half as many in the red, half as dense as a real lamp, so that
    enough isolated ones remain at 4x4 binning; strengths follow a power law with few bright lines. The
    standard library's generator gives the same atlas with any version of numpy.
    """
    draw = random.Random(ATLAS_SEED)  # noqa: S311 - an atlas, not a secret
    wave_nm: list[float] = []
    electrons: list[float] = []
    at_nm = ATLAS_NM[0]
    while True:
        lines_per_nm = 11.0 * 2 ** ((400.0 - at_nm) / 150.0)
        at_nm += -log(1.0 - draw.random()) / lines_per_nm
        if at_nm > ATLAS_NM[1]:
            return LineAtlas(np.array(wave_nm), np.array(electrons))
        strength = FAINTEST_LINE_E * (1.0 - draw.random()) ** -2.0
        wave_nm.append(round(at_nm, 5))
        electrons.append(round(min(strength, BRIGHTEST_LINE_E), 1))


def flat_lamp(setting: Setting) -> Callable[[Floats], Floats]:
    """Electrons per nm of a flat-field exposure, summed over the slit, at the blaze peak."""
    return lambda wave_nm: 3.0e7 * np.exp(-0.5 * ((wave_nm - setting.wlen_nm) / 150.0) ** 2)


def efficiency(wave_nm: Floats, setting: Setting) -> Floats:
    """Telescope, spectrograph and CCD at the blaze peak."""
    return PEAK_EFFICIENCY * np.exp(-0.5 * ((wave_nm - setting.wlen_nm) / 120.0) ** 2)


def detected(
    flux_at: Callable[[Floats], Floats], setting: Setting, exptime_s: float, airmass: float
) -> Callable[[Floats], Floats]:
    """Electrons per nm of a star.

    Parameters
    ----------
    flux_at : callable
        Flux density above the atmosphere in erg/s/cm2/A, for wavelengths in nm.
    """

    def electrons_per_nm(wave_nm: Floats) -> Floats:
        photons = 10.0 * flux_at(wave_nm) * TELESCOPE_AREA_CM2 * exptime_s * wave_nm / HC_ERG_NM
        return photons * efficiency(wave_nm, setting) * transmission(wave_nm, airmass)

    return electrons_per_nm
