"""Sources of light, in electrons per row of a fibre: lamps, stars through the atmosphere, sky."""

from __future__ import annotations

import random
from functools import cache
from math import log

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import transmission
from phoenix.simulation.giraffe.field import ZERO_MAGNITUDE_FLUX, broadened
from phoenix.simulation.giraffe.optics import emission_lines
from phoenix.simulation.giraffe.settings import Setup
from phoenix.simulation.stars import Star

Floats = NDArray[np.float64]

TELESCOPE_AREA_CM2 = 5.03e5
#: h c in erg nm.
HC_ERG_NM = 1.98644586e-9
#: Telescope, what of a star's light enters a fibre, spectrograph and CCD.
PEAK_EFFICIENCY = 0.05
#: Sky in the 1.2 arcsec of a fibre, magnitudes, and electrons per second of its emission lines.
SKY_MAGNITUDE = 21.4
SKY_LINE_E_PER_S = 1.5
SKY_LINES_NM = (472.0, 490.0, 662.0, 684.0, 706.0)

FLAT_E_PER_ROW = 120_000.0
ARC_EXPTIME_S = 150.0
ATLAS_NM = (440.0, 730.0)


@cache
def line_atlas() -> tuple[Floats, Floats]:
    """Return wavelengths (nm) of a synthetic lamp's lines, none closer than 0.25 nm, and electrons in an arc.

    Neither thorium nor argon has these lines. The standard library's generator gives the same atlas with any
    version of numpy.
    """
    draw = random.Random("synthetic line lamp atlas of the fibres, version 1")  # noqa: S311 - an atlas
    wave_nm, electrons = [], []
    at_nm = ATLAS_NM[0]
    while at_nm < ATLAS_NM[1]:
        wave_nm.append(round(at_nm, 5))
        electrons.append(round(10 ** draw.uniform(3.8, 5.0), 1))
        at_nm += 0.25 - 0.45 * log(1.0 - draw.random())
    return np.array(wave_nm), np.array(electrons)


def blaze(wave_nm: Floats, setup: Setup) -> Floats:
    """Efficiency of the spectrograph relative to its best."""
    width_nm = setup.longest_nm - setup.shortest_nm
    return np.asarray(np.exp(-0.5 * ((wave_nm - setup.wlen_nm) / width_nm) ** 2), float)


def flat_lamp(wave_nm: Floats, setup: Setup) -> Floats:
    """Electrons per row of the flat-field lamp; a lamp as red as most."""
    return FLAT_E_PER_ROW * blaze(wave_nm, setup) * (1 + 0.4 * (wave_nm - setup.wlen_nm) / 100.0)


def line_lamp(wave_nm: Floats, setup: Setup, exptime_s: float) -> Floats:
    """Electrons per row of the arc lamp."""
    centres_nm, electrons = line_atlas()
    return emission_lines(wave_nm, centres_nm, electrons * exptime_s / ARC_EXPTIME_S, setup.line_sigma_nm)


def starlight(
    star: Star, velocity_kms: float, wave_nm: Floats, setup: Setup, exptime_s: float, airmass: float
) -> Floats:
    """Electrons per row of a star with that apparent velocity, lines broadened by the spectrograph."""
    flux = broadened(star, setup.line_sigma_nm).flux_at(wave_nm, velocity_kms)
    return _detected(flux, wave_nm, setup, exptime_s) * transmission(wave_nm, airmass)


def skylight(wave_nm: Floats, setup: Setup, exptime_s: float) -> Floats:
    """Electrons per row of the sky: a continuum and a few lines, at rest."""
    flux = np.full_like(wave_nm, ZERO_MAGNITUDE_FLUX * 10 ** (-0.4 * SKY_MAGNITUDE))
    lines_nm = np.array(SKY_LINES_NM)
    electrons = np.full(len(lines_nm), SKY_LINE_E_PER_S * exptime_s)
    return _detected(flux, wave_nm, setup, exptime_s) + emission_lines(
        wave_nm, lines_nm, electrons, setup.line_sigma_nm
    )


def _detected(flux: Floats, wave_nm: Floats, setup: Setup, exptime_s: float) -> Floats:
    """Electrons per row of a flux density in erg/s/cm2/A."""
    photons_per_nm = 10.0 * flux * TELESCOPE_AREA_CM2 * exptime_s * wave_nm / HC_ERG_NM
    return np.asarray(photons_per_nm * PEAK_EFFICIENCY * blaze(wave_nm, setup) * np.gradient(wave_nm), float)
