"""Converter ``xshooter_spectrum``: one SDP 1D spectrum of each AB, flux calibrated.

A stare exposure is an AB, and so are the exposures of a nodding or offset template of one arm, which the
recipe combines. Telluric standards are converted as well. Ancillary files: the spectrum along the slit before
extraction (ANCILLARY.2DSPECTRUM), the QC report (ANCILLARY.PREVIEW), AB and recipe log (ANCILLARY.README).

The recipe can write an SDP table itself; its data are taken and its header is not: it lacks RADESYS, has a
TITLE that is not unique, counts frames on the sky of an offset, and its LAMNLIN and LAMRMS are constants.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from phoenix.errors import IdpError
from phoenix.idp.ancillary import (
    Content,
    Image,
    companion_cards,
    describe,
    encode_images,
    papers,
    write_idp,
)
from phoenix.idp.card import format_card
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import raw_cards, recipe_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.registry import converter
from phoenix.idp.sdp import Calibration, Observation, extension_cards, primary_cards, score_cards
from phoenix.idp.spectrum import encode_spectrum
from phoenix.instruments.xshooter.arc_lines import SOLUTIONS, ArcLines, arc_lines
from phoenix.instruments.xshooter.columns import FLUX_UNIT, to_spectrum
from phoenix.instruments.xshooter.exposure import Setting, read_exposures
from phoenix.instruments.xshooter.idp_configuration import XshooterConversion
from phoenix.instruments.xshooter.reduced import Reduced, flagged_outside, read_reduced
from phoenix.instruments.xshooter.response import fitted_range_nm
from phoenix.model.product import Idp

_ALONG_SLIT = {"FLUX": "FLUX", "ERRS": "ERR", "QUAL": "QUAL"}


@converter("xshooter_spectrum")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDP of an AB and its ancillary files.

    Raises
    ------
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    reduced = _within_response(job, read_reduced(job))
    exposures = read_exposures(job.raws, job.ab.name)
    setting = exposures.setting
    if setting.arm != reduced.arm:
        raise IdpError(job.ab.name, f"raw frames of {setting.arm}, products of {reduced.arm}", "one arm")
    observation = exposures.observation(_pipeline_of(job, reduced))
    stem = setting.stem(job.prefix, exposures.start)
    head = f"{stem}.fits"
    contents = [*_along_slit(job, reduced, observation, stem), *papers(job, stem)]
    ancillaries = [
        (write_idp(job.folder, name, category, content, parent=head), content)
        for name, category, content in contents
    ]
    calibration = _calibration_of(job, reduced, setting)
    title = f"{observation.target}_{Path(exposures.arcfile).stem}_{setting.arm}"
    spectrum = to_spectrum(reduced)
    primary = [
        *primary_cards(observation, calibration, [describe(*each) for each in ancillaries], job.converted_at),
        *score_cards(job.score_bits("")),
        *provenance_cards(job.ab, job.provenance),
        *raw_cards(exposures.first),
        *recipe_cards([(reduced.arm, reduced.header)], reduced.pro_catg),
    ]
    extension = extension_cards(observation, calibration, spectrum, title)
    content = encode_spectrum(primary, extension, spectrum)
    science = write_idp(job.folder, head, "SCIENCE.SPECTRUM", content, title=title)
    return [science, *(idp for idp, _ in ancillaries)]


def _calibration_of(job: ConversionJob, reduced: Reduced, setting: Setting) -> Calibration:
    """Return what the header tells of the quality of the spectrum."""
    configuration = job.configured(XshooterConversion)
    good = np.flatnonzero(reduced.good)
    if good.size < 2:
        raise IdpError(job.ab.name, "no bin is good", "a spectrum", "read the recipe's log")
    wave_nm, lines = reduced.wave_nm, _arc_lines(job, setting.arm)
    return Calibration(
        fluxed=True,
        specsys="TOPOCENT",
        extended=None,
        wave_min_nm=round(float(wave_nm[good[0]]), 6),
        wave_max_nm=round(float(wave_nm[good[-1]]), 6),
        bin_nm=round(float(wave_nm[-1] - wave_nm[0]) / (wave_nm.size - 1), 9),
        resolving_power=configuration.power_of(job.ab.release, setting.arm, setting.slit_arcsec),
        snr=round(float(np.median(reduced.snr[good])), 3),
        aperture_arcsec=setting.slit_arcsec,
        disperser=setting.arm,
        line_rms_nm=round(lines.rms_nm, 10) if lines else None,
        lines=lines.number if lines else None,
        gain_e_adu=reduced.header.number("DET.OUT1.CONAD"),
        ron_e=reduced.header.number("DET.OUT1.RON"),
        total_flux=setting.slit_arcsec >= configuration.total_flux_arcsec,
    )


def _within_response(job: ConversionJob, reduced: Reduced) -> Reduced:
    """Flag the bins where the response the recipe read does not hold."""
    for pro_catg, path in job.provenance.calibrations:
        if pro_catg == f"RESPONSE_MERGE1D_SLIT_{reduced.arm}" and Path(path).is_file():
            fitted = fitted_range_nm(read_fits(Path(path)).hdus[1].records())
            return flagged_outside(reduced, *fitted) if fitted else reduced
    return reduced


def _arc_lines(job: ConversionJob, arm: str) -> ArcLines | None:
    """Return the arc lines behind the wavelengths: their table lies beside the solution the recipe read.

    None for a solution from elsewhere, which came without it.
    """
    for pro_catg, path in job.provenance.calibrations:
        residuals = Path(path).with_name(f"WAVE_RESID_TAB_LINES_{arm}.fits")
        if pro_catg in {f"{name}_{arm}" for name in SOLUTIONS} and residuals.is_file():
            return arc_lines(read_fits(residuals).hdus[1].records(), str(residuals))
    return None


def _pipeline_of(job: ConversionJob, reduced: Reduced) -> str:
    """Return PROCSOFT: the pipeline of the recipe that made the products."""
    text = reduced.header.text("PRO.REC1.PIPE.ID") or job.provenance.pipeline_version
    if not text:
        raise IdpError(
            job.ab.name, "nothing tells the pipeline's version", "ESO PRO REC1 PIPE ID in the products"
        )
    return text


def _along_slit(job: ConversionJob, reduced: Reduced, observation: Observation, stem: str) -> list[Content]:
    """Return the flux calibrated spectrum along the slit with its errors and flags."""
    category = "ANCILLARY.2DSPECTRUM"
    file = read_fits(Path(job.product(f"{reduced.kind}_SLIT_FLUX_MERGE2D_{reduced.arm}").path))
    images = [
        Image(_ALONG_SLIT[hdu.name], hdu, "" if hdu.name == "QUAL" else FLUX_UNIT, tuple(_axes(hdu)))
        for hdu in file.hdus
        if hdu.name in _ALONG_SLIT
    ]
    comment = "Axis 1: wavelength in air, axis 2: position on the slit."
    header = companion_cards(observation, job.converted_at, category, comment)
    return [(f"{stem}_2d.fits", category, encode_images(header, images))]


def _axes(hdu: Hdu) -> list[str]:
    """Return the coordinates: the recipe names no unit of the slit, and its CDi_j are of single precision."""
    cards = []
    for axis, (kind, unit) in enumerate((("AWAV", "nm"), ("LINEAR", "arcsec")), start=1):
        start, pixel, step = (hdu.number(f"{name}{axis}") for name in ("CRVAL", "CRPIX", "CDELT"))
        if start is None or pixel is None or step is None:
            raise IdpError(
                f"2D spectrum, extension {hdu.name}", f"axis {axis} has no coordinates", "CRVAL, CRPIX, CDELT"
            )
        cards += [
            format_card(f"CTYPE{axis}", kind),
            format_card(f"CUNIT{axis}", unit),
            format_card(f"CRPIX{axis}", pixel),
            format_card(f"CRVAL{axis}", start),
            format_card(f"CD{axis}_{axis}", step),
        ]
    return cards
