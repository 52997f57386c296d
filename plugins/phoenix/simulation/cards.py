"""Header cards that all ESO instruments share: DPR, OBS, TPL and TEL groups, coordinates and times."""

from __future__ import annotations

from datetime import datetime, timedelta
from math import isfinite

from phoenix.simulation.fitsfile import Card
from phoenix.simulation.schedule import ObservationBlock
from phoenix.simulation.sky import Pointing, pointing
from phoenix.simulation.stamps import (
    PARANAL_HEIGHT_M,
    PARANAL_LATITUDE_DEG,
    PARANAL_LONGITUDE_DEG,
    lst_deg,
    mjd,
    second_stamp,
    stamp,
    utc_s,
)

#: Keyword that tells a simulated frame from a real one.
SIMULATED = "PHX SIMULATED"


def direction(block: ObservationBlock, moment: datetime) -> tuple[float, float]:
    """RA and DEC in degrees: of the target, or of the zenith during daytime calibrations."""
    if block.target is None:
        return round(lst_deg(moment), 5), PARANAL_LATITUDE_DEG
    return block.target.ra_deg, block.target.dec_deg


def identity_cards(
    instrument: str,
    telescope: str,
    block: ObservationBlock,
    object_name: str,
    start: datetime,
    exptime_s: float,
) -> list[Card]:
    """ORIGIN to PI-COI, the cards without hierarchy."""
    ra_deg, dec_deg = direction(block, start)
    return [
        ("ORIGIN", "ESO-PARANAL", "European Southern Observatory"),
        ("DATE", second_stamp(start + timedelta(seconds=exptime_s + 40)), "Date this file was written"),
        ("TELESCOP", telescope, "ESO Telescope Name"),
        ("INSTRUME", instrument, "Instrument used"),
        ("OBJECT", object_name, "Original target"),
        ("RA", ra_deg, "[deg] RA (J2000) pointing"),
        ("DEC", dec_deg, "[deg] DEC (J2000) pointing"),
        ("EQUINOX", 2000.0, "Standard FK5 (years)"),
        ("RADESYS", "FK5", "Coordinate reference frame"),
        ("EXPTIME", float(exptime_s), "[s] Total integration time"),
        ("MJD-OBS", mjd(start), "Obs start " + stamp(start)),
        ("DATE-OBS", stamp(start), "Observing date"),
        ("UTC", utc_s(start), "[s] UTC at start"),
        ("LST", round(lst_deg(start) * 240.0, 3), "[s] LST at start"),
        ("PI-COI", "PHOENIX SIMULATION", "PI-COI name"),
    ]


def block_cards(block: ObservationBlock, target_name: str, template_number: int) -> list[Card]:
    """Return the OBS group."""
    return [
        ("ESO OBS DID", "ESO-VLT-DIC.OBS-1.12", "OBS Dictionary"),
        ("ESO OBS EXECTIME", 0, "Expected execution time"),
        ("ESO OBS GRP", "0", "Linked blocks"),
        ("ESO OBS ID", block.ob_id, "Observation block ID"),
        ("ESO OBS NAME", block.name, "OB name"),
        ("ESO OBS NTPL", block.templates, "Number of templates within OB"),
        ("ESO OBS OBSERVER", "SIMULATED", "Observer Name"),
        ("ESO OBS PI-COI ID", 99999, "ESO internal PI-COI ID"),
        ("ESO OBS PI-COI NAME", "PHOENIX SIMULATION", "PI-COI name"),
        ("ESO OBS PROG ID", block.programme, "ESO program identification"),
        ("ESO OBS START", second_stamp(block.start), "OB start time"),
        ("ESO OBS TARG NAME", target_name, "OB target name"),
        ("ESO OBS TPLNO", template_number, "Template number within OB"),
    ]


def template_cards(template_id: str, name: str, start: datetime, planned: int, number: int) -> list[Card]:
    """Return the TPL group."""
    return [
        ("ESO TPL DID", "ESO-VLT-DIC.TPL-1.9", "Data dictionary for TPL"),
        ("ESO TPL EXPNO", number, "Exposure number within template"),
        ("ESO TPL ID", template_id, "Template signature ID"),
        ("ESO TPL NAME", name, "Template name"),
        ("ESO TPL NEXP", planned, "Number of exposures within template"),
        ("ESO TPL PRESEQ", f"{template_id}.seq", "Sequencer script"),
        ("ESO TPL START", second_stamp(start), "TPL start time"),
        ("ESO TPL VERSION", "1.1", "Version of the template"),
    ]


def data_product_cards(catg: str, dpr_type: str, tech: str) -> list[Card]:
    """Return the DPR group."""
    return [
        ("ESO DPR CATG", catg, "Observation category"),
        ("ESO DPR TECH", tech, "Observation technique"),
        ("ESO DPR TYPE", dpr_type, "Observation type"),
    ]


