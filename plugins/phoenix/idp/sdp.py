"""Header of a SCIENCE.SPECTRUM: keywords of the SDP standard in its order (ESO-044286 issue 8, Table 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from phoenix.idp.card import Fixed, format_card
from phoenix.idp.spectrum import Spectrum
from phoenix.model.frame import Value

SECONDS_PER_DAY = 86400.0


@dataclass(frozen=True)
class Observation:
    """What was observed, by whom and when: keywords every science product has.

    Attributes
    ----------
    mjd_obs, mjd_end
        Start of the first and end of the last exposure, MJD in days, UTC.
    exptime_s
        Sum of the exposure times of aligned exposures, s; equals TEXPTIME then.
    sources
        ARCFILE names of the raw science frames.
    texptime_s
        Sum of all exposure times, s, where EXPTIME is another: exposures that do not cover the same field.
    """

    origin: str
    telescope: str
    instrument: str
    target: str
    ra_deg: float
    dec_deg: float
    radesys: str
    equinox: float | None
    mjd_obs: float
    mjd_end: float
    exptime_s: float
    prog_id: str
    ob_ids: tuple[int, ...]
    obstech: str
    procsoft: str
    sources: tuple[str, ...]
    texptime_s: float | None = None


@dataclass(frozen=True)
class Calibration:
    """How good the spectrum is; wavelengths in nm.

    Attributes
    ----------
    wave_min_nm, wave_max_nm
        First and last useful wavelength.
    line_rms_nm, lines
        RMS of the wavelength solution and the number of lines it rests on.
    systematic_nm
        Systematic error of the wavelengths; None if unknown.
    gain_e_adu, ron_e
        Of the detector; None if unknown.
    total_flux
        Whether the slit passes all light of a point source.
    """

    fluxed: bool
    specsys: str
    extended: bool | None
    wave_min_nm: float
    wave_max_nm: float
    bin_nm: float
    resolving_power: float
    snr: float
    aperture_arcsec: float
    disperser: str
    line_rms_nm: float | None = None
    lines: int | None = None
    systematic_nm: float | None = None
    gain_e_adu: float | None = None
    ron_e: float | None = None
    total_flux: bool = False


@dataclass(frozen=True)
class Ancillary:
    """A file that goes with the science product.

    Attributes
    ----------
    category, md5
        Only for files that are not FITS; a FITS file tells its category itself.
    """

    name: str
    category: str = ""
    md5: str = ""


def on_grid(observation: Observation) -> Observation:
    """Return the observation with its times as the header can hold them: eight decimals of a day."""
    return replace(observation, mjd_obs=round(observation.mjd_obs, 8), mjd_end=round(observation.mjd_end, 8))


def combined(observations: Sequence[Observation]) -> Observation:
    """Return the observation a stack of exposures of one target is: aligned exposures are added up."""
    ordered = sorted(observations, key=lambda one: one.mjd_obs)
    return replace(
        ordered[0],
        mjd_end=max(one.mjd_end for one in ordered),
        exptime_s=sum(one.exptime_s for one in ordered),
        ob_ids=tuple(dict.fromkeys(ob for one in ordered for ob in one.ob_ids)),
        sources=tuple(dict.fromkeys(name for one in ordered for name in one.sources)),
    )


def primary_cards(
    observation: Observation,
    calibration: Calibration,
    ancillaries: Sequence[Ancillary],
    converted_at: datetime,
    category: str = "SCIENCE.SPECTRUM",
) -> list[str]:
    """Return the SDP cards of the primary header of a spectrum.

    Parameters
    ----------
    category : str
        ``ANCILLARY.SPECTRUM`` for an exposure that goes with a stack; it may have no ancillary files itself.
    """
    return [
        format_card("PRODCATG", category, "data product category"),
        *observation_cards(observation, converted_at),
        *_spectrum_cards(calibration),
        *association_cards(ancillaries),
    ]


def extension_cards(
    observation: Observation, calibration: Calibration, spectrum: Spectrum, title: str
) -> list[str]:
    """Return the SDP cards of the table's header that follow its column descriptions."""
    low, high = calibration.wave_min_nm, calibration.wave_max_nm
    return _cards(
        ("EXTNAME", "SPECTRUM", "name of this extension"),
        ("INHERIT", True, "primary header applies here, too"),
        ("VOCLASS", "SPECTRUM v2.0", "VO data model"),
        ("VOPUB", "ESO/SAF", "VO publishing authority"),
        ("TITLE", title, "dataset title"),
        ("OBJECT", observation.target, "target designation"),
        ("RA", observation.ra_deg, "[deg] target, J2000"),
        ("DEC", observation.dec_deg, "[deg] target, J2000"),
        ("APERTURE", round(calibration.aperture_arcsec / 3600, 9), "[deg] slit width or fibre diameter"),
        (
            "TELAPSE",
            round((observation.mjd_end - observation.mjd_obs) * SECONDS_PER_DAY, 3),
            "[s] MJD-END minus MJD-OBS",
        ),
        ("TMID", Fixed((observation.mjd_obs + observation.mjd_end) / 2, 8), "[d] MJD mid exposure"),
        ("SPEC_VAL", round((low + high) / 2, 6), "[nm] mean wavelength"),
        ("SPEC_BW", round(high - low, 6), "[nm] width of the wavelength range"),
        ("NELEM", spectrum.elements, "length of the data arrays"),
    )


