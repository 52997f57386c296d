"""Holds spectra of GIRAFFE fibres against the truth of the simulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from phoenix.simulation.giraffe.truth import ExposureTruth, StarTruth

LIGHT_KMS = 299792.458
EDGE_BINS = 150

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """What a spectrum tells when the star's lines are fitted to all of it at once.

    Attributes
    ----------
    depth
        Factor on the depth of all lines: below one where light of the sky fills them.
    level
        Continuum in the middle of the spectrum.
    noise
        Scatter about the fit, free of outliers.
    """

    velocity_kms: float
    depth: float
    level: float
    noise: float


def fitted(wave_nm: Floats, flux: Floats, star: StarTruth, exposure: ExposureTruth) -> Fitted:
    """Fit velocity, line depth and a cubic continuum; widths are those of star and spectrograph together."""
    inside = slice(EDGE_BINS, -EDGE_BINS)
    wave_nm, flux = wave_nm[inside].astype(float), flux[inside].astype(float)
    place = 2 * (wave_nm - wave_nm.mean()) / np.ptp(wave_nm)
    sigma_nm = exposure.wlen_nm / exposure.resolution / 2.3548

    def model(_: Floats, velocity_kms: float, depth: float, *continuum: float) -> Floats:
        absorbed = np.zeros_like(wave_nm)
        for line in star.lines:
            centre_nm = line.wave_nm * (1 + velocity_kms / LIGHT_KMS)
            own_nm = line.wave_nm * line.sigma_kms / LIGHT_KMS
            width_nm = np.hypot(own_nm, sigma_nm)
            near = np.abs(wave_nm - centre_nm) < 6 * width_nm
            offset = (wave_nm[near] - centre_nm) / width_nm
            absorbed[near] += line.depth * own_nm / width_nm * np.exp(-0.5 * offset**2)
        return np.asarray(np.polynomial.polynomial.polyval(place, continuum) * (1 - depth * absorbed), float)

    start = [star.velocity_barycentric_kms, 1.0, float(np.median(flux)), 0.0, 0.0, 0.0]
    keep = np.ones(len(flux), bool)
    for _ in range(2):  # a second time without cosmics
        error = np.where(keep, 1.0, np.inf)
        found, _ = curve_fit(model, wave_nm, flux, p0=start, sigma=error)
        residual = flux - model(wave_nm, *found)
        noise = 1.4826 * float(np.median(np.abs(residual - np.median(residual))))
        keep, start = np.abs(residual) < 5 * noise, list(found)
    return Fitted(float(found[0]), float(found[1]), float(found[2]), noise)
