"""Products of uves_obs_scired to an SDP 1D spectrum, as ESO's uves2p3 does.

One IDP for each science exposure and arm, with three kinds of ancillary files: the spectrum order by order
before merging (ANCILLARY.2DSPECTRUM), the QC report pictures (ANCILLARY.PREVIEW), and the AB with the
recipe's log (ANCILLARY.README).

The data of two runs of the same AB are equal bit by bit, and so are their headers but for DATE, CHECKSUM,
ESO PRO REC1 START and STOP, and ASSOMi of files that tell the time of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import Field

from phoenix.config.base import Strict
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.ancillary import (
    Content,
    Image,
    companion_cards,
    describe,
    encode_images,
    papers,
    write_idp,
)
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import raw_cards, recipe_cards
from phoenix.idp.job import ConversionJob
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.sdp import Ancillary, Calibration, Observation, extension_cards, primary_cards
from phoenix.idp.spectrum import encode_spectrum
from phoenix.instruments.uves.columns import signal_to_noise, to_spectrum
from phoenix.instruments.uves.exposure import UvesExposure, read_exposure
from phoenix.instruments.uves.merging import ChipSpectrum, chip_spectrum, join
from phoenix.model.product import Idp

#: Chips of an arm, bluest first.
CHIPS = {"BLUE": ("BLUE",), "RED": ("REDL", "REDU")}
_RED = re.compile(r"RED_(?P<type>[A-Z_]+)_(BLUE|REDL|REDU)")
#: Error of the calibrated flux of a chip on its grid, 1e-16 erg/cm2/s/Angstrom, by science type and chip.
FluxError = Callable[[str, str], npt.NDArray[np.float64]]


class Resolution(Strict):
    """Resolving power of an arm: slit product over slit width, up to a limit."""

    slit_product_arcsec: float = Field(gt=0, description="resolving power times slit width")
    at_most: float = Field(gt=0, description="narrower slits do not give more")


class UvesConversion(Strict):
    """``conversion.config`` of a UVES release."""

    resolution: dict[str, Resolution] = Field(description="by arm: BLUE, RED")
    slicer_width_arcsec: dict[str, float] = Field(
        default={}, description="width of a slice, by INS SLIT1 NAME"
    )
    origin: str = Field(description="where the numbers come from")


@dataclass(frozen=True)
class Merged:
    """The science of an AB: its spectrum and the headers of the chips' RED products."""

    arm: str
    tag: str
    spectrum: ChipSpectrum
    headers: tuple[tuple[str, Hdu], ...]
    bin_angstrom: float
    prefix: str = ""

    @property
    def fluxed(self) -> bool:
        """Whether all chips have a flux."""
        return self.spectrum.flux is not None

    @property
    def pro_catg(self) -> str:
        """PRO CATG of the merged product."""
        return f"{self.prefix}{'FLUXCAL' if self.fluxed else 'RED'}_{self.tag}_{self.arm}"


@dataclass(frozen=True)
class Single:
    """One exposure as it is converted.

    Attributes
    ----------
    companions
        Its ancillary files.
    """

    job: ConversionJob
    raw: Hdu
    exposure: UvesExposure
    merged: Merged
    observation: Observation
    calibration: Calibration
    stem: str
    companions: tuple[Content, ...]

    @property
    def title(self) -> str:
        """TITLE, unique in the collection."""
        return f"{self.observation.target}_{Path(self.exposure.arcfile).stem}_{self.exposure.setting}"

    def encode(self, category: str, ancillaries: Sequence[Ancillary]) -> bytes:
        """Return the file of the spectrum."""
        spectrum = to_spectrum(self.merged.spectrum)
        job = self.job
        primary = [
            *primary_cards(self.observation, self.calibration, ancillaries, job.converted_at, category),
            *provenance_cards(job.ab, job.provenance),
            *raw_cards(self.raw),
            *recipe_cards(self.merged.headers, self.merged.pro_catg),
        ]
        extension = extension_cards(self.observation, self.calibration, spectrum, self.title)
        return encode_spectrum(primary, extension, spectrum)


