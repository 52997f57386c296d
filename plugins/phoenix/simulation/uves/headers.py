"""Headers of UVES raw frames: shared groups plus the INS and DET groups of the instrument."""

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
from phoenix.simulation.uves.settings import BIAS, CONAD_E_ADU, EDGE_PX, RON_E, Chip, Setting, UvesSetup

INSTRUMENT = "UVES"
SLIT_WIDTH_ARCSEC = 1.0
SLIT_LENGTH_ARCSEC = 8.0
#: The geometry holds for these; the pipeline's physical model reads them.
SPECTROGRAPH_TEMPERATURE_C = 11.5

_SENSORS = {1: "Blue camera", 2: "Red camera", 31: "Blue cross disperser", 32: "Red cross disperser"}


def primary_cards(exposure: Exposure[UvesSetup], binning: int) -> list[Card]:
    """All cards of the primary header but those of the chips."""
    template = exposure.template
    kind, setting, block = template.setup.kind, template.setup.setting, template.block
    target = kind.dpr_type if block.target is None else block.target.name
    template_id = kind.template.format(arm=setting.arm.lower())
    original = f"{kind.origfile.format(arm=setting.arm)}{exposure.start:%j}_{exposure.start:%H%M%S}.fits"
    return [
        *identity_cards(INSTRUMENT, "ESO-VLT-U2", block, target, exposure.start, template.exptime_s),
        *data_product_cards(kind.catg, kind.dpr_type, kind.tech),
        *block_cards(block, target, template.number),
        *template_cards(template_id, kind.name, template.start, template.planned, exposure.number),
        *telescope_cards(2, block, exposure.start, template.exptime_s, PRESSURE_HPA),
        *adapter_cards(exposure.start),
        *_instrument_cards(template.setup),
        *_detector_cards(setting, template.exptime_s, binning),
        *archive_cards(arcfile(INSTRUMENT, exposure.start), original),
    ]


def _instrument_cards(setup: UvesSetup) -> list[Card]:
    setting = setup.setting
    shut = setup.kind is BIAS
    return [
        ("ESO INS DID", "ESO-VLT-DIC.UVES_ICS-2.10", "Data dictionary for INS"),
        ("ESO INS ID", "UVES/2.10", "Instrument ID"),
        ("ESO INS SWSIM", "NORMAL", "Software simulation"),
        ("ESO INS MODE", setting.arm, "Instrument mode used"),
        ("ESO INS PATH", setting.arm, "Optical path used"),
        ("ESO INS PIXSCALE", setting.pixel_scale_arcsec, "[arcsec] Pixel scale"),
        ("ESO INS DPOL ID", "NONE", "Depolariser"),
        ("ESO INS DPOL MODE", "OFF", "Depolariser mode"),
        ("ESO INS ADC MODE", "OFF", "Atmospheric dispersion corrector"),
        ("ESO INS DROT MODE", "ELEV", "Derotator mode"),
        ("ESO INS DROT POSANG", 0.0, "[deg] Slit position angle"),
        ("ESO INS DROT BEGIN", 0.0, "[deg] Derotator position at start"),
        ("ESO INS DROT END", 0.0, "[deg] Derotator position at end"),
        *_filter_cards(setting),
        *_grating_cards(setting),
        *_slit_cards(setting),
        ("ESO INS OPTI1 NAME", "FREE", "Preslit optics"),
        ("ESO INS MIRR1 NAME", "FREE" if setup.kind.catg == "SCIENCE" else "MIRROR1", "Calibration mirror"),
        ("ESO INS MIRR2 NAME", "FREE", "Arm selector mirror"),
        ("ESO INS TILT1 POS", 0.0, "[mm] Blue camera tilt"),
        ("ESO INS TILT2 POS", 0.0, "[mm] Red camera tilt"),
        ("ESO INS FOCU1 POS", 0.0, "[mm] Blue camera focus"),
        ("ESO INS FOCU2 POS", 0.0, "[mm] Red camera focus"),
        ("ESO INS SHUT1 ST", not shut, "Shutter open"),
        *_lamp_cards(setup.kind.lamp),
        *_sensor_cards(),
    ]


def _filter_cards(setting: Setting) -> list[Card]:
    below = "HER_5" if setting.arm == "BLUE" else "SHP700"
    return [
        ("ESO INS FILT1 ID", "FREE", "Filter unique id"),
        ("ESO INS FILT1 NAME", "FREE", "Filter name"),
        ("ESO INS FILT2 ID", "FREE", "Filter unique id"),
        ("ESO INS FILT2 NAME", below if setting.arm == "BLUE" else "FREE", "Below slit filter, blue"),
        ("ESO INS FILT3 ID", "FREE", "Filter unique id"),
        ("ESO INS FILT3 NAME", below if setting.arm == "RED" else "FREE", "Below slit filter, red"),
    ]


