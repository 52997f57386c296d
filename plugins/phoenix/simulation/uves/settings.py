"""Optical settings, chips and kinds of UVES frames."""

from __future__ import annotations

from dataclasses import dataclass

from phoenix.simulation.detector import Detector

#: Binning of both axes by frame size and arm. 4x4 is no mode of the real instrument; it makes frames small
#: and recipes quick. The pipeline takes it for BLUE only: it knows no bad pixel map of the RED chips at 4x4.
BINNING = {("small", "BLUE"): 4, ("small", "RED"): 2, ("full", "BLUE"): 2, ("full", "RED"): 2}

CONAD_E_ADU = 1.84
RON_E = 3.6
BIAS_ADU = 150.0
EDGE_PX = 50  # prescan and overscan columns, unbinned


@dataclass(frozen=True)
class Chip:
    """One CCD: the pipeline's name, ESO's chip cards and the key of its geometry."""

    name: str
    number: int
    chip_id: str
    maker: str
    geometry: str


@dataclass(frozen=True)
class Setting:
    """Arm and central wavelength; chips in the order of the file's extensions."""

    name: str
    arm: str
    wlen_nm: float
    grating: str
    chips: tuple[Chip, ...]

    @property
    def grating_number(self) -> int:
        """N of the INS GRATn cards of this arm."""
        return 1 if self.arm == "BLUE" else 2

    @property
    def slit_number(self) -> int:
        """N of the INS SLITn cards of this arm."""
        return 2 if self.arm == "BLUE" else 3

    @property
    def pixel_scale_arcsec(self) -> float:
        """INS PIXSCALE, arcsec per unbinned pixel along the slit."""
        return 0.246 if self.arm == "BLUE" else 0.182


BLUE_437 = Setting("BLUE437", "BLUE", 437.0, "CD#2", (Chip("BLUE", 1, "CCD-44b", "EEV", "B437_blue"),))
RED_580 = Setting(
    "RED580",
    "RED",
    580.0,
    "CD#3",
    (Chip("REDU", 1, "CCD-20", "MITLL", "R580_redu"), Chip("REDL", 2, "CCD-44", "EEV", "R580_redl")),
)


@dataclass(frozen=True)
class Kind:
    """What a frame is: DPR keys, template and lamp."""

    name: str
    catg: str
    dpr_type: str
    tech: str
    template: str
    origfile: str
    lamp: str = ""


BIAS = Kind("bias", "CALIB", "BIAS", "IMAGE", "UVES_{arm}_cal_bias", "UVES_{arm}_BIAS")
FORMAT_CHECK = Kind(
    "format check", "CALIB", "LAMP,FMTCHK", "ECHELLE", "UVES_{arm}_cal_fmtchk", "UVES_{arm}_FMTCHK", "ThAr"
)
ORDER_FLAT = Kind(
    "order flat", "CALIB", "LAMP,ORDERDEF", "ECHELLE", "UVES_{arm}_cal_orderdef", "UVES_{arm}_ORDERDEF", "FF"
)
FLAT = Kind("flat", "CALIB", "LAMP,FLAT", "ECHELLE", "UVES_{arm}_cal_flatatt", "UVES_{arm}_FLAT", "FF")
ARC = Kind("arc", "CALIB", "LAMP,WAVE", "ECHELLE", "UVES_{arm}_cal_wave", "UVES_{arm}_WAVE", "ThAr")
STANDARD = Kind("standard", "CALIB", "STD", "ECHELLE", "UVES_{arm}_std", "UVES_{arm}_STD")
SCIENCE = Kind("science", "SCIENCE", "OBJECT,POINT", "ECHELLE", "UVES_{arm}_obs_exp", "UVES_{arm}_OBS")


@dataclass(frozen=True)
class UvesSetup:
    """Kind of frame in a setting; a bias belongs to the arm only, but its gratings stand somewhere too."""

    kind: Kind
    setting: Setting


def detector(binning: int, bias_drift_adu: float) -> Detector:
    """Read-out of one chip at `binning`."""
    edge = EDGE_PX // binning
    return Detector(RON_E, CONAD_E_ADU, BIAS_ADU + bias_drift_adu, edge, edge)
