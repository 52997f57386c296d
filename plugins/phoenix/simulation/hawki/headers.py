"""Headers of HAWK-I raw frames: shared groups plus INS, DET and SEQ of the instrument."""

from __future__ import annotations

from phoenix.simulation.atmosphere import PRESSURE_HPA
from phoenix.simulation.cards import (
    archive_cards,
    block_cards,
    data_product_cards,
    identity_cards,
    telescope_cards,
    template_cards,
)
from phoenix.simulation.fitsfile import Card
from phoenix.simulation.hawki.settings import (
    DARK,
    EXTENSIONS,
    FILTER,
    FLAT_DARK,
    GAIN_E_ADU,
    INSTRUMENT,
    PIXEL_ARCSEC,
    HawkiSetup,
)
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile


def primary_cards(exposure: Exposure[HawkiSetup], offset_px: tuple[float, float]) -> list[Card]:
    """All cards of the primary header."""
    template = exposure.template
    kind, block = template.setup.kind, template.block
    target = kind.dpr_type if block.target is None else block.target.name
    original = f"HAWKI_{kind.dpr_type}_{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    whole_s = kind.dit_s * kind.ndit
    return [
        *identity_cards(INSTRUMENT, "ESO-VLT-U4", block, target, exposure.start, kind.dit_s),
        *data_product_cards(kind.catg, kind.dpr_type, "IMAGE"),
        *block_cards(block, target, template.number),
        *template_cards(kind.template, kind.name, template.start, template.planned, exposure.number),
        *telescope_cards(4, block, exposure.start, whole_s, PRESSURE_HPA),
        ("ESO TEL IA FWHM", 0.6, "[arcsec] Delivered seeing corrected by airmass"),
        *_filter_cards(shut=kind in (DARK, FLAT_DARK)),
        *_detector_cards(exposure),
        ("ESO SEQ CUMOFFSETX", offset_px[0], "[px] Offset from the first position"),
        ("ESO SEQ CUMOFFSETY", offset_px[1], "[px] Offset from the first position"),
        ("ESO SEQ CUMOFFSETA", offset_px[0] * PIXEL_ARCSEC, "[arcsec] Offset in RA"),
        ("ESO SEQ CUMOFFSETD", offset_px[1] * PIXEL_ARCSEC, "[arcsec] Offset in DEC"),
        *archive_cards(arcfile(INSTRUMENT, exposure.start), original),
    ]


def _filter_cards(*, shut: bool) -> list[Card]:
    # Of the two wheels one is open always; darks have a blank in the other.
    name = "OPEN" if shut else FILTER
    return [
        ("ESO INS ID", "HAWKI/1.1", "Instrument ID"),
        ("ESO INS DID", "ESO-VLT-DIC.HAWKI_ICS-1.13", "Data dictionary for INS"),
        ("ESO INS FILT1 NAME", name, "Filter name"),
        ("ESO INS FILT1 ID", name, "Filter unique id"),
        ("ESO INS FILT2 NAME", "OPEN", "Filter name"),
        ("ESO INS FILT2 ID", "OPEN", "Filter unique id"),
        ("ESO INS PIXSCALE", PIXEL_ARCSEC, "[arcsec] Pixel scale"),
    ]


def _detector_cards(exposure: Exposure[HawkiSetup]) -> list[Card]:
    kind = exposure.template.setup.kind
    return [
        ("ESO DET ID", "HAWKI", "Detector system Id"),
        ("ESO DET DID", "ESO-VLT-DIC.IRACE-1.34", "Data dictionary for DET"),
        ("ESO DET CHIPS", len(EXTENSIONS), "# of chips in detector array"),
        ("ESO DET DIT", kind.dit_s, "[s] Integration time"),
        ("ESO DET NDIT", kind.ndit, "# of sub-integrations"),
        ("ESO DET MINDIT", 1.676, "[s] Minimum DIT"),
        ("ESO DET NCORRS NAME", "Double", "Read-out mode name"),
        ("ESO DET READ CURNAME", "Double", "Read-out mode name"),
        ("ESO DET NDSAMPLES", 2, "# of non-destructive samples"),
        ("ESO DET RSPEED", 1, "Read speed factor"),
    ]


def extension_cards(chip: int, place: list[Card]) -> list[Card]:
    """Cards of one detector's extension; `place` holds its coordinate system, if it looks at the sky."""
    return [
        ("EXTNAME", EXTENSIONS[chip], "Extension name"),
        ("ORIGIN", "ESO-PARANAL", "European Southern Observatory"),
        ("GAIN", GAIN_E_ADU, "[e-/ADU] Gain"),
        ("ESO DET CHIP ID", f"ESO-Hawaii2RG-{chip}", "Detector ID"),
        ("ESO DET CHIP NAME", f"HAWAII2RG-{chip}", "Detector name"),
        ("ESO DET CHIP NO", chip + 1, "Number of the detector"),
        ("ESO DET CHIP LIVE", True, "Detector live or broken"),
        *place,
    ]
