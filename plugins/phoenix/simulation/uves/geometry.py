"""Where a wavelength of an order falls on a chip.

Standard orientation, as the pipeline sees a frame after it cropped and turned it: wavelength grows with x,
order numbers fall with y; 0-based binned pixels.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Columns beyond the chip's edges where lines still throw light onto it.
MARGIN_PX = 20


@cache
def _coefficients() -> dict[str, Any]:
    text = (files("phoenix.simulation") / "data" / "uves_geometry.json").read_text()
    chips: dict[str, Any] = json.loads(text)["chips"]
    return chips


class Echellogram:
    """Order geometry of one chip in one setting.

    Parameters
    ----------
    key : str
        Name in ``data/uves_geometry.json``, where formulae and validity are told.
    binning : int
        Pixels added on both axes.
    """

    def __init__(self, key: str, binning: int) -> None:
        chip = _coefficients()[key]
        self._chip = chip
        self.binning = binning
        self._wave = np.reshape(chip["mlambda"], (chip["dx"] + 1, chip["dm"] + 1))
        self._row = np.reshape(chip["y"], (chip["dxy"] + 1, chip["dmy"] + 1))
        self.nx, self.ny = chip["nx"] // binning, chip["ny"] // binning
        self.line_fwhm_px = chip["line_fwhm_px"] / binning
        self.slit_px = chip["slit_px"] / binning
        numbers = np.arange(chip["mmin"], chip["mmax"] + 1)
        rows = self._rows_of(numbers, np.arange(self.nx, dtype=float))
        on_chip = (rows.max(axis=1) >= 0) & (rows.min(axis=1) <= self.ny - 1)
        self.orders = numbers[on_chip]

    def _scaled(self, orders: NDArray[np.int64], x: Floats) -> tuple[Floats, Floats]:
        half = self._chip["nx"] / 2
        X = ((x + 1) * self.binning - half) / half
        M = (orders - self._chip["mc"]) / self._chip["ms"]
        grid_x, grid_m = np.broadcast_arrays(X[None, :], M[:, None])
        return grid_x, grid_m

    def _rows_of(self, orders: NDArray[np.int64], x: Floats) -> Floats:
        return np.asarray(polyval2d(*self._scaled(orders, x), self._row), float) / self.binning - 1

    def rows(self, x: Floats) -> Floats:
        """Row of each order's centre at columns `x`; shape (orders, x)."""
        return self._rows_of(self.orders, x)

    def wave_nm(self, x: Floats) -> Floats:
        """Air wavelength of each order at columns `x`, nm; shape (orders, x)."""
        product = polyval2d(*self._scaled(self.orders, x), self._wave)
        return np.asarray(product / self.orders[:, None] / 10.0, float)

    def blaze(self, wave_nm: Floats) -> Floats:
        """Blaze function at wavelengths of shape (orders, n)."""
        return self.blaze_of(self.orders[:, None], wave_nm)

    def blaze_of(self, order: NDArray[np.int64] | np.int64, wave_nm: Floats) -> Floats:
        """Blaze function of `order`, 0.002 to 1."""
        g, k_nm = self._chip["blaze_g"], self._chip["blaze_k"] / 10.0
        return np.asarray(np.clip(np.sinc(g * (order - k_nm / wave_nm)) ** 2, 0.002, 1.0), float)

    def columns(self, wave_nm: Floats) -> list[tuple[NDArray[np.int64], Floats]]:
        """Per order: indices of the wavelengths that fall on it (or within a margin) and their columns."""
        x = np.arange(-MARGIN_PX, self.nx + MARGIN_PX, 0.5)
        found = []
        for grid in self.wave_nm(x):
            inside = np.flatnonzero((wave_nm > grid[0]) & (wave_nm < grid[-1]))
            found.append((inside, np.interp(wave_nm[inside], grid, x)))
        return found


def to_raw(image: Floats, arm: str) -> Floats:
    """Turn a standard image into raw orientation; the inverse of the pipeline's crop and rotate."""
    return np.rot90(image) if arm == "BLUE" else image.T[::-1, ::-1]
