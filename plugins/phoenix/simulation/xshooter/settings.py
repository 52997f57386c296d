"""Arms, detectors and kinds of XSHOOTER frames."""

from __future__ import annotations

from dataclasses import dataclass, replace

from phoenix.simulation.detector import Detector
from phoenix.simulation.xshooter.geometry import Layout

INSTRUMENT = "XSHOOTER"
#: What archive names of its frames begin with.
ARCHIVE_PREFIX = "XSHOO"

#: Where light falls against the theoretical tables, in columns and rows: the format check has to find it.
SHIFT_PX = (0.8, -1.2)


@dataclass(frozen=True)
class Arm:
    """An arm: wheel of its slits, detector and what the sky and lamps send through it.

    `turns` is by how many quarters of a circle a raw frame is turned, against the clock, and `cut_px` what
    the pipeline cuts off when it has turned it back: columns left and right, rows below and above. `best_nm`
    and `width_nm` shape the efficiency; `sky_lines` is how many lines the sky has; `exposure_share` is how
    long the arm exposes on science targets while the others do.
    """

    name: str
    wheel: int
    slit: str
    conad_e_adu: float
    ron_e: float
    bias_adu: float
    prescan_px: int
    overscan_px: int
    clock: str
    turns: int
    cut_px: tuple[int, int, int, int]
    shortest_nm: float
    longest_nm: float
    best_nm: float
    width_nm: float
    sky_lines: int
    exposure_share: float


UVB = Arm(
    "UVB",
    wheel=3,
    slit="1.0x11",
    conad_e_adu=1.61,
    ron_e=2.8,
    bias_adu=1000.0,
    prescan_px=48,
    overscan_px=48,
    clock="400k/1pt/hg",
    turns=2,
    cut_px=(0, 0, 0, 0),
    shortest_nm=287.0,
    longest_nm=569.0,
    best_nm=420.0,
    width_nm=140.0,
    sky_lines=12,
    exposure_share=1.0,
)
VIS = Arm(
    "VIS",
    wheel=4,
    slit="0.9x11",
    conad_e_adu=1.68,
    ron_e=3.1,
    bias_adu=1000.0,
    prescan_px=10,
    overscan_px=48,
    clock="400k/1pt/hg",
    turns=0,
    cut_px=(0, 0, 0, 0),
    shortest_nm=528.0,
    longest_nm=1060.0,
    best_nm=720.0,
    width_nm=300.0,
    sky_lines=60,
    exposure_share=1.0,
)
NIR = Arm(
    "NIR",
    wheel=5,
    slit="0.9x11",
    conad_e_adu=2.12,
    ron_e=8.0,
    bias_adu=100.0,
    prescan_px=0,
    overscan_px=0,
    clock="",
    turns=3,
    cut_px=(20, 24, 4, 4),
    shortest_nm=985.0,
    longest_nm=2530.0,
    best_nm=1700.0,
    width_nm=800.0,
    sky_lines=150,
    exposure_share=0.25,
)
ARMS = (UVB, VIS, NIR)

#: Orders that the deuterium lamp lights, of UVB; all others have the halogen lamp.
D2_ORDERS = range(21, 25)

#: Frame sizes. `small` has the orders, wavelengths and slit of `full` on a seventh of the pixels, with a
#: quarter of the resolving power (170 times the order): no mode of the real instrument. Lines of 6 pixels
#: would be too wide for the recipes, which fit them in a window of 13.
LAYOUTS = {
    ("small", "NIR"): Layout(1288, 696, 26, 11, 26300.0, 85.0, 75.0, 0.21, 6.0, -14.0, 0.8, 3.2),
    ("full", "NIR"): Layout(1056, 2040, 26, 11, 26300.0, 62.0, 62.0, 0.21, 4.0, -6.0, 1.2, 3.6),
    ("small", "UVB"): Layout(1240, 704, 24, 13, 7060.0, 70.0, 95.0, 0.16, 6.0, -18.0, 0.8, 3.2),
    ("full", "UVB"): Layout(2048, 3000, 24, 13, 7060.0, 140.0, 160.0, 0.16, 25.0, -40.0, 2.0, 4.0),
    ("small", "VIS"): Layout(1530, 704, 30, 16, 16250.0, 70.0, 95.0, 0.16, 6.0, -18.0, 0.8, 3.2),
    ("full", "VIS"): Layout(2048, 4000, 30, 16, 16250.0, 140.0, 130.0, 0.16, 25.0, -40.0, 2.5, 4.0),
}


