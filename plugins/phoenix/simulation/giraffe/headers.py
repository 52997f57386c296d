"""Headers of GIRAFFE raw frames: shared groups plus the INS and DET groups of the instrument."""

from __future__ import annotations

from datetime import datetime
from math import cos, pi

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
from phoenix.simulation.giraffe.settings import (
    ARCHIVE_PREFIX,
    CONAD_E_ADU,
    EDGE_PX,
    GRATING,
    GROOVES_PER_MM,
    INSTRUMENT,
    LAYOUTS,
    PIXEL_MM,
    RON_E,
    ROWS,
    GiraffeSetup,
)
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile

#: Our choice: no public text we know says which keyword holds the temperature of the real instrument.
TEMPERATURE = "ESO INS TEMP1 VAL"
MEAN_TEMPERATURE_C, DAILY_CHANGE_C = 13.0, 0.5
WARMEST_HOUR_UT = 19.0


def primary_cards(exposure: Exposure[GiraffeSetup], size: str) -> list[Card]:
    """All cards of the primary header."""
    template = exposure.template
    setup, block = template.setup, template.block
    kind = setup.kind
    target = kind.dpr_type if block.target is None else block.target.name
    original = f"{kind.origfile}{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, "ESO-VLT-U2", block, target, exposure.start, template.exptime_s),
        *data_product_cards(kind.catg, kind.dpr_type, kind.tech),
        *block_cards(block, target, template.number),
        *template_cards(kind.template, kind.name, template.start, template.planned, exposure.number),
        *telescope_cards(2, block, exposure.start, template.exptime_s, PRESSURE_HPA),
        *adapter_cards(exposure.start),
        *_instrument_cards(setup, exposure.start),
        *_detector_cards(template.exptime_s, size),
        *archive_cards(arcfile(ARCHIVE_PREFIX, exposure.start), original),
    ]


def temperature_c(moment: datetime, warmer_c: float) -> float:
    """Return the temperature of the spectrograph, which follows the day a little."""
    hours = moment.hour + moment.minute / 60.0
    daily_c = DAILY_CHANGE_C * cos(2 * pi * (hours - WARMEST_HOUR_UT) / 24.0)
    return round(MEAN_TEMPERATURE_C + daily_c + warmer_c, 2)


def _instrument_cards(setup: GiraffeSetup, start: datetime) -> list[Card]:
    optics, lit = setup.setup, setup.kind.simcal_lit
    return [
        ("ESO INS DID", "ESO-VLT-DIC.GIRAFFE_ICS-1.60", "Data dictionary for INS"),
        ("ESO INS ID", "GIRAFFE/1.60", "Instrument ID"),
        ("ESO INS SWSIM", "NORMAL", "Software simulation"),
        ("ESO INS MODE", "MED", "Instrument mode used"),
        ("ESO INS EXP MODE", optics.name, "Exposure mode: the setup"),
        ("ESO INS SLIT NAME", setup.slit, "Slit name"),
        ("ESO INS SLITS ID", setup.slit.upper(), "Slit unique id"),
        ("ESO INS GRAT ID", GRATING, "Grating unique ID"),
        ("ESO INS GRAT NAME", GRATING, "Grating common name"),
        ("ESO INS GRAT WLEN", optics.wlen_nm, "[nm] Grating central wavelength"),
        ("ESO INS GRAT ORDER", optics.order, "Grating order"),
        # In 1e6 per mm, as the pipeline reads it.
        ("ESO INS GRAT GROOVES", GROOVES_PER_MM * 1e-6, "Grating grooves, 1/nm"),
        ("ESO INS FILT NAME", optics.filter_name, "Filter name"),
        ("ESO INS LAMP4 ST", lit, "Simultaneous calibration lamp on"),
        ("ESO INS LAMP5 ST", lit, "Simultaneous calibration lamp on"),
        ("ESO INS SHUT ST", setup.kind.tech != "IMAGE", "Shutter open"),
        (TEMPERATURE, temperature_c(start, setup.warmer_c), "[C] Temperature of the spectrograph"),
    ]


def _detector_cards(exptime_s: float, size: str) -> list[Card]:
    columns = LAYOUTS[size].columns
    return [
        ("ESO DET DID", "ESO-VLT-DIC.FIERA-1.33", "Data dictionary for DET"),
        ("ESO DET ID", "CCD FIERA - Rev 3.6", "Detector system Id"),
        ("ESO DET NAME", "ccdG - giraffe", "Name of detector system"),
        ("ESO DET BITS", 16, "Bits per pixel readout"),
        ("ESO DET CHIPS", 1, "# of chips in detector array"),
        ("ESO DET CHIP1 ID", "Carreras", "Detector chip identification"),
        ("ESO DET CHIP1 NAME", "Carreras", "Detector chip name"),
        ("ESO DET CHIP1 NX", columns, "# of pixels along X"),
        ("ESO DET CHIP1 NY", ROWS, "# of pixels along Y"),
        ("ESO DET CHIP1 PSZX", 1000 * PIXEL_MM, "[um] Size of pixel in X"),
        ("ESO DET CHIP1 PSZY", 1000 * PIXEL_MM, "[um] Size of pixel in Y"),
        ("ESO DET EXP TYPE", "Dark" if exptime_s == 0.0 else "Normal", "Exposure type"),
        ("ESO DET OUTPUTS", 1, "# of outputs"),
        ("ESO DET OUT1 NX", columns, "Valid pixels along X"),
        ("ESO DET OUT1 NY", ROWS, "Valid pixels along Y"),
        ("ESO DET OUT1 PRSCX", EDGE_PX, "Prescan region in X"),
        ("ESO DET OUT1 PRSCY", 0, "Prescan region in Y"),
        ("ESO DET OUT1 OVSCX", EDGE_PX, "Overscan region in X"),
        ("ESO DET OUT1 OVSCY", 0, "Overscan region in Y"),
        ("ESO DET OUT1 CONAD", CONAD_E_ADU, "[e-/ADU] Conversion factor"),
        ("ESO DET OUT1 GAIN", round(1.0 / CONAD_E_ADU, 6), "[ADU/e-] Conversion factor"),
        ("ESO DET OUT1 RON", RON_E, "[e-] Readout noise"),
        ("ESO DET READ CLOCK", "225kHz,1x1,low", "Readout clock pattern used"),
        ("ESO DET READ MODE", "normal", "Readout method"),
        ("ESO DET READ SPEED", "225kHz,1x1,low", "Readout speed"),
        ("ESO DET WIN1 BINX", 1, "Binning factor along X"),
        ("ESO DET WIN1 BINY", 1, "Binning factor along Y"),
        ("ESO DET WIN1 NX", columns + 2 * EDGE_PX, "# of pixels along X"),
        ("ESO DET WIN1 NY", ROWS, "# of pixels along Y"),
        ("ESO DET WIN1 DIT1", float(exptime_s), "[s] Actual integration time"),
        ("ESO DET WIN1 UIT1", float(exptime_s), "[s] User defined integration time"),
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