def _grating_cards(setting: Setting) -> list[Card]:
    prefix = f"ESO INS GRAT{setting.grating_number}"
    return [
        (f"{prefix} ID", setting.grating, "Grating unique ID"),
        (f"{prefix} NAME", setting.grating, "Grating common name"),
        (f"{prefix} WLEN", setting.wlen_nm, "[nm] Grating central wavelength"),
        (f"{prefix} ENC", 500000, "[Enc] Grating absolute position"),
        (f"{prefix} X", 0.0, "[px] Offset along dispersion"),
        (f"{prefix} Y", 0.0, "[px] Offset across dispersion"),
    ]


def _slit_cards(setting: Setting) -> list[Card]:
    prefix = f"ESO INS SLIT{setting.slit_number}"
    return [
        ("ESO INS SLIT1 NAME", "FREE", "Slit common name"),
        ("ESO INS SLIT1 NO", 1, "Slide position"),
        (f"{prefix} NAME", setting.arm, "Slit common name"),
        (f"{prefix} LEN", SLIT_LENGTH_ARCSEC, "[arcsec] Slit length"),
        (f"{prefix} WID", SLIT_WIDTH_ARCSEC, "[arcsec] Slit width"),
        (f"{prefix} X1ENC", 100, "[Enc] Absolute position of 1st blade"),
        (f"{prefix} X2ENC", 100, "[Enc] Absolute position of 2nd blade"),
        (f"{prefix} Y1ENC", 400, "[Enc] Absolute position of 1st decker"),
        (f"{prefix} Y2ENC", 400, "[Enc] Absolute position of 2nd decker"),
    ]


def _lamp_cards(lamp: str) -> list[Card]:
    names = {1: "FF", 2: "FF2", 3: "DEUTERIUM", 4: "THAR"}
    lit = {"FF": 1, "ThAr": 4}.get(lamp)
    return [
        card
        for number, name in names.items()
        for card in (
            (f"ESO INS LAMP{number} ID", f"L{number}", "Lamp ID"),
            (f"ESO INS LAMP{number} NAME", name, "Lamp name"),
            (f"ESO INS LAMP{number} ST", number == lit, "Lamp activated"),
        )
    ]


def _sensor_cards() -> list[Card]:
    temperatures: list[Card] = [
        (f"ESO INS TEMP{number} {what}", value, f"[C] {name}")
        for number, name in _SENSORS.items()
        for what, value in (
            ("MIN", SPECTROGRAPH_TEMPERATURE_C),
            ("MAX", SPECTROGRAPH_TEMPERATURE_C),
            ("MEAN", SPECTROGRAPH_TEMPERATURE_C),
            ("RMS", 0.0),
        )
    ]
    pressures: list[Card] = [
        (f"ESO INS SENS26 {what}", value, "[hPa] Barometric pressure")
        for what, value in (
            ("MIN", PRESSURE_HPA),
            ("MAX", PRESSURE_HPA),
            ("MEAN", PRESSURE_HPA),
            ("RMS", 0.0),
        )
    ]
    return [*temperatures, *pressures]


def _detector_cards(setting: Setting, exptime_s: float, binning: int) -> list[Card]:
    speed = f"50kHz,{binning}x{binning},high"
    nx, ny = window(setting, binning)
    return [
        ("ESO DET DID", "ESO-VLT-DIC.FIERA-1.33", "Data dictionary for DET"),
        ("ESO DET ID", "CCD FIERA - Rev 3.6", "Detector system Id"),
        ("ESO DET NAME", f"ccd{setting.arm[0]} - uves", "Name of detector system"),
        ("ESO DET BITS", 16, "Bits per pixel readout"),
        ("ESO DET CHIPS", len(setting.chips), "# of chips in detector array"),
        ("ESO DET OUTPUTS", len(setting.chips), "# of outputs"),
        ("ESO DET OUTREF", 0, "Reference output"),
        ("ESO DET EXP ID", 1, "Unique exposure ID number"),
        ("ESO DET EXP TYPE", "Dark" if exptime_s == 0.0 else "Normal", "Exposure type"),
        ("ESO DET EXP DUMDIT", 0, "# of dummy readouts"),
        ("ESO DET EXP XFERTIM", 30.0, "[s] Image transfer time"),
        ("ESO DET READ CLOCK", speed, "Readout clock pattern used"),
        ("ESO DET READ SPEED", speed, "Readout speed"),
        ("ESO DET READ MODE", "normal", "Readout method"),
        ("ESO DET READ NFRAM", 1, "Number of readouts buffered"),
        ("ESO DET FRAM ID", 1, "Image sequential number"),
        ("ESO DET FRAM TYPE", "Normal", "Type of frame"),
        ("ESO DET WINDOWS", 1, "# of windows readout"),
        ("ESO DET WIN1 BINX", binning, "Binning factor along X"),
        ("ESO DET WIN1 BINY", binning, "Binning factor along Y"),
        ("ESO DET WIN1 NDIT", 1, "# of subintegrations"),
        ("ESO DET WIN1 NX", nx, "# of pixels along X"),
        ("ESO DET WIN1 NY", ny, "# of pixels along Y"),
        ("ESO DET WIN1 ST", True, "If T, window enabled"),
        ("ESO DET WIN1 STRX", 1, "Lower left pixel in X"),
        ("ESO DET WIN1 STRY", 1, "Lower left pixel in Y"),
        ("ESO DET WIN1 UIT1", float(exptime_s), "[s] User defined integration time"),
        ("ESO DET WIN1 DIT1", float(exptime_s), "[s] Actual integration time"),
        ("ESO DET WIN1 DKTM", float(exptime_s), "[s] Dark current time"),
        ("ESO DET SHUT ID", "ccd shutter", "Shutter unique identifier"),
        ("ESO DET SHUT TMCLOS", 0.1, "[s] Time taken to close shutter"),
        ("ESO DET SHUT TMOPEN", 0.1, "[s] Time taken to open shutter"),
        ("ESO DET SHUT TYPE", "Slit", "Type of shutter"),
        ("ESO DET TELE INT", 60.0, "[s] Interval between telemetry samples"),
        ("ESO DET TELE NO", 1, "# of sources active"),
        ("ESO DET TLM1 NAME", "CCD T1", "Description of telemetry parameter"),
        ("ESO DET TLM1 START", 153.0, "[K] Telemetry value at read start"),
        ("ESO DET TLM1 END", 153.0, "[K] Telemetry value at read completion"),
    ]


