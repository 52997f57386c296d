"""Sources of light: a synthetic line lamp, a flat-field lamp, stars and sky, in electrons of the detector."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import transmission
from phoenix.simulation.xshooter.geometry import Echellogram
from phoenix.simulation.xshooter.settings import Arm

Floats = NDArray[np.float64]
#: Electrons per nm at the peak of the blaze, for wavelengths in nm.
Density = Callable[[Floats], Floats]

TELESCOPE_AREA_CM2 = 5.03e5
#: h c in erg nm.
HC_ERG_NM = 1.98644586e-9
PEAK_EFFICIENCY = 0.12

#: Continuum of the sky, electrons per second and nm over the whole slit, and electrons per second of a line.
SKY_E_PER_S_NM = 40.0
SKY_LINE_E_PER_S = 400.0


@cache
def line_atlas(arm: Arm) -> tuple[Floats, Floats]:
    """Return wavelengths (nm) of a synthetic lamp's lines, well apart, and electrons through one pinhole.

    No real lamp has these lines. The standard library's generator gives the same atlas with any version of
    numpy.
    """
    draw = random.Random(f"synthetic line lamp atlas of {arm.name}, version 1")  # noqa: S311 - an atlas
    wave_nm, electrons = [], []
    at_nm = arm.shortest_nm
    while at_nm < arm.longest_nm:
        wave_nm.append(round(at_nm, 4))
        electrons.append(round(10 ** draw.uniform(4.3, 5.2), 1))
        at_nm += at_nm / 600.0 * draw.uniform(0.6, 1.2)
    return np.array(wave_nm), np.array(electrons)


def lines_on(orders: Echellogram, wave_nm: Floats, order: int, margin_px: float = 15.0) -> NDArray[np.int64]:
    """Return which lines fall on the detector in this order, and in no other that shows them brighter."""
    rows = orders.row(order, wave_nm)
    inside = (rows > margin_px) & (rows < orders.ny - margin_px)
    return np.flatnonzero(inside & (orders.best_order(wave_nm) == order))


@cache
def sky_lines_nm(arm: Arm) -> Floats:
    """Wavelengths of the lines of a synthetic night sky."""
    draw = random.Random(f"synthetic night sky of {arm.name}, version 1")  # noqa: S311 - a sky
    low, high = arm.shortest_nm + 6.0, arm.longest_nm - 40.0
    return np.array(sorted(round(draw.uniform(low, high), 4) for _ in range(arm.sky_lines)))


def flat_lamp(arm: Arm, lamp: str) -> Density:
    """Flat-field exposure, over the whole slit: a lamp as smooth as a hot body's light, or deuterium's."""
    if lamp == "D2":
        # In the visible it is faint, and yet xsh_orderpos traces all orders of UVB in its light alone.
        return lambda wave_nm: 8.0e6 * (0.3 + np.exp(-0.5 * ((wave_nm - 300.0) / 60.0) ** 2))
    return lambda wave_nm: 1.0e7 * np.exp(-0.5 * ((wave_nm - 1.1 * arm.best_nm) / (1.4 * arm.width_nm)) ** 2)


def efficiency(arm: Arm, wave_nm: Floats) -> Floats:
    """Telescope, spectrograph and detector at the blaze peak."""
    return np.asarray(PEAK_EFFICIENCY * np.exp(-0.5 * ((wave_nm - arm.best_nm) / arm.width_nm) ** 2), float)


def starlight(flux_at: Density, arm: Arm, exptime_s: float, airmass: float) -> Density:
    """Light of a star of which `flux_at` gives the flux density above the atmosphere, erg/s/cm2/A."""

    def electrons_per_nm(wave_nm: Floats) -> Floats:
        photons = 10.0 * flux_at(wave_nm) * TELESCOPE_AREA_CM2 * exptime_s * wave_nm / HC_ERG_NM
        return photons * efficiency(arm, wave_nm) * transmission(wave_nm, airmass)

    return electrons_per_nm


def skylight(arm: Arm, exptime_s: float) -> Density:
    """Continuum of the sky over the whole slit."""
    return lambda wave_nm: SKY_E_PER_S_NM * exptime_s * efficiency(arm, wave_nm) / PEAK_EFFICIENCY