def convert_single(job: ConversionJob) -> list[Idp]:
    """Write the IDP of a science exposure, and its ancillary files.

    Raises
    ------
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    single = read_single(job)
    science = f"{single.stem}.fits"
    ancillaries = [
        (write_idp(job.folder, name, category, content, parent=science), content)
        for name, category, content in single.companions
    ]
    content = single.encode("SCIENCE.SPECTRUM", [describe(*each) for each in ancillaries])
    return [
        write_idp(job.folder, science, "SCIENCE.SPECTRUM", content, title=single.title),
        *(idp for idp, _ in ancillaries),
    ]


def read_single(job: ConversionJob) -> Single:
    """Read the raw frame and the products of one exposure.

    Raises
    ------
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    configuration = job.configured(UvesConversion)
    if len(job.raws) != 1:
        raise IdpError(
            job.ab.name, f"{len(job.raws)} raw frames", "one exposure", "use a release of OB stacks"
        )
    raw = read_fits(job.raws[0]).primary
    merged = read_merged(job)
    exposure = read_exposure(raw, job.raws[0].name, configuration.slicer_width_arcsec)
    if exposure.arm != merged.arm:
        raise IdpError(job.ab.name, f"raw frame of {exposure.arm}, products of {merged.arm}", "one arm")
    stem = stem_of(job.prefix, "SFLX" if merged.fluxed else "SRED", exposure)
    observation = exposure.observation(pipeline_of(job, merged))
    return Single(
        job,
        raw,
        exposure,
        merged,
        observation,
        calibration_of(merged, exposure, configuration),
        stem,
        tuple(_ancillary_contents(job, merged, stem, observation)),
    )


def read_merged(job: ConversionJob, prefix: str = "", flux_error: FluxError | None = None) -> Merged:
    """Read the products of all chips of the arm and join them.

    Parameters
    ----------
    prefix : str
        What comes before the names of the products: ``STACK_`` for those of a stack.
    flux_error : callable, optional
        Gives the error of the calibrated flux; default: from the errors of the reduced one.

    Raises
    ------
    IdpError
        If a chip is missing.
    """
    names = (product.pro_catg.removeprefix(prefix) for product in job.products)
    tags = {match["type"] for name in names if (match := _RED.fullmatch(name))}
    if len(tags) != 1:
        raise IdpError(
            job.ab.name, f"RED products of {sorted(tags) or 'no'} type", "products of one science type"
        )
    tag = tags.pop()
    arm = "BLUE" if job.find(f"{prefix}RED_{tag}_BLUE") else "RED"
    chips, headers, steps = [], [], []
    fluxed = all(job.find(f"{prefix}FLUXCAL_{tag}_{chip}") for chip in CHIPS[arm])
    for chip in CHIPS[arm]:
        red = read_image(job, f"{prefix}RED_{tag}_{chip}")
        chips.append(
            chip_spectrum(
                chip,
                red,
                read_image(job, f"{prefix}ERRORBAR_{tag}_{chip}"),
                read_image(job, f"MERGED_SKY_{chip}") if job.find(f"MERGED_SKY_{chip}") else None,
                read_image(job, f"{prefix}FLUXCAL_{tag}_{chip}") if fluxed else None,
                flux_error(tag, chip) if fluxed and flux_error else None,
            )
        )
        headers.append((chip, red))
        steps.append(chips[-1].wave.size - 1)
    spans = [chip.wave[-1] - chip.wave[0] for chip in chips]
    return Merged(arm, tag, join(chips), tuple(headers), float(sum(spans) / sum(steps)), prefix)


