"""Spectra of simulated XSHOOTER stars held against the truth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from phoenix.simulation.truth import ScienceTruth
from phoenix.simulation.xshooter.geometry import Echellogram, Layout

Floats = NDArray[np.float64]
LIGHT_KMS = 299792.458


def velocity_error_kms(
    wave_nm: Floats, flux: Floats, exposure: ScienceTruth, layout: Layout, bin_nm: float
) -> float:
    """Velocity by which the true spectrum, broadened as here, fits best; 0 when all is right."""
    orders = Echellogram(layout)
    middle_nm = float(np.mean(wave_nm))
    order = int(orders.best_order(np.array([middle_nm]))[0])
    row = orders.row(order, np.array([middle_nm]))
    step_nm = float((orders.wave_nm(order, row + 1.0) - orders.wave_nm(order, row))[0])
    fine_nm = np.arange(wave_nm[0] - 2.0, wave_nm[-1] + 2.0, 0.004)
    sigma_nm = np.hypot(layout.line_fwhm_px * step_nm / 2.3548, bin_nm / 12**0.5)
    broad = gaussian_filter1d(exposure.science_flux(fine_nm), sigma_nm / 0.004)
    velocities = np.arange(-30.0, 30.1, 2.0)
    misfits = []
    for velocity in velocities:
        model = np.interp(wave_nm, fine_nm * (1 + velocity / LIGHT_KMS), broad)
        ratio = flux / model
        misfits.append(np.sum((ratio - np.polyval(np.polyfit(wave_nm, ratio, 2), wave_nm)) ** 2))
    best = int(np.clip(np.argmin(misfits), 1, len(velocities) - 2))
    square, slope, _ = np.polyfit(velocities[best - 1 : best + 2], misfits[best - 1 : best + 2], 2)
    return float(-slope / (2 * square))