def observation_cards(observation: Observation, converted_at: datetime) -> list[str]:
    """Return the cards every science product has, without PRODCATG."""
    cards: list[tuple[str, Value | Fixed | None, str]] = [
        ("ORIGIN", observation.origin, "observatory"),
        ("TELESCOP", observation.telescope, "telescope"),
        ("INSTRUME", observation.instrument, "instrument"),
        ("OBJECT", observation.target, "target designation"),
        ("RA", observation.ra_deg, "[deg] target or middle of the field, J2000"),
        ("DEC", observation.dec_deg, "[deg] target or middle of the field, J2000"),
        ("RADESYS", observation.radesys, "coordinate reference frame"),
        ("EQUINOX", observation.equinox, "equinox of the coordinates"),
        ("TIMESYS", "UTC", "time system"),
        ("EXPTIME", observation.exptime_s, "[s] exposure time per pixel"),
        ("TEXPTIME", observation.texptime_s or observation.exptime_s, "[s] sum of all exposures"),
        ("MJD-OBS", Fixed(observation.mjd_obs, 8), "[d] start of first exposure, UTC"),
        ("MJD-END", Fixed(observation.mjd_end, 8), "[d] end of last exposure, UTC"),
        ("DATE", converted_at.strftime("%Y-%m-%dT%H:%M:%S"), "date this file was written, UTC"),
        ("PROG_ID", observation.prog_id, "ESO programme"),
        *((f"OBID{i}", ob, "observation block") for i, ob in enumerate(observation.ob_ids, start=1)),
        ("NCOMBINE", len(observation.sources), "raw science frames combined"),
        ("OBSTECH", observation.obstech, "observation technique"),
        ("PROCSOFT", observation.procsoft, "data reduction software"),
        ("REFERENC", "", "bibliographic reference"),
        *((f"PROV{i}", name, "originating raw file") for i, name in enumerate(observation.sources, start=1)),
        ("PRODLVL", 2, "science grade: instrument signature removed"),
        ("SINGLEXP", len(observation.sources) == 1, "made of one exposure"),
        ("M_EPOCH", False, "combines several epochs"),
    ]
    return _cards(*cards)


def _spectrum_cards(calibration: Calibration) -> list[str]:
    rms, lines = calibration.line_rms_nm, calibration.lines
    random_error = round(rms / lines**0.5, 10) if rms is not None and lines else None
    half_slit_deg = round(calibration.aperture_arcsec / 3600 / 2, 9)
    return _cards(
        ("DISPELEM", calibration.disperser, "dispersive element"),
        ("FLUXCAL", "ABSOLUTE" if calibration.fluxed else "UNCALIBRATED", "quality of flux calibration"),
        ("FLUXERR", -2.0 if calibration.fluxed else -1.0, "[%] -2 not known, -1 no flux calibration"),
        ("TOT_FLUX", calibration.total_flux, "whether all light is in: slit losses are not corrected"),
        ("CONTNORM", False, "not normalised to the continuum"),
        ("EXT_OBJ", calibration.extended, "target is extended"),
        ("SPECSYS", calibration.specsys, "frame of the wavelengths"),
        ("WAVELMIN", calibration.wave_min_nm, "[nm] first useful wavelength"),
        ("WAVELMAX", calibration.wave_max_nm, "[nm] last useful wavelength"),
        ("SPEC_BIN", calibration.bin_nm, "[nm] mean width of a bin, gaps excluded"),
        ("SPEC_RES", calibration.resolving_power, "resolving power at mid wavelength"),
        ("SPEC_ERR", random_error, "[nm] LAMRMS / sqrt(LAMNLIN)"),
        ("SPEC_SYE", calibration.systematic_nm, "[nm] systematic wavelength error"),
        ("LAMRMS", rms, "[nm] RMS of the wavelength solution"),
        ("LAMNLIN", lines, "lines of the wavelength solution"),
        ("SNR", calibration.snr, "median S/N per bin, QUAL = 0"),
        ("RA_ERR", half_slit_deg, "[deg] half of APERTURE"),
        ("DEC_ERR", half_slit_deg, "[deg] half of APERTURE"),
        ("GAIN", calibration.gain_e_adu, "[e/ADU] conversion factor"),
        ("DETRON", calibration.ron_e, "[e] readout noise"),
    )


def score_cards(bits: str) -> list[str]:
    """Card with the score bits of a product; none where the instrument has no bits."""
    return [format_card("QCFLAG", bits, "score bits: 0 good, 1 not, - unknown")] if bits else []


def association_cards(ancillaries: Sequence[Ancillary]) -> list[str]:
    """Cards with the same index for name, category and checksum of one file, as the archive reads them."""
    cards = []
    for number, ancillary in enumerate(ancillaries, start=1):
        cards.append(format_card(f"ASSON{number}", ancillary.name))
        if ancillary.category:
            cards.append(format_card(f"ASSOC{number}", ancillary.category))
            cards.append(format_card(f"ASSOM{number}", ancillary.md5))
    return cards


def _cards(*entries: tuple[str, Any, str]) -> list[str]:
    """Cards of all entries that have a value."""
    return [format_card(keyword, value, comment) for keyword, value, comment in entries if value is not None]