def window(setting: Setting, binning: int) -> tuple[int, int]:
    """NAXIS1 and NAXIS2 of a raw chip image, prescan and overscan included."""
    rows = 3000 if setting.arm == "BLUE" else 4096
    return 2048 // binning + 2 * (EDGE_PX // binning), rows // binning


def chip_cards(chip: Chip, setting: Setting, binning: int) -> list[Card]:
    """Cards of one chip: in the primary header (BLUE) or in the chip's extension (RED)."""
    prefix, edge = f"ESO DET CHIP{chip.number}", EDGE_PX // binning
    nx, ny = window(setting, binning)
    return [
        ("CTYPE1", "PIXEL", "Pixel coordinate system"),
        ("CTYPE2", "PIXEL", "Pixel coordinate system"),
        ("CRVAL1", 1.0, "Value of reference pixel"),
        ("CRVAL2", 1.0, "Value of reference pixel"),
        ("CRPIX1", 1.0, "Reference pixel"),
        ("CRPIX2", 1.0, "Reference pixel"),
        ("CDELT1", float(binning), "Binning factor"),
        ("CDELT2", float(binning), "Binning factor"),
        ("BUNIT", "ADU", "Physical unit of array values"),
        (f"{prefix} ID", chip.chip_id, "Detector chip identification"),
        (f"{prefix} NAME", chip.maker, "Detector chip name"),
        (f"{prefix} INDEX", chip.number, "Chip index"),
        (f"{prefix} DATE", "2009-07-01", "Date of installation"),
        (f"{prefix} NX", 2048, "# of pixels along X"),
        (f"{prefix} NY", 3000 if setting.arm == "BLUE" else 4096, "# of pixels along Y"),
        (f"{prefix} PSZX", 15.0, "[um] Size of pixel in X"),
        (f"{prefix} PSZY", 15.0, "[um] Size of pixel in Y"),
        (f"{prefix} X", 1, "X location in array"),
        (f"{prefix} Y", 1, "Y location in array"),
        ("ESO DET OUT1 ID", "L", "Output ID as from manufacturer"),
        ("ESO DET OUT1 NAME", "NO0", "Description of output"),
        ("ESO DET OUT1 INDEX", 1, "Output index"),
        ("ESO DET OUT1 CHIP", chip.number, "Chip to which the output belongs"),
        ("ESO DET OUT1 X", 1, "X location of output"),
        ("ESO DET OUT1 Y", 1, "Y location of output"),
        ("ESO DET OUT1 NX", nx - 2 * edge, "Valid pixels along X"),
        ("ESO DET OUT1 NY", ny, "Valid pixels along Y"),
        ("ESO DET OUT1 PRSCX", edge, "Prescan region in X"),
        ("ESO DET OUT1 PRSCY", 0, "Prescan region in Y"),
        ("ESO DET OUT1 OVSCX", edge, "Overscan region in X"),
        ("ESO DET OUT1 OVSCY", 0, "Overscan region in Y"),
        ("ESO DET OUT1 RON", RON_E, "[e-] Readout noise"),
        ("ESO DET OUT1 CONAD", CONAD_E_ADU, "[e-/ADU] Conversion factor"),
        ("ESO DET OUT1 GAIN", round(1.0 / CONAD_E_ADU, 6), "[ADU/e-] Conversion factor"),
    ]
