"""Stacks of the exposures of an OB to SDP 1D spectra; the exposures go with them as ancillary files.

Columns are those of ESO's UVES stacks: WAVE, FLUX_REDUCED, ERR_REDUCED, FLUX, ERR, QUAL, SNR. The sky that
was subtracted is in the spectra of the single exposures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.ancillary import describe, papers, write_idp
from phoenix.idp.inheritance import raw_cards, recipe_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.sdp import combined, extension_cards, primary_cards
from phoenix.idp.spectrum import Spectrum, encode_spectrum
from phoenix.instruments.uves.columns import to_spectrum
from phoenix.instruments.uves.merging import calibrated_error, flux_scale, wavelengths
from phoenix.instruments.uves.single_idp import (
    Single,
    UvesConversion,
    calibration_of,
    pipeline_of,
    read_image,
    read_merged,
    read_single,
    stem_of,
)
from phoenix.model.product import Idp

_STACK = "STACK_"
_NOT_IN_STACKS = "BGFLUX_REDUCED"

Floats = npt.NDArray[np.float64]


def convert_stack(job: ConversionJob) -> list[Idp]:
    """Write the IDP of a stack; its exposures, their 2D spectra, pictures and texts are its ancillary files.

    Raises
    ------
    IdpError
        If products or keywords are missing, cannot be right, or do not fit together.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    singles = sorted((read_single(single) for single in job.singles), key=lambda one: one.exposure.start)
    first = singles[0]
    merged = read_merged(job, _STACK, lambda tag, chip: _flux_error(job, tag, chip))
    settings = {(one.exposure.setting, one.exposure.binning, one.exposure.slit_arcsec) for one in singles}
    if len(settings) != 1 or merged.arm != first.merged.arm:
        raise IdpError(job.ab.name, f"exposures of {sorted(settings)}", "exposures of one setting")
    _all_in_it(job, merged.headers[0][1].integer("NCOMBINE"), singles)
    exposure = first.exposure
    observation = combined([one.exposure.observation(pipeline_of(job, merged)) for one in singles])
    calibration = calibration_of(merged, exposure, job.configured(UvesConversion))
    stem = stem_of(job.prefix, "SOBF" if merged.fluxed else "SOBR", exposure)
    science = f"{stem}.fits"
    contents = [
        *(
            (f"{one.stem}.fits", "ANCILLARY.SPECTRUM", one.encode("ANCILLARY.SPECTRUM", []))
            for one in singles
        ),
        *(companion for one in singles for companion in one.companions),
        *papers(job, stem),
    ]
    ancillaries = [
        (write_idp(job.folder, name, category, content, parent=science), content)
        for name, category, content in contents
    ]
    title = f"{first.title}_stack"
    columns = to_spectrum(merged.spectrum).columns
    spectrum = Spectrum(tuple(column for column in columns if column.name != _NOT_IN_STACKS))
    described = [describe(*each) for each in ancillaries]
    primary = [
        *primary_cards(observation, calibration, described, job.converted_at),
        *provenance_cards(job.ab, job.provenance),
        *raw_cards(first.raw),
        *recipe_cards(merged.headers, merged.pro_catg),
    ]
    content = encode_spectrum(primary, extension_cards(observation, calibration, spectrum, title), spectrum)
    return [
        write_idp(job.folder, science, "SCIENCE.SPECTRUM", content, title=title),
        *(idp for idp, _ in ancillaries),
    ]


def _all_in_it(job: ConversionJob, in_stack: int | None, singles: list[Single]) -> None:
    if in_stack != len(singles):
        raise IdpError(
            job.ab.name,
            f"a stack of {in_stack} exposures, {len(singles)} of its ABs have products",
            "the exposures that were stacked",
            f"run the stack again: phoenix ab run {job.ab.release} {job.ab.name}",
        )


def _flux_error(job: ConversionJob, tag: str, chip: str) -> Floats:
    """Return the error of the stacked flux with the extinction that the pipeline's own error lacks.

    FLUXCAL_ERRORBAR of each exposure, and so their stack, lacks the extinction factor (see
    ``calibrated_error``). The factors of the exposures are smooth and nearly equal: their mean mends the
    error of the stack. The ratio of stacked fluxes would not do: where the light is faint it is noise.
    """
    stacked = read_image(job, f"{_STACK}FLUXCAL_ERRORBAR_{tag}_{chip}")
    subject = f"{_STACK}FLUXCAL_ERRORBAR of {chip}"
    wave = wavelengths(stacked, subject)
    factors = [_missing_factor(single, tag, chip, wave) for single in job.singles]
    error: Floats = _vector(stacked.image()) * flux_scale(stacked, subject) * np.mean(factors, axis=0)
    return error


def _missing_factor(single: ConversionJob, tag: str, chip: str, wave: Floats) -> Floats:
    """Return right over stated error of an exposure's calibrated flux, on the grid `wave`."""
    flux, stated = (read_image(single, f"{name}_{tag}_{chip}") for name in ("FLUXCAL", "FLUXCAL_ERRORBAR"))
    reduced, error = (read_image(single, f"{name}_{tag}_{chip}") for name in ("RED", "ERRORBAR"))
    calibrated = _vector(flux.image()) * flux_scale(flux, f"FLUXCAL of {chip}")
    right = calibrated_error(calibrated, _vector(reduced.image()), _vector(error.image()))
    told = _vector(stated.image()) * flux_scale(stated, f"FLUXCAL_ERRORBAR of {chip}")
    known = np.isfinite(right) & np.isfinite(told) & (right > 0) & (told > 0) & (calibrated != 0)
    if not known.any():
        return np.ones_like(wave)
    own = wavelengths(stated, f"FLUXCAL_ERRORBAR of {chip}")
    factor: Floats = np.interp(wave, own[known], right[known] / told[known])
    return factor


def _vector(image: npt.NDArray[np.generic]) -> Floats:
    return image.ravel().astype(np.float64)
