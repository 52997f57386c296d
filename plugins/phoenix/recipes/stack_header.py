"""What the primary header of a stack says of the exposures in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from phoenix.recipes.series import Stack

if TYPE_CHECKING:
    from astropy.io.fits import Header

_QC = "HIERARCH ESO QC STACK"
_SECONDS_PER_DAY = 86400.0


def primary_of(stack: Stack) -> Header:
    """Return the keywords that are the stack's own; the rest comes from its first exposure."""
    from astropy.io.fits import Header

    exposures = stack.exposures
    header = Header()
    header["MJD-OBS"] = (exposures[0].mjd_obs, "Start of the first exposure, MJD")
    ends = [exposure.mjd_obs + exposure.exptime_s / _SECONDS_PER_DAY for exposure in exposures]
    header["MJD-END"] = (max(ends), "End of the last exposure, MJD")
    header["EXPTIME"] = (sum(exposure.exptime_s for exposure in exposures), "[s] Sum of all exposures")
    header["NCOMBINE"] = (len(exposures), "Exposures in the mean")
    # Flux is the mean of the exposures, not their sum.
    header["HIERARCH ESO PRO DATANCOM"] = len(exposures)
    header[f"{_QC} NCOMB"] = (len(exposures), "Exposures")
    header[f"{_QC} NRESAMP"] = (stack.resampled, "Exposures brought to other bins")
    (name, combined), *_ = stack.quantities.items()
    covered = combined.contributions > 0
    values = int(combined.contributions.sum() + combined.rejected.sum())
    header[f"{_QC} LEVELDEV"] = (
        _rounded(np.abs(combined.levels - 1).max()),
        "Largest deviation of a flux level",
    )
    header[f"{_QC} REJECTED"] = (
        _rounded(combined.rejected.sum() / max(values, 1)),
        "Part of the values rejected",
    )
    header[f"{_QC} LOST"] = (_rounded(_lost(covered)), "Part of the bins inside without data")
    snr = combined.flux[covered] / combined.error[covered]
    header[f"{_QC} SNR"] = (
        _rounded(np.median(snr)) if covered.any() else 0.0,
        f"Median S/N per bin of {name}"[:40],
    )
    for number, exposure in enumerate(exposures, 1):
        header[f"{_QC} EXP{number} NAME"] = str(exposure.header.get("ARCFILE", exposure.frames[0].path.name))
        header[f"{_QC} EXP{number} LEVEL"] = _rounded(combined.levels[number - 1])
        header[f"{_QC} EXP{number} SHIFT"] = (_rounded(stack.shifts_kms[number - 1]), "km/s")
    return header


def _rounded(value: float) -> float:
    return round(float(value), 6)


def _lost(covered: np.ndarray) -> float:
    """Return the part of bins without data between the first and the last that have some."""
    inside = np.flatnonzero(covered)
    return 1.0 if not inside.size else 1 - inside.size / (inside[-1] - inside[0] + 1)
