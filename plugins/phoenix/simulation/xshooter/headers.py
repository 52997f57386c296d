"""Headers of XSHOOTER raw frames: shared groups plus the INS, DET and SEQ groups of the instrument."""

from __future__ import annotations

from phoenix.simulation.atmosphere import PRESSURE_HPA
from phoenix.simulation.cards import (
    adapter_cards,
    archive_cards,
    block_cards,
    data_product_cards,
    identity_cards,
    telescope_cards,
    template_cards,
)
from phoenix.simulation.fitsfile import Card
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile
from phoenix.simulation.xshooter.frames import shot_of
from phoenix.simulation.xshooter.geometry import Layout
from phoenix.simulation.xshooter.settings import (
    ARCHIVE_PREFIX,
    ARMS,
    INSTRUMENT,
    NIR,
    NOD,
    OFFSET_SKY,
    Arm,
    Shot,
    XshooterSetup,
)

PIXEL_UM = 15.0
#: Star at one end of the nod to star at the other.
NOD_THROW_ARCSEC = 5.0
#: How far the sky of an offset template is from the object.
SKY_OFFSET_ARCSEC = 30.0


def primary_cards(exposure: Exposure[XshooterSetup], layout: Layout) -> list[Card]:
    """All cards of the primary header."""
    template, shot = exposure.template, shot_of(exposure)
    kind, arm, block = shot.kind, template.setup.arm, template.block
    target = kind.dpr_type if block.target is None else block.target.name
    original = f"XSHOO_{arm.name}_{kind.name.split()[0]}{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, "ESO-VLT-U2", block, target, exposure.start, template.exptime_s),
        *data_product_cards(kind.catg, kind.dpr_type, kind.tech),
        *block_cards(block, target, template.number),
        *template_cards(kind.template, kind.name, template.start, template.planned, exposure.number),
        *telescope_cards(2, block, exposure.start, template.exptime_s, PRESSURE_HPA),
        *adapter_cards(exposure.start),
        *_instrument_cards(arm, shot),
        *_detector_cards(arm, layout, template.exptime_s),
        *_sequence_cards(arm, shot),
        *archive_cards(arcfile(ARCHIVE_PREFIX, exposure.start), original),
    ]


def _instrument_cards(arm: Arm, shot: Shot) -> list[Card]:
    slits = {other.wheel: other.slit for other in ARMS}
    slits[arm.wheel] = shot.kind.slit or arm.slit
    return [
        ("ESO INS DID", "ESO-VLT-DIC.XSHOOTER_ICS-1.40", "Data dictionary for INS"),
        ("ESO INS ID", "XSHOOTER/1.40", "Instrument ID"),
        ("ESO INS SWSIM", "NORMAL", "Software simulation"),
        ("ESO INS MODE", "SLITSPEC", "Instrument mode used"),
        *((f"ESO INS OPTI{wheel} NAME", name, "Slit of the arm") for wheel, name in sorted(slits.items())),
        ("ESO INS TEMP2 VAL", 10.0, "[C] Temperature of the UVB bench"),
        ("ESO INS TEMP5 VAL", 10.0, "[C] Temperature of the VIS bench"),
        ("ESO INS TEMP82 VAL", 79.0, "[K] Temperature of the NIR bench"),
    ]


def _detector_cards(arm: Arm, layout: Layout, exptime_s: float) -> list[Card]:
    own = _infrared_cards(arm, layout, exptime_s) if arm is NIR else _ccd_cards(arm, layout, exptime_s)
    return [
        ("ESO DET BITS", 16, "Bits per pixel readout"),
        ("ESO DET CHIPS", 1, "# of chips in detector array"),
        ("ESO DET CHIP1 ID", f"SIM-{arm.name}", "Detector chip identification"),
        ("ESO DET CHIP1 DATE", "2008-01-01", "Date of installation"),
        *own,
        ("CTYPE1", "PIXEL", "Pixel coordinate system"),
        ("CTYPE2", "PIXEL", "Pixel coordinate system"),
        ("CRVAL1", 1.0, "Value of reference pixel"),
        ("CRVAL2", 1.0, "Value of reference pixel"),
        ("CRPIX1", 1.0, "Reference pixel"),
        ("CRPIX2", 1.0, "Reference pixel"),
        ("CDELT1", 1.0, "Binning factor"),
        ("CDELT2", 1.0, "Binning factor"),
        ("BUNIT", "ADU", "Physical unit of array values"),
    ]


