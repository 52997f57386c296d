"""Fields of stars with known places and magnitudes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import cos, radians

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.hawki.geometry import pixel_to_sky
from phoenix.simulation.hawki.settings import CHIPS, PIXEL_ARCSEC, SIDE_PX, ZERO_POINT_MAG
from phoenix.simulation.stars import STARS

Floats = NDArray[np.float64]

BRIGHTEST_MAG, FAINTEST_MAG = 14.0, 18.5
#: Stars on each detector; the larger detector has the emptier sky, since crowding says nothing new.
_STARS_PER_CHIP = {"small": 70, "full": 390}
#: Around each detector there are stars for the jittered exposures.
_MARGIN = 0.12


@dataclass(frozen=True)
class Field:
    """What the telescope points at; one for each science target of the other simulators."""

    index: int

    @property
    def name(self) -> str:
        """OBS TARG NAME."""
        return f"PHX-FIELD-{self.index:02d}"

    @property
    def ra_deg(self) -> float:
        """Right ascension of the centre."""
        return STARS[self.index].ra_deg

    @property
    def dec_deg(self) -> float:
        """Declination of the centre."""
        return STARS[self.index].dec_deg

    @property
    def centre_deg(self) -> tuple[float, float]:
        """RA and DEC of the centre."""
        return self.ra_deg, self.dec_deg

    def moved(self, dx_px: float, dy_px: float) -> tuple[float, float]:
        """Return RA and DEC of the axis when stars are to fall `dx_px`, `dy_px` farther."""
        per_pixel = PIXEL_ARCSEC / 3600
        return self.ra_deg + dx_px * per_pixel / cos(radians(self.dec_deg)), self.dec_deg - dy_px * per_pixel


@dataclass(frozen=True)
class Stars:
    """Stars of a field; arrays of shape (n,).

    Attributes
    ----------
    rate_adu_s
        Above the atmosphere, on a detector of response 1.
    """

    ra_deg: Floats
    dec_deg: Floats
    mag: Floats

    @property
    def rate_adu_s(self) -> Floats:
        """Counts per second above the atmosphere."""
        return 10 ** (-0.4 * (self.mag - ZERO_POINT_MAG))


@cache
def stars_of(field: Field, size: str) -> Stars:
    """Return the stars of a field: evenly over each detector's part of the sky."""
    rng = np.random.default_rng(field.index)
    side, count = SIDE_PX[size], _STARS_PER_CHIP[size]
    low, high = -_MARGIN * side, (1 + _MARGIN) * side
    places = [
        pixel_to_sky(chip, field.centre_deg, rng.uniform(low, high, count), rng.uniform(low, high, count))
        for chip in range(CHIPS)
    ]
    ra_deg, dec_deg = np.concatenate(places, axis=1)
    return Stars(ra_deg, dec_deg, rng.uniform(BRIGHTEST_MAG, FAINTEST_MAG, ra_deg.size))