@dataclass(frozen=True)
class Kind:
    """What a frame is: DPR keys, template, and what lights the slit (or pinholes)."""

    name: str
    catg: str
    dpr_type: str
    tech: str
    template: str
    lamp: str = ""
    slit: str = ""

    @property
    def on_sky(self) -> bool:
        """Whether the telescope looks at the sky."""
        return self.tech.startswith("ECHELLE,SLIT,")


PINHOLE, MULTI_PINHOLE = "Pin_0.5", "Pin_row"

BIAS = Kind("bias", "CALIB", "BIAS", "IMAGE", "SHOOT_slt_cal_Bias")
DARK = Kind("dark", "CALIB", "DARK", "IMAGE", "SHOOT_slt_cal_Dark")
FORMAT_CHECK = Kind(
    "format check", "CALIB", "LAMP,FMTCHK", "ECHELLE,PINHOLE", "SHOOT_slt_cal_FmtChk", "arc", PINHOLE
)
ORDER_POSITION = Kind(
    "order position",
    "CALIB",
    "LAMP,ORDERDEF",
    "ECHELLE,PINHOLE",
    "SHOOT_slt_cal_Orderdef",
    "flat",
    PINHOLE,
)
ORDER_POSITION_D2 = replace(ORDER_POSITION, name="order position D2", dpr_type="LAMP,DORDERDEF", lamp="D2")
ORDER_POSITION_QTH = replace(ORDER_POSITION, name="order position QTH", dpr_type="LAMP,QORDERDEF")
FLAT = Kind("flat", "CALIB", "LAMP,FLAT", "ECHELLE,SLIT", "SHOOT_slt_cal_Flat", "flat")
FLAT_D2 = replace(FLAT, name="flat D2", dpr_type="LAMP,DFLAT", lamp="D2")
FLAT_QTH = replace(FLAT, name="flat QTH", dpr_type="LAMP,QFLAT")
ARC = Kind("arc", "CALIB", "LAMP,WAVE", "ECHELLE,MULTI-PINHOLE", "SHOOT_slt_cal_Arc", "arc", MULTI_PINHOLE)
STARE = Kind("stare", "SCIENCE", "OBJECT", "ECHELLE,SLIT,STARE", "SHOOT_slt_obs_Stare")
NOD = Kind("nod", "SCIENCE", "OBJECT", "ECHELLE,SLIT,NODDING", "SHOOT_slt_obs_AutoNodOnSlit")
OFFSET = Kind("offset", "SCIENCE", "OBJECT", "ECHELLE,SLIT,OFFSET", "SHOOT_slt_obs_FixedSkyOffset")
OFFSET_SKY = Kind("offset sky", "SCIENCE", "SKY", "ECHELLE,SLIT,OFFSET", "SHOOT_slt_obs_FixedSkyOffset")
TELLURIC = Kind("telluric standard", "CALIB", "STD,TELLURIC", NOD.tech, "SHOOT_slt_cal_TelluricStdNod")
FLUX_STANDARD = Kind("flux standard", "CALIB", "STD,FLUX", STARE.tech, "SHOOT_slt_cal_SpecphotStare")


def lamp_off(kind: Kind) -> Kind:
    """Return the kind of frame that NIR takes with the lamp switched off, to subtract."""
    return replace(kind, name=f"{kind.name} off", tech="IMAGE", lamp="", slit="")


@dataclass(frozen=True)
class Shot:
    """One exposure of a template: its kind, and how far along the slit the star stands from the middle."""

    kind: Kind
    slit_arcsec: float = 0.0


@dataclass(frozen=True)
class XshooterSetup:
    """Arm and shots of a template, one per planned exposure; the first gives the template's name."""

    arm: Arm
    shots: tuple[Shot, ...]

    @property
    def kind(self) -> Kind:
        """Kind of the first exposure."""
        return self.shots[0].kind


def detector(arm: Arm, bias_drift_adu: float) -> Detector:
    """Read-out of the detector of an arm."""
    return Detector(
        arm.ron_e, arm.conad_e_adu, arm.bias_adu + bias_drift_adu, arm.prescan_px, arm.overscan_px
    )
