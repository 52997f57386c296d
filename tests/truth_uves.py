"""Holds an ingested UVES spectrum against the truth of the simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from phoenix.simulation.truth import ScienceTruth

LIGHT_KMS = 299792.458
#: A line is fitted over +- this velocity, and continuum is what is farther than this from any line.
WINDOW_KMS = 60.0

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """Velocity errors of the lines, km/s, and flux over true flux in steps of 5 nm."""

    velocity_errors_kms: Floats
    flux_ratios: Floats

    @property
    def mean_velocity_error_kms(self) -> float:
        return float(self.velocity_errors_kms.mean())


def compare(wave_nm: Floats, flux: Floats, error: Floats, truth: ScienceTruth) -> Comparison:
    """Fit each absorption line, and take the median flux ratio between the lines.

    Parameters
    ----------
    wave_nm : (n,) array, air
    flux, error : (n,) array, erg/s/cm2/A; NaN or zero where there is none
    """
    good = np.isfinite(flux) & np.isfinite(error) & (error > 0) & (flux != 0)
    wave_nm, flux, error = wave_nm[good], flux[good], error[good]
    shifted = [line.wave_nm * (1 + truth.velocity_kms / LIGHT_KMS) for line in truth.lines]
    errors = [_velocity_error(wave_nm, flux, error, truth, line) for line in truth.lines]
    continuum = np.ones(len(wave_nm), bool)
    for centre in shifted:
        continuum &= np.abs(wave_nm / centre - 1) * LIGHT_KMS > WINDOW_KMS
    ratio = flux / truth.science_flux(wave_nm)
    bins = ((wave_nm - wave_nm[0]) // 5).astype(int)
    ratios = [
        np.median(ratio[continuum & (bins == number)])
        for number in np.unique(bins)
        if (continuum & (bins == number)).sum() > 200
    ]
    return Comparison(np.array([e for e in errors if e is not None]), np.array(ratios))


def _velocity_error(wave_nm: Floats, flux: Floats, error: Floats, truth: ScienceTruth, line) -> float | None:
    velocity = (wave_nm / line.wave_nm - 1) * LIGHT_KMS - truth.velocity_kms
    near = np.abs(velocity) < WINDOW_KMS
    if near.sum() < 12 or velocity[near].min() > -50 or velocity[near].max() < 50:
        return None

    def profile(v, level, slope, depth, centre, sigma):
        return level * (1 + slope * v) * (1 - depth * np.exp(-0.5 * ((v - centre) / sigma) ** 2))

    scale = np.median(flux[near])
    fitted, _ = curve_fit(
        profile,
        velocity[near],
        flux[near] / scale,
        p0=[1.0, 0.0, line.depth, 0.0, line.sigma_kms],
        sigma=error[near] / scale,
        maxfev=5000,
    )
    return float(fitted[3])
