"""Headers of simulated MUSE files: what all instruments share, INS, DET, and the cards of pixel tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import cos, radians

from phoenix.simulation.atmosphere import PRESSURE_HPA
from phoenix.simulation.cards import (
    SIMULATED,
    archive_cards,
    block_cards,
    identity_cards,
    telescope_cards,
    template_cards,
)
from phoenix.simulation.fitsfile import Card
from phoenix.simulation.muse.month import Aim, MuseSetup
from phoenix.simulation.muse.settings import (
    INSTRUMENT,
    MODE,
    READOUT,
    SEEING_FWHM_ARCSEC,
    SEEING_RMS_ARCSEC,
    TELESCOPE,
    UNIT_TELESCOPE,
)
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile

TEMPLATE_ID = "MUSE_wfm_obs_genericoffset"
STANDS_FOR = "PHX SIMULATED AS"


@dataclass(frozen=True)
class _Told:
    """Where the header says that the telescope points."""

    name: str
    ra_deg: float
    dec_deg: float


def aim_of(exposure: Exposure[MuseSetup]) -> Aim:
    """Where an exposure points."""
    return exposure.template.setup.aims[exposure.number - 1]


def told_pointing(exposure: Exposure[MuseSetup]) -> tuple[float, float]:
    """RA and DEC of the header in degrees: the field's centre, the dither and the pointing error."""
    field, aim = exposure.template.setup.field, aim_of(exposure)
    east, north = (meant + wrong for meant, wrong in zip(aim.dither_arcsec, aim.error_arcsec, strict=True))
    ra_deg = field.ra_deg + east / 3600.0 / cos(radians(field.dec_deg))
    return round(ra_deg, 8) % 360.0, round(field.dec_deg + north / 3600.0, 8)


def category(exposure: Exposure[MuseSetup]) -> str:
    """PRO.CATG of an exposure's pixel table."""
    return "PIXTABLE_SKY" if aim_of(exposure).sky else "PIXTABLE_OBJECT"


def pixel_table_cards(exposure: Exposure[MuseSetup]) -> list[Card]:
    """Return the primary header of an exposure's pixel table but for its limits.

    The cards are those of the raw frame it stands for, as muse_scibasic hands them on, without DPR.
    """
    template = exposure.template
    field = template.setup.field
    block = replace(template.block, target=_Told(field.name, *told_pointing(exposure)))
    name = arcfile(INSTRUMENT, exposure.start)
    shown = "SKY" if aim_of(exposure).sky else field.name
    original = f"MUSE_WFM_OBS{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, TELESCOPE, block, shown, exposure.start, template.exptime_s),
        *block_cards(block, field.name, template.number),
        *template_cards(TEMPLATE_ID, "Generic offsets", template.start, template.planned, exposure.number),
        *telescope_cards(UNIT_TELESCOPE, block, exposure.start, template.exptime_s, PRESSURE_HPA),
        *instrument_cards(aim_of(exposure).posang_deg),
        ("ESO PRO CATG", category(exposure), "Category"),
        ("ESO PRO TYPE", "REDUCED", "Product type"),
        ("ESO PRO TECH", "IFU", "Observation technique"),
        ("ESO PRO SCIENCE", True, "Scientific product if T"),
        (STANDS_FOR, "output of muse_scibasic", "no raw frame exists"),
        *archive_cards(name, original),
    ]


def instrument_cards(posang_deg: float) -> list[Card]:
    """INS group, the seeing, and the DET group."""
    return [
        ("ESO INS DID", "ESO-VLT-DIC.MUSE_ICS", "Data dictionary"),
        ("ESO INS ID", "MUSE", "Instrument ID"),
        ("ESO INS MODE", MODE, "Instrument mode used"),
        ("ESO INS DROT MODE", "SKY", "Instrument derotator mode"),
        ("ESO INS DROT POSANG", posang_deg, "[deg] Position angle"),
        ("ESO INS TEMP7 VAL", 12.0, "[C] Ambient temperature"),
        ("ESO INS TEMP11 VAL", 12.0, "[C] Temperature of the left wall"),
        # Seeing as telescope and slow guiding saw it; the recipes weight and describe cubes by it.
        ("ESO TEL IA FWHM", SEEING_FWHM_ARCSEC, "[arcsec] Delivered seeing"),
        ("ESO TEL IA FWHMLIN", SEEING_FWHM_ARCSEC, "[arcsec] Same, linear fit"),
        ("ESO OCS SGS AG FWHMX AVG", SEEING_FWHM_ARCSEC, "[arcsec] FWHM in X, average"),
        ("ESO OCS SGS AG FWHMX RMS", SEEING_RMS_ARCSEC, "[arcsec] FWHM in X, RMS"),
        ("ESO OCS SGS AG FWHMY AVG", SEEING_FWHM_ARCSEC, "[arcsec] FWHM in Y, average"),
        ("ESO OCS SGS AG FWHMY RMS", SEEING_RMS_ARCSEC, "[arcsec] FWHM in Y, RMS"),
        ("ESO DET BINX", 1, "Binning factor along X"),
        ("ESO DET BINY", 1, "Binning factor along Y"),
        ("ESO DET READ CURID", 1, "Used readout mode id"),
        ("ESO DET READ CURNAME", READOUT, "Used readout mode name"),
    ]


def table_cards(catg: str, valid_from: str, mjd: float) -> list[Card]:
    """Return the primary header of a calibration table made by the simulator."""
    return [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", valid_from, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", mjd, "Start of validity"),
        ("DATE-OBS", valid_from, "Start of validity"),
        ("EXPTIME", 0.0, "[s] Total integration time"),
        ("ESO INS MODE", MODE, "Instrument mode used"),
        ("ESO PRO CATG", catg, "Category"),
        (SIMULATED, True, "made by a simulator"),
        ("COMMENT", "SIMULATED: belongs to the PHOENIX simulator, of no use for real frames.", ""),
    ]