def _ccd_cards(arm: Arm, layout: Layout, exptime_s: float) -> list[Card]:
    nx, ny = layout.nx, layout.ny
    return [
        ("ESO DET DID", "ESO-VLT-DIC.FIERA-1.33", "Data dictionary for DET"),
        ("ESO DET ID", "CCD FIERA - Rev 3.6", "Detector system Id"),
        ("ESO DET CHIP1 NX", nx, "# of pixels along X"),
        ("ESO DET CHIP1 NY", ny, "# of pixels along Y"),
        ("ESO DET CHIP1 PSZX", PIXEL_UM, "[um] Size of pixel in X"),
        ("ESO DET CHIP1 PSZY", PIXEL_UM, "[um] Size of pixel in Y"),
        ("ESO DET OUTPUTS", 1, "# of outputs"),
        ("ESO DET OUT1 CHIP", 1, "Number of the chip it reads"),
        ("ESO DET OUT1 X", 1, "X location of output"),
        ("ESO DET OUT1 Y", 1, "Y location of output"),
        ("ESO DET OUT1 NX", nx, "Valid pixels along X"),
        ("ESO DET OUT1 NY", ny, "Valid pixels along Y"),
        ("ESO DET OUT1 PRSCX", arm.prescan_px, "Prescan region in X"),
        ("ESO DET OUT1 PRSCY", 0, "Prescan region in Y"),
        ("ESO DET OUT1 OVSCX", arm.overscan_px, "Overscan region in X"),
        ("ESO DET OUT1 OVSCY", 0, "Overscan region in Y"),
        ("ESO DET OUT1 CONAD", arm.conad_e_adu, "[e-/ADU] Conversion factor"),
        ("ESO DET OUT1 GAIN", round(1.0 / arm.conad_e_adu, 6), "[ADU/e-] Conversion factor"),
        ("ESO DET OUT1 RON", arm.ron_e, "[e-] Readout noise"),
        ("ESO DET READ CLOCK", arm.clock, "Readout clock pattern used"),
        ("ESO DET READ SPEED", arm.clock, "Readout speed"),
        ("ESO DET WIN1 BINX", 1, "Binning factor along X"),
        ("ESO DET WIN1 BINY", 1, "Binning factor along Y"),
        ("ESO DET WIN1 NX", arm.prescan_px + nx + arm.overscan_px, "# of pixels along X"),
        ("ESO DET WIN1 NY", ny, "# of pixels along Y"),
        ("ESO DET WIN1 DIT1", exptime_s, "[s] Actual integration time"),
        ("ESO DET WIN1 UIT1", exptime_s, "[s] User defined integration time"),
        ("ESO DET WIN1 DKTM", exptime_s, "[s] Dark current time"),
    ]


def _infrared_cards(arm: Arm, layout: Layout, exptime_s: float) -> list[Card]:
    """Return the cards of the array, which is read lying on its side and has neither binning nor clock."""
    left, right, below, above = arm.cut_px
    nx, ny = layout.ny + below + above, layout.nx + left + right
    return [
        ("ESO DET DID", "ESO-VLT-DIC.IRACE-1.34", "Data dictionary for DET"),
        ("ESO DET ID", "XSHOOTER IR", "Detector system Id"),
        ("ESO DET CHIP NX", nx, "# of pixels along X"),
        ("ESO DET CHIP NY", ny, "# of pixels along Y"),
        ("ESO DET CHIP PXSPACE", PIXEL_UM * 1e-6, "[m] Pixel-pixel spacing"),
        ("ESO DET DIT", exptime_s, "[s] Detector integration time"),
        ("ESO DET NDIT", 1, "# of integrations averaged"),
        ("ESO DET NDITSKIP", 0, "# of integrations skipped"),
    ]


def _sequence_cards(arm: Arm, shot: Shot) -> list[Card]:
    """Return the SEQ group: arm, nod and offsets.

    The recipe for nodding takes a star for one at minus the cumulative offset: with the other sign it ends
    well, with a negative spectrum.
    """
    cards: list[Card] = [("ESO SEQ ARM", arm.name, "Spectrograph arm")]
    if not shot.kind.on_sky:
        return cards
    along = SKY_OFFSET_ARCSEC if shot.kind is OFFSET_SKY else 0.0 - shot.slit_arcsec
    return [
        *cards,
        ("ESO SEQ NOD THROW", NOD_THROW_ARCSEC if shot.kind.tech == NOD.tech else 0.0, "[arcsec] Nod throw"),
        ("ESO SEQ JITTER WIDTH", 0.0, "[arcsec] Jitter box width"),
        ("ESO SEQ CUMOFF X", 0.0, "[arcsec] Cumulative offset across the slit"),
        ("ESO SEQ CUMOFF Y", along, "[arcsec] Cumulative offset along the slit"),
        ("ESO SEQ CUMOFF RA", 0.0, "[arcsec] Cumulative offset in RA"),
        ("ESO SEQ CUMOFF DEC", along, "[arcsec] Cumulative offset in DEC"),
        ("ESO SEQ RELOFF RA", 0.0, "[arcsec] Offset of this exposure in RA"),
        ("ESO SEQ RELOFF DEC", along, "[arcsec] Offset of this exposure in DEC"),
    ]
