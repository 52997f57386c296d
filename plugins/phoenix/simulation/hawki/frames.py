"""Light and noise of a frame: what the four detectors count."""

from __future__ import annotations

from functools import cached_property
from math import erf, sqrt

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.hawki.field import Stars
from phoenix.simulation.hawki.geometry import sky_to_pixel
from phoenix.simulation.hawki.settings import (
    BIAS_ADU,
    CHIP_RESPONSE,
    CHIPS,
    GAIN_E_ADU,
    HOT_ADU,
    HOT_FRACTION,
    PIXEL_ARCSEC,
    READ_NOISE_ADU,
    SEEING_ARCSEC,
    SIDE_PX,
    Kind,
)

Floats = NDArray[np.float64]

_SIGMA_PX = SEEING_ARCSEC / PIXEL_ARCSEC / 2.3548
_REACH_PX = int(6 * _SIGMA_PX) + 2
_erf = np.vectorize(erf)


class Detectors:
    """The four detectors of one simulation: their dark current, hot pixels and sensitivity stay the same.

    Parameters
    ----------
    size : {'small', 'full'}
    seed : int
        Seed of the detectors' pattern.
    """

    def __init__(self, size: str, seed: int) -> None:
        self.side = SIDE_PX[size]
        self._seed = seed

    @cached_property
    def dark_adu_s(self) -> list[Floats]:
        """Dark current of each pixel, ADU/s."""
        x = np.arange(1, self.side + 1) / 40
        return [np.tile(0.5 + 0.2 * np.sin(x + chip), (self.side, 1)) for chip in range(CHIPS)]

    @cached_property
    def _hot(self) -> list[NDArray[np.bool_]]:
        rng = np.random.default_rng([self._seed, 1])
        return [rng.random((self.side, self.side)) < HOT_FRACTION for _ in range(CHIPS)]

    @cached_property
    def flats(self) -> list[Floats]:
        """Sensitivity of each pixel, its median the detector's response."""
        rng = np.random.default_rng([self._seed, 2])
        bow = np.cos((np.arange(1, self.side + 1) - self.side / 2) / self.side * 2)
        smooth = 1 + 0.05 * np.outer(bow, bow)
        made = []
        for response in CHIP_RESPONSE:
            flat = smooth * (1 + 0.02 * rng.standard_normal((self.side, self.side)))
            made.append(response * flat / np.median(flat))
        return made

    def expose(self, light_adu_s: Floats | float, chip: int, kind: Kind, rng: np.random.Generator) -> Floats:
        """Return the mean of a frame's integrations, ADU, shape (side, side)."""
        signal = np.asarray(light_adu_s) * kind.dit_s + self.dark_adu_s[chip] * kind.dit_s
        signal = signal + self._hot[chip] * HOT_ADU
        electrons = rng.poisson(np.clip(signal * GAIN_E_ADU * kind.ndit, 0, None))
        noise = rng.normal(0.0, READ_NOISE_ADU / sqrt(kind.ndit), (self.side, self.side))
        counts: Floats = electrons / (GAIN_E_ADU * kind.ndit) + noise + BIAS_ADU
        return counts


def add_stars(
    image: Floats, chip: int, axis_deg: tuple[float, float], stars: Stars, rates_adu_s: Floats
) -> None:
    """Add stars to an image of one detector in place; a star is a Gaussian integrated over pixels."""
    side = image.shape[0]
    x_px, y_px = sky_to_pixel(chip, axis_deg, stars.ra_deg, stars.dec_deg)
    inside = (np.minimum(x_px, y_px) > -_REACH_PX) & (np.maximum(x_px, y_px) < side + _REACH_PX)
    for x, y, rate in zip(x_px[inside], y_px[inside], rates_adu_s[inside], strict=True):
        columns, rows = _pixels(x, side), _pixels(y, side)
        if columns.size and rows.size:
            part = rate * np.outer(_share(rows, y), _share(columns, x))
            image[rows[0] - 1 : rows[-1], columns[0] - 1 : columns[-1]] += part


def _pixels(centre: float, side: int) -> NDArray[np.int64]:
    middle = round(centre)
    return np.arange(max(1, middle - _REACH_PX), min(side, middle + _REACH_PX) + 1)


def _share(pixels: NDArray[np.int64], centre: float) -> Floats:
    """Return the part of a star's light in each pixel along one axis."""
    edges = np.append(pixels - 0.5, pixels[-1] + 0.5) - centre
    share: Floats = np.diff(_erf(edges / (_SIGMA_PX * sqrt(2)))) / 2
    return share
