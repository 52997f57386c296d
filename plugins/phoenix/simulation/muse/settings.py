"""Sizes, sampling and sensitivity of what is simulated of MUSE."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

INSTRUMENT, TELESCOPE, UNIT_TELESCOPE = "MUSE", "ESO-VLT-U4", 4
MODE = "WFM-NOAO-N"
READOUT = "SCI1.0"

UNITS, SLICES = 24, 48
SPAXEL_ARCSEC = 0.2
STEP_A = 1.25
#: Scipost corrects atmospheric dispersion relative to this wavelength. The range around it is narrow, so that
#: the correction stays below 0.01 arcsec: dispersion is not simulated.
CENTRE_A = 7000.0
SEEING_FWHM_ARCSEC, SEEING_RMS_ARCSEC = 0.8, 0.05

READ_NOISE = 3.0
SKY_PER_S_A = 0.05  # counts per spaxel
#: Synthetic sky lines: air wavelength, A; peak in counts/s/A per spaxel. They stay where the observer is.
SKY_LINES_A = ((6963.2, 3.0), (6988.6, 1.5), (7026.1, 4.0))
SKY_LINE_SIGMA_A = 1.1


@dataclass(frozen=True)
class FrameSize:
    """Spaxels on a side and wavelength planes of an exposure; the whole instrument has 300 and 3681."""

    side: int
    planes: int

    @property
    def rows(self) -> int:
        """Rows of its pixel table."""
        return self.side * self.side * self.planes

    def wave_a(self) -> Floats:
        """Wavelengths of the planes, A."""
        return CENTRE_A + STEP_A * (np.arange(self.planes, dtype=float) - (self.planes - 1) / 2)


SIZES = {"small": FrameSize(80, 64), "full": FrameSize(150, 200)}


def response_mag(wave_a: Floats) -> Floats:
    """Counts/s/A of a source of 1 erg/s/cm2/A above the atmosphere, as 2.5 log10: a smooth analytic curve."""
    return 40.0 - 0.5 * ((np.asarray(wave_a, float) - CENTRE_A) / 3000.0) ** 2
