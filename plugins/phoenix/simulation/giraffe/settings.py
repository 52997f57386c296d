"""Optical setups, slits, detector and kinds of GIRAFFE frames."""

from __future__ import annotations

from dataclasses import dataclass
from math import asin

from phoenix.simulation.detector import Detector

INSTRUMENT = "GIRAFFE"
#: What archive names of its frames begin with.
ARCHIVE_PREFIX = "GIRAF"

CONAD_E_ADU = 1.5
RON_E = 4.5
BIAS_ADU = 200.0
EDGE_PX = 50  # columns of prescan and of overscan
ROWS = 4096
PIXEL_MM = 0.015

COLLIMATOR_MM = 1411.0
CAMERA_FACTOR = 0.2545
GROOVES_PER_MM = 600.0
GRATING = "LR"


@dataclass(frozen=True)
class Layout:
    """How much of the slit a frame shows: columns, fibres, and which of them see the calibration unit or sky.

    `small` is a window of 1200 columns on a slit with 12 fibres: no mode of the real instrument. Rows are
    never fewer, for they are the wavelengths; gimasterbias dies of frames with 1000 columns.
    """

    columns: int
    fibres: int
    simcal: tuple[int, ...]
    sky_every: int


LAYOUTS = {"small": Layout(1200, 12, (4,), 8), "full": Layout(2048, 125, (13, 38, 63, 88, 113), 10)}


@dataclass(frozen=True)
class Setup:
    """A standard setup of the grating: INS EXP MODE, central wavelength, order and resolving power."""

    name: str
    filter_name: str
    wlen_nm: float
    order: int
    shortest_nm: float
    longest_nm: float
    resolution: int

    @property
    def angle_rad(self) -> float:
        """Angle of the grating, which puts the central wavelength on the middle row."""
        return asin(self.wlen_nm * 1e-6 * self.order * GROOVES_PER_MM / 2)

    @property
    def line_sigma_nm(self) -> float:
        """Width of an unresolved line."""
        return self.wlen_nm / self.resolution / 2.3548


LR3 = Setup("L479.7", "LR3", 479.7, 4, 450.1, 508.1, 7500)
LR6 = Setup("L682.2", "LR6", 682.2, 3, 644.8, 718.4, 8100)
SETUPS = (LR3, LR6)


@dataclass(frozen=True)
class Kind:
    """What a frame is: DPR keys, template and whether the calibration unit lights the slit."""

    name: str
    catg: str
    dpr_type: str
    tech: str
    template: str
    origfile: str
    simcal_lit: bool = False


BIAS = Kind("bias", "CALIB", "BIAS", "IMAGE", "FLAMES_giraf_cal_bias", "GIRAF_BIAS")
FLAT = Kind("fibre flat", "CALIB", "LAMP,FLAT", "MOS", "FLAMES_giraf_cal_flat", "GIRAF_FLAT", True)
ARC = Kind("arc", "CALIB", "LAMP,WAVE", "MOS", "FLAMES_giraf_cal_wave", "GIRAF_WAVE", True)
SCIENCE = Kind("science", "SCIENCE", "OBJECT,OzPoz", "MOS", "FLAMES_giraf_obs_exp", "GIRAF_OBS")
#: A short science exposure with the calibration fibres lit, attached to the block. DPR TYPE is ESO's.
SIMCAL = Kind("simcal", "SCIENCE", "OBJECT,SimCal", "MOS", "FLAMES_giraf_obs_simcal", "GIRAF_OBS", True)


@dataclass(frozen=True)
class GiraffeSetup:
    """Kind of frame, slit and setup; `warmer_c` is how much warmer the spectrograph is than it should be."""

    kind: Kind
    slit: str
    setup: Setup
    warmer_c: float = 0.0

    @property
    def on_sky(self) -> bool:
        """Whether the fibres see stars."""
        return self.kind.catg == "SCIENCE"


def detector(bias_drift_adu: float) -> Detector:
    """Read-out of the CCD."""
    return Detector(RON_E, CONAD_E_ADU, BIAS_ADU + bias_drift_adu, EDGE_PX, EDGE_PX)
