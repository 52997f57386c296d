"""What the simulated KMOS is: detectors, arms, light, and the kinds of frames it takes."""

from __future__ import annotations

from dataclasses import dataclass

INSTRUMENT = "KMOS"
DETECTORS = 3
ARMS_PER_DETECTOR = 8
ARMS = DETECTORS * ARMS_PER_DETECTOR
#: Pixels along a side. Small frames have one stripe of eight columns for each arm.
SIDE_PX = {"small": 64, "full": 2048}

GRATING = "HK"
GAIN_E_ADU = 2.1
READ_NOISE_E = 10.0

#: Electrons per second and pixel.
DARK_E_S = 0.05
FLAT_E_S = 400.0
ARC_LINE_E_S = 900.0
SKY_E_S = 8.0
STANDARD_E_S = 150.0
#: An arc line, and one of the sky, falls on every n-th row.
LINE_EVERY_ROWS = 8

SCIENCE_RUN = "60.A-9999(K)"
CALIBRATION_RUN = "60.A-9999(C)"


@dataclass(frozen=True)
class Kind:
    """A kind of template: DPR and TPL words, integration time.

    Attributes
    ----------
    dpr_types
        DPR TYPE of its exposures, in order.
    looks
        What the arms look at in each exposure: ``O`` object, ``S`` sky, empty for calibrations of the day.
    """

    name: str
    catg: str
    tech: str
    template: str
    dit_s: float
    ndit: int
    dpr_types: tuple[str, ...]
    looks: str = ""

    @property
    def exptime_s(self) -> float:
        """Time of a whole exposure."""
        return self.dit_s * self.ndit


DARK = Kind("dark", "CALIB", "IMAGE", "KMOS_spec_cal_dark", 60.0, 1, ("DARK",) * 5)
FLAT = Kind(
    "lamp flat", "CALIB", "SPECTRUM", "KMOS_spec_cal_calunitflat", 5.0, 1,
    ("FLAT,OFF",) * 3 + ("FLAT,LAMP",) * 3,
)  # fmt: skip
ARC = Kind("arc", "CALIB", "SPECTRUM", "KMOS_spec_cal_wave", 7.0, 1, ("WAVE,OFF", "WAVE,LAMP"))
#: The star goes from an arm of one detector to one of the next.
STANDARD = Kind(
    "telluric standard", "CALIB", "IFU", "KMOS_spec_cal_stdstar", 5.0, 4, ("OBJECT,SKY,STD,FLUX",) * 3, "OOO"
)
SCIENCE = Kind("science", "SCIENCE", "IFU", "KMOS_spec_obs_nodtosky", 100.0, 3, ("OBJECT,SKY",) * 3, "OSO")

#: Arm the standard star is in, exposure by exposure.
STANDARD_ARMS = (3, 11, 19)


@dataclass(frozen=True)
class KmosSetup:
    """What a template is set up for."""

    kind: Kind
