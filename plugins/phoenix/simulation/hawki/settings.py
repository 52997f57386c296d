"""What the simulated HAWK-I is: detectors, sky, throughput, and the kinds of frames it takes."""

from __future__ import annotations

from dataclasses import dataclass

INSTRUMENT = "HAWKI"
#: Extensions in the order of ESO's files: the fourth detector stands before the third.
EXTENSIONS = ("CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1")
CHIPS = len(EXTENSIONS)
#: Pixels along a side. Small frames are a corner of each detector; ESO's flat recipe refuses less than 1792.
SIDE_PX = {"small": 512, "full": 2048}

PIXEL_ARCSEC = 0.106
GAIN_E_ADU = 1.8
READ_NOISE_ADU = 5.0
BIAS_ADU = 20.0
HOT_ADU = 2000.0
HOT_FRACTION = 2e-4
#: Throughput of the detectors relative to one another, in the order of the extensions.
CHIP_RESPONSE = (1.00, 0.96, 1.04, 0.98)

FILTER = "Ks"
#: Magnitude that gives 1 ADU/s above the atmosphere.
ZERO_POINT_MAG = 23.5
EXTINCTION_MAG = {"Ks": 0.07, "J": 0.11, "H": 0.06}
SKY_ADU_S = 300.0
SEEING_ARCSEC = 0.6

SCIENCE_RUN = "60.A-9999(S)"
CALIBRATION_RUN = "60.A-9999(C)"


@dataclass(frozen=True)
class Kind:
    """A kind of frame: DPR and TPL words, integration time and number of integrations.

    Attributes
    ----------
    dit_s
        DET DIT; a frame is the mean of ``ndit`` of them.
    """

    name: str
    catg: str
    dpr_type: str
    template: str
    dit_s: float
    ndit: int


DARK = Kind("dark", "CALIB", "DARK", "HAWKI_img_cal_Darks", 10.0, 6)
FLAT_DARK = Kind("dark for flats", "CALIB", "DARK", "HAWKI_img_cal_Darks", 2.0, 1)
FLAT = Kind("twilight flat", "CALIB", "FLAT", "HAWKI_img_cal_TwFlats", 2.0, 1)
#: Two flats of one level, for read noise and gain.
FLAT_PAIR = Kind("twilight pair", "CALIB", "FLAT", "HAWKI_img_cal_TwFlats", 2.0, 1)
SCIENCE = Kind("science", "SCIENCE", "OBJECT", "HAWKI_img_obs_AutoJitter", 10.0, 6)

#: ADU of the twilight flats; ESO's recipe takes 4000 to 30000.
FLAT_LEVELS_ADU = (16000.0, 15000.0, 14000.0, 12500.0, 11000.0, 9500.0)
PAIR_LEVEL_ADU = 15000.0


@dataclass(frozen=True)
class HawkiSetup:
    """What a template is set up for."""

    kind: Kind
