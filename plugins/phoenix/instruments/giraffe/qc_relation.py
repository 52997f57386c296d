"""S/N against magnitude: what the targets of a field should give, learned from the field itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from phoenix.qc.products import Floats

#: Fewer points, or less range of magnitude, give no line.
_LEAST_POINTS, _LEAST_RANGE_MAG = 5, 0.3
_PASSES, _KAPPA = 5, 3.0


@dataclass(frozen=True, slots=True)
class Relation:
    """log10 S/N = ``log_snr`` + ``slope`` (magnitude - ``magnitude``).

    Attributes
    ----------
    scatter_dex
        Standard deviation of the points the line rests on.
    """

    magnitude: float
    log_snr: float
    slope: float
    scatter_dex: float

    def snr(self, magnitude: float | Floats) -> float | Floats:
        """Return the S/N of a magnitude."""
        return 10.0 ** (self.log_snr + self.slope * (magnitude - self.magnitude))


def snr_relation(magnitude: Floats, snr: Floats) -> Relation | None:
    """Fit a line to log S/N against magnitude, outliers taken out; None where there is nothing to fit.

    Parameters
    ----------
    magnitude, snr : ndarray, shape (n,)
        One point for each fibre; what is not finite or not positive does not count.
    """
    good = np.isfinite(magnitude) & np.isfinite(snr) & (snr > 0)
    x, y = magnitude[good], np.log10(snr[good])
    if len(x) < _LEAST_POINTS or np.ptp(x) < _LEAST_RANGE_MAG:
        return None
    middle = float(np.median(x))
    kept = np.ones(len(x), dtype=bool)
    for _ in range(_PASSES):
        slope, level = np.polyfit(x[kept] - middle, y[kept], 1)
        residual = y - level - slope * (x - middle)
        scatter = 1.4826 * float(np.median(np.abs(residual[kept])))
        still = np.abs(residual) <= _KAPPA * max(scatter, 1e-6)
        if still.sum() < _LEAST_POINTS or (still == kept).all():
            break
        kept = still
    return Relation(middle, float(level), float(slope), float(np.std(residual[kept])))
