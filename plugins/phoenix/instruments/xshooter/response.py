"""Where a response curve of xsh_respon holds.

The recipe (xshoo 3.5.0) draws its curve through fit points and may let it run to 0 at the ends: what is
calibrated with those ends is too faint by any factor, and nothing flags it. The curve's table has the ratio
of the standard's true flux to the observed one beside it, which tells how far the curve is right.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
#: The curve is compared with the ratio by medians of so many bins.
_BLOCK = 25
#: The curve is right where it is that near to the ratio.
_LARGEST_DEVIATION = 0.1
#: A curve has run to 0 where it is below this part of its highest value.
_NOTHING = 0.01


def fitted_range_nm(table: Any) -> tuple[float, float] | None:
    """Return first and last wavelength at which a response holds, nm.

    An end is cut only where the curve begins near 0, up to where it comes within 10 % of the ratio.
    Deviations elsewhere are telluric bands, over which the curve passes on purpose.

    Parameters
    ----------
    table : record array
        With LAMBDA (nm), RESPONSE and REF_DIV_OBS.

    Returns
    -------
    (float, float) or None
        None for a table without REF_DIV_OBS, or where the curve holds nowhere.
    """
    if not {"LAMBDA", "RESPONSE", "REF_DIV_OBS"} <= set(table.dtype.names or ()):
        return None
    wave_nm, curve, ratio = (
        np.asarray(table[name], dtype=np.float64) for name in ("LAMBDA", "RESPONSE", "REF_DIV_OBS")
    )
    first = _unfitted_bins(curve, ratio)
    last = len(curve) - 1 - _unfitted_bins(curve[::-1], ratio[::-1])
    return (float(wave_nm[first]), float(wave_nm[last])) if first < last else None


def _unfitted_bins(curve: Floats, ratio: Floats) -> int:
    """Count the bins from the beginning in which a curve that rises from 0 has not reached the ratio.

    It has reached it where two blocks in a row agree: in the noise beyond the atmosphere's cut-off, one does
    by chance.
    """
    if not len(curve) or curve[0] > _NOTHING * curve.max():
        return 0
    quotient = np.divide(curve, ratio, out=np.zeros_like(curve), where=ratio > 0)
    starts = range(0, len(curve), _BLOCK)
    near = [abs(np.median(quotient[at : at + _BLOCK]) - 1) <= _LARGEST_DEVIATION for at in starts]
    for start, this, following in zip(starts, near, [*near[1:], False], strict=True):
        if this and following:
            return start
    return len(curve)
