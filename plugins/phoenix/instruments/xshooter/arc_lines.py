"""Arc lines a wavelength solution of XSHOOTER rests on, from the residual table the recipe writes with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phoenix.errors import PhoenixError

Floats = npt.NDArray[np.float64]
#: Products that hold the wavelength solution: of the polynomial, and of the physical model.
SOLUTIONS = ("WAVE_TAB_2D", "XSH_MOD_CFG_OPT_2D")
_LIGHT_KMS = 299_792.458


@dataclass(frozen=True)
class ArcLines:
    """Lines at the pinholes they were found at; all arrays of shape (n,).

    Attributes
    ----------
    order, pinhole
        Absolute order, and number along the slit.
    x, y
        Place on the detector, pixels; Y is the dispersion.
    shift_x, shift_y
        Found minus fitted, pixels.
    fwhm
        Along the dispersion, pixels.
    """

    wave_nm: Floats
    order: npt.NDArray[np.int64]
    pinhole: npt.NDArray[np.int64]
    x: Floats
    y: Floats
    shift_x: Floats
    shift_y: Floats
    fwhm: Floats

    @property
    def number(self) -> int:
        """How many lines there are; each is found in several pinholes."""
        return int(np.unique(self.wave_nm).size)

    @property
    def dispersion_nm(self) -> Floats:
        """Nm per pixel at each line, from a parabola through the lines of its order and pinhole.

        0 where there are fewer than four lines.
        """
        dispersion = np.zeros_like(self.wave_nm)
        traces = self.order * 100 + self.pinhole
        for trace in np.unique(traces):
            chosen = traces == trace
            if np.count_nonzero(chosen) >= 4:
                y = self.y[chosen]
                middle = y.mean()
                fitted = np.polynomial.Polynomial.fit(y - middle, self.wave_nm[chosen], 2)
                dispersion[chosen] = np.abs(fitted.deriv()(y - middle))
        return dispersion

    @property
    def rms_nm(self) -> float:
        """Scatter of the lines around the solution along the dispersion, nm."""
        return float(np.sqrt(np.mean((self.shift_y * self.dispersion_nm) ** 2)))

    @property
    def rms_kms(self) -> float:
        """The same as a velocity."""
        speed = _LIGHT_KMS * self.shift_y * self.dispersion_nm / self.wave_nm
        return float(np.sqrt(np.mean(speed**2)))


def arc_lines(table: Any, name: str) -> ArcLines:
    """Return the lines of a residual table: of the physical model where one was fitted, else the polynomial.

    Raises
    ------
    PhoenixError
        If it is no such table, or empty.
    """
    fit = "model" if _known(table, "ResidYmodel").all() else "poly"
    if not len(table) or not _known(table, f"ResidY{fit}").all():
        raise PhoenixError(name, "holds no residuals of arc lines", "the residual table of a recipe")
    return ArcLines(
        _floats(table, "Wavelength"),
        np.asarray(table["Order"], dtype=np.int64),
        np.asarray(table["Slit_index"], dtype=np.int64),
        _floats(table, "XGauss"),
        _floats(table, "YGauss"),
        _floats(table, f"ResidX{fit}"),
        _floats(table, f"ResidY{fit}"),
        _floats(table, "FwhmYGauss"),
    )


def _known(table: Any, name: str) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = (
        np.isfinite(_floats(table, name)) if name in table.dtype.names else np.zeros(1, bool)
    )
    return known


def _floats(table: Any, name: str) -> Floats:
    return np.asarray(table[name], dtype=np.float64)
