"""Where a wavelength of an order and a position on the slit fall on the detector, in closed form.

Dispersion runs along y and the slit along x, as the pipeline sees a frame after it cropped (and, for NIR,
turned) it; 0-based pixels. This is an echelle of our own with XSHOOTER's orders, wavelengths, pixel scale and
slit length; positions and dispersion on the detector are not those of the real instrument.

With y scaled to v, -1 to 1 over the detector, and slit position s in arcsec:

- column: x = centre of the order + lean * v + bend * v^2 + s / scale
- wavelength: K / m * (1 + a v0 + b v0^2), with v0 that of the row y0 = y - tilt * s

so that both directions have a solution in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SLIT_LENGTH_ARCSEC = 11.0
#: Slit positions of the nine pinholes, arcsec; number 4 is the one in the middle.
PINHOLES_ARCSEC = tuple(round(1.4 * (number - 4), 1) for number in range(9))
MIDDLE_PINHOLE = 4

#: Rows of an order over its free spectral range: neighbours overlap.
SPREAD = 1.3
CURVATURE = -0.06
BLAZE_WIDTH = 0.8


@dataclass(frozen=True)
class Layout:
    """Numbers of an arm's echelle in one frame size.

    `ny` is a multiple of 8: the pipeline writes beyond its order table when it is not, and dies of it.
    """

    nx: int
    ny: int
    highest_order: int
    lowest_order: int
    order_wave_nm: float
    first_column: float
    pitch_px: float
    scale_arcsec: float
    lean_px: float
    bend_px: float
    tilt_px_per_arcsec: float
    line_fwhm_px: float


class Echellogram:
    """Positions on the detector of one arm.

    Parameters
    ----------
    layout : Layout
    shift_px : (float, float)
        How far the light falls from where the formulae put it, in columns and rows.
    """

    def __init__(self, layout: Layout, shift_px: tuple[float, float] = (0.0, 0.0)) -> None:
        self.layout = layout
        self.nx, self.ny = layout.nx, layout.ny
        #: In the sequence of their columns.
        self.orders = tuple(range(layout.highest_order, layout.lowest_order - 1, -1))
        self._dx, self._dy = shift_px

    def _v(self, y: Floats) -> Floats:
        half = self.ny / 2.0
        return (np.asarray(y, float) - self._dy - half) / half

    def centre_column(self, order: int, y: Floats) -> Floats:
        """Column of the middle of the slit in rows `y`."""
        v, layout = self._v(y), self.layout
        first = layout.first_column + layout.pitch_px * self.orders.index(order) + self._dx
        return np.asarray(first + layout.lean_px * v + layout.bend_px * v**2, float)

    def straightened(self, y: Floats, slit_arcsec: Floats) -> Floats:
        """Row in which the wavelength of a pixel crosses the middle of the slit."""
        return np.asarray(y - self.layout.tilt_px_per_arcsec * slit_arcsec, float)

    def wave_nm(self, order: int, y: Floats) -> Floats:
        """Wavelength at the middle of the slit in rows `y`."""
        v = self._v(y)
        slope = SPREAD / (2.0 * order)
        return np.asarray(self.layout.order_wave_nm / order * (1 + slope * (v + CURVATURE * v**2)), float)

    def row(self, order: int, wave_nm: Floats) -> Floats:
        """Row in which a wavelength crosses the middle of the slit; nan far off the order."""
        excess = np.asarray(wave_nm, float) * order / self.layout.order_wave_nm - 1.0
        root = 1.0 + 4.0 * CURVATURE * excess * 2.0 * order / SPREAD
        v = (np.sqrt(np.where(root > 0, root, np.nan)) - 1.0) / (2.0 * CURVATURE)
        return np.asarray((v + 1.0) * self.ny / 2.0 + self._dy, float)

    def position(self, order: int, wave_nm: Floats, slit_arcsec: float) -> tuple[Floats, Floats]:
        """Columns and rows of wavelengths at a position on the slit."""
        y = self.row(order, wave_nm) + self.layout.tilt_px_per_arcsec * slit_arcsec
        return self.centre_column(order, y) + slit_arcsec / self.layout.scale_arcsec, y

    def blaze(self, order: int, wave_nm: Floats) -> Floats:
        """Blaze function of an order, 0.05 to 1."""
        phase = BLAZE_WIDTH * (order - self.layout.order_wave_nm / np.asarray(wave_nm, float))
        return np.asarray(np.clip(np.sinc(phase) ** 2, 0.05, 1.0), float)

    def covered_nm(self, order: int) -> tuple[float, float]:
        """Wavelengths in the first and in the last row."""
        first, last = self.wave_nm(order, np.array([0.0, self.ny - 1.0]))
        return float(first), float(last)

    def free_nm(self, order: int) -> tuple[float, float]:
        """Free spectral range: where the order is brighter than its neighbours."""
        wave_nm = self.layout.order_wave_nm
        return wave_nm / (order + 0.5), wave_nm / (order - 0.5)

    def best_order(self, wave_nm: Floats) -> NDArray[np.int64]:
        """Order in whose free spectral range a wavelength lies; beyond the last ones these themselves."""
        nearest = np.rint(self.layout.order_wave_nm / np.asarray(wave_nm, float)).astype(np.int64)
        return np.clip(nearest, self.layout.lowest_order, self.layout.highest_order)