def calibration_of(merged: Merged, exposure: UvesExposure, configuration: UvesConversion) -> Calibration:
    """Return what the header tells of the quality of a spectrum."""
    good = merged.spectrum.quality == 0
    if not good.any():
        raise IdpError(
            f"spectrum of {exposure.arcfile}", "no pixel is good", "a spectrum", "read the recipe's log"
        )
    wave_nm = merged.spectrum.wave[good] / 10
    resolution = configuration.resolution.get(merged.arm)
    if resolution is None:
        raise ConfigError(
            "field conversion.config.resolution",
            f"has no arm {merged.arm}",
            "BLUE and RED",
            "add it to the release",
        )
    headers = [hdu for _, hdu in merged.headers]
    line_rms_nm, lines = _line_residuals(headers)
    systematic = [value for hdu in headers if (value := hdu.number("CSYER1")) is not None]
    detector = headers[0]
    return Calibration(
        fluxed=merged.fluxed,
        specsys="TOPOCENT",
        extended=False,
        wave_min_nm=round(float(wave_nm[0]), 6),
        wave_max_nm=round(float(wave_nm[-1]), 6),
        bin_nm=round(merged.bin_angstrom / 10, 9),
        resolving_power=round(
            min(resolution.slit_product_arcsec / exposure.slit_arcsec, resolution.at_most), 1
        ),
        snr=round(float(np.median(signal_to_noise(merged.spectrum)[good])), 3),
        aperture_arcsec=exposure.slit_arcsec,
        disperser=exposure.disperser,
        line_rms_nm=line_rms_nm,
        lines=lines,
        systematic_nm=round(max(systematic) / 10, 10) if systematic else None,
        gain_e_adu=detector.number("DET.OUT1.CONAD"),
        ron_e=detector.number("DET.OUT1.RON"),
    )


def _line_residuals(headers: Sequence[Hdu]) -> tuple[float | None, int | None]:
    """RMS in nm over the arc lines of all chips; the products tell it in Angstrom."""
    known = [
        (rms, lines)
        for hdu in headers
        if (rms := hdu.number("LAMRMS")) is not None and (lines := hdu.integer("LAMNLIN"))
    ]
    if len(known) != len(headers):
        return None, None
    lines = sum(count for _, count in known)
    squares = sum(count * rms**2 for rms, count in known)
    return round(float((squares / lines) ** 0.5 / 10), 10), lines


def _ancillary_contents(
    job: ConversionJob, merged: Merged, stem: str, observation: Observation
) -> list[Content]:
    contents = []
    images = _order_images(job, merged)
    if images:
        category = "ANCILLARY.2DSPECTRUM"
        comment = "One row an order, bluest first, from WSTARTn to WENDn Angstrom (air)."
        header = companion_cards(observation, job.converted_at, category, comment)
        contents.append((f"{stem}_2d.fits", category, encode_images(header, images)))
    return [*contents, *papers(job, stem)]


def _order_images(job: ConversionJob, merged: Merged) -> list[Image]:
    """Return the flat-fielded orders before merging and their errors, where the recipe wrote them."""
    images = []
    for chip, _ in merged.headers:
        for name, product in (("FLUX", "WCALIB_FF"), ("ERR", "ERRORBAR_WCALIB_FF")):
            pro_catg = f"{product}_{merged.tag}_{chip}"
            if job.find(pro_catg):
                images.append(Image(f"{name}_{chip}", read_image(job, pro_catg), "adu"))
    return images


def stem_of(prefix: str, code: str, exposure: UvesExposure) -> str:
    """``UV_SFLX_<OB>_<start>_<arm><wavelength><mode>_<binning>_<slit>``: numbers and fixed words only."""
    slit = f"{round(exposure.slit_arcsec * 10):02d}"
    return f"{prefix}_{code}_{exposure.ob_id}_{exposure.start}_{exposure.setting}_{exposure.binning}_{slit}"


def pipeline_of(job: ConversionJob, merged: Merged) -> str:
    """Return PROCSOFT: the pipeline of the recipe that made the products."""
    text = merged.headers[0][1].text("PRO.REC1.PIPE.ID") or job.provenance.pipeline_version
    if not text:
        raise IdpError(
            job.ab.name, "nothing tells the pipeline's version", "ESO PRO REC1 PIPE ID in the products"
        )
    return text


def read_image(job: ConversionJob, pro_catg: str) -> Hdu:
    """Return the image of a product; ``IdpError`` if the recipe wrote none."""
    return read_fits(Path(job.product(pro_catg).path)).primary