def telescope_cards(
    number: int, block: ObservationBlock, start: datetime, exptime_s: float, pressure_hpa: float
) -> list[Card]:
    """Return the TEL group: site, pointing at start, airmass and ambient conditions."""
    ra_deg, dec_deg = direction(block, start)
    first = pointing(ra_deg, dec_deg, start)
    last = pointing(ra_deg, dec_deg, start + timedelta(seconds=exptime_s))
    if block.target is None:  # the telescope stands at the zenith
        first = last = Pointing(90.0, 0.0, 0.0)
    airmass = [round(where.airmass, 3) for where in (first, last)]
    if not all(isfinite(value) and value >= 1.0 for value in airmass):
        raise ValueError(f"{block.name} is below the horizon at {stamp(start)}")
    return [
        ("ESO TEL DID", "ESO-VLT-DIC.TCS", "Data dictionary for TEL"),
        ("ESO TEL ID", f"v 1.0 UT{number}", "TCS version number"),
        ("ESO TEL DATE", "not set", "TCS installation date"),
        ("ESO TEL ALT", round(first.altitude_deg, 3), "[deg] Tel ALT angle at start"),
        ("ESO TEL AZ", round(first.azimuth_deg, 3), "[deg] Tel Azimuth at start S=0,W=90"),
        ("ESO TEL GEOELEV", PARANAL_HEIGHT_M, "[m] Elevation above sea level"),
        ("ESO TEL GEOLAT", PARANAL_LATITUDE_DEG, "[deg] Tel geo latitude (+=North)"),
        ("ESO TEL GEOLON", PARANAL_LONGITUDE_DEG, "[deg] Tel geo longitude (+=East)"),
        ("ESO TEL OPER", "I, Condor", "Telescope Operator"),
        ("ESO TEL FOCU ID", "NB", "Telescope focus station ID"),
        ("ESO TEL FOCU LEN", 120.0, "[m] Focal length"),
        ("ESO TEL FOCU SCALE", 1.718, "[arcsec/mm] Focal scale"),
        ("ESO TEL FOCU VALUE", -29.5, "[mm] M2 setting"),
        ("ESO TEL PARANG START", round(first.parallactic_deg, 3), "[deg] Parallactic angle at start"),
        ("ESO TEL PARANG END", round(last.parallactic_deg, 3), "[deg] Parallactic angle at end"),
        ("ESO TEL AIRM START", airmass[0], "Airmass at start"),
        ("ESO TEL AIRM END", airmass[1], "Airmass at end"),
        ("ESO TEL AMBI FWHM START", 0.8, "[arcsec] DIMM seeing at start"),
        ("ESO TEL AMBI FWHM END", 0.8, "[arcsec] DIMM seeing at end"),
        ("ESO TEL AMBI PRES START", pressure_hpa, "[hPa] Ambient pressure at start"),
        ("ESO TEL AMBI PRES END", pressure_hpa, "[hPa] Ambient pressure at end"),
        ("ESO TEL AMBI WINDSP", 5.0, "[m/s] Ambient wind speed"),
        ("ESO TEL AMBI WINDDIR", 20.0, "[deg] Ambient wind direction"),
        ("ESO TEL AMBI RHUM", 12.0, "[%] Ambient relative humidity"),
        ("ESO TEL AMBI TEMP", 12.0, "[C] Ambient temperature"),
        ("ESO TEL AMBI TAU0", 0.004, "[s] Average coherence time"),
        ("ESO TEL TH M1 TEMP", 11.8, "[C] M1 superficial temperature"),
        ("ESO TEL TRAK STATUS", "NORMAL", "Tracking status"),
        ("ESO TEL DOME STATUS", "FULLY-OPEN", "Dome status"),
        ("ESO TEL CHOP ST", False, "True when chopping is active"),
        ("ESO TEL TARG ALPHA", _sexagesimal(ra_deg / 15.0), "Alpha coordinate of the target"),
        ("ESO TEL TARG DELTA", _sexagesimal(dec_deg), "Delta coordinate of the target"),
        ("ESO TEL TARG EQUINOX", 2000.0, "Equinox"),
        ("ESO TEL TARG COORDTYPE", "M", "Coordinate type (M=mean)"),
        ("ESO TEL TARG PMA", 0.0, "Proper motion alpha"),
        ("ESO TEL TARG PMD", 0.0, "Proper motion delta"),
        ("ESO TEL TARG PARALLAX", 0.0, "Parallax"),
        ("ESO TEL TARG RADVEL", 0.0, "Radial velocity"),
    ]


def adapter_cards(start: datetime) -> list[Card]:
    """Return the ADA group: rotator and guide star."""
    return [
        ("ESO ADA ABSROT START", 12.5, "[deg] Abs rot angle at exposure start"),
        ("ESO ADA ABSROT END", 13.0, "[deg] Abs rot angle at exposure end"),
        ("ESO ADA POSANG", 0.0, "[deg] Position angle at start"),
        ("ESO ADA GUID STATUS", "ON", "Status of autoguider"),
        ("ESO ADA GUID RA", round(lst_deg(start), 5), "[deg] Guide star RA J2000"),
        ("ESO ADA GUID DEC", PARANAL_LATITUDE_DEG, "[deg] Guide star DEC J2000"),
    ]


def archive_cards(archive_name: str, original_name: str) -> list[Card]:
    """ARCFILE, ORIGFILE and the words that the frame is simulated."""
    return [
        (SIMULATED, True, "made by a simulator, not a telescope"),
        ("COMMENT", "SIMULATED FRAME: made by the PHOENIX simulator, no sky was observed.", ""),
        ("ORIGFILE", original_name, "Original File Name"),
        ("ARCFILE", archive_name, "Archive File Name"),
    ]


def _sexagesimal(value: float) -> float:
    """ESO's HHMMSS.TTT or DDMMSS.TTT as a number."""
    sign = -1.0 if value < 0 else 1.0
    seconds = round(abs(value) * 3600.0, 3)
    minutes, seconds = divmod(seconds, 60.0)
    hours, minutes = divmod(minutes, 60.0)
    return sign * round(hours * 10000 + minutes * 100 + seconds, 3)
