"""Converter ``muse_cube``: a cube the recipe wrote with ``--format=sdpCube``, completed to an SDP cube.

One IDP for each OB (MU_SCBC), for each OB of one exposure (MU_SCBX), or for each target over OBs (MU_SCBD),
with its white-light image (MU_SIMC, _SIMX, _SIMD), for deep cubes the exposure map (MU_SXPM), the QC report
pictures and the AB with the recipe's log. Data and variance are the recipe's, bit by bit; they are read twice
and never held.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.ancillary import describe, papers, write_idp
from phoenix.idp.cube import Cube, CubeSurvey, open_cube, survey
from phoenix.idp.cube_file import Part, encode_image, write_cube
from phoenix.idp.cube_grid import sky_grid
from phoenix.idp.cube_header import (
    Accuracy,
    cube_extension,
    cube_primary,
    image_extension,
    image_primary,
)
from phoenix.idp.fitsfile import Hdu, read_fits
from phoenix.idp.inheritance import recipe_cards
from phoenix.idp.job import ConversionJob, LeftOutError
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.raw_header import required_text, to_iso
from phoenix.idp.registry import converter
from phoenix.idp.sdp import Observation, score_cards
from phoenix.instruments.muse.idp_configuration import ModeFacts, MuseConversion
from phoenix.instruments.muse.idp_exposure_map import exposure_map
from phoenix.instruments.muse.idp_exposures import Exposures, read_exposures
from phoenix.instruments.muse.idp_quality import cube_quality
from phoenix.model.product import Idp

CUBE, IMAGE = "DATACUBE_FINAL", "IMAGE_FOV"
_PIPE = re.compile(r"PRO\.REC(\d+)\.PIPE\.ID")


@dataclass(frozen=True)
class Science:
    """What a job is about, read once.

    Attributes
    ----------
    header
        Primary header of the cube as the recipe wrote it.
    exposures
        The raw frames on target.
    times_s
        Exposure time of each spaxel, where the fields of the single exposures are known.
    """

    header: Hdu
    cube: Cube
    survey: CubeSurvey
    exposures: Exposures
    facts: ModeFacts
    times_s: npt.NDArray[np.float32] | None


@converter("muse_cube")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDP of a cube, and its ancillary files.

    Raises
    ------
    LeftOutError
        If the AB makes no cube: pixel tables, or an alignment.
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    if job.find(CUBE) is None:
        raise LeftOutError(job.ab.name, "makes no cube", "a cube becomes an IDP")
    configuration = job.configured(MuseConversion)
    science = _read(job, configuration)
    observation = _observation(science)
    accuracy = Accuracy(
        round(science.facts.coordinate_error_arcsec / 3600, 9),
        None if science.cube.data.number("CRDER3") else configuration.wave_error_angstrom,
    )
    kind = "D" if configuration.deep else "C" if len(science.exposures.frames) > 1 else "X"
    name = _name(job.prefix, science.exposures)
    head = name.format(f"SCB{kind}") + ".fits"
    white = _white_light(job, science)
    ancillaries = [
        (write_idp(job.folder, file, category, content, parent=head), content)
        for file, category, content in [
            (
                name.format(f"SIM{kind}") + ".fits",
                "ANCILLARY.IMAGE.WHITELIGHT",
                _image(job, science, observation, accuracy, "ANCILLARY.IMAGE.WHITELIGHT", white),
            ),
            *_exposure_map_file(job, science, observation, accuracy, name, deep=configuration.deep),
            *papers(job, head.removesuffix(".fits")),
        ]
    ]
    quality = cube_quality(science.header, science.cube, science.survey, white, science.facts)
    primary = [
        *cube_primary(observation, quality, [describe(*each) for each in ancillaries], job.converted_at),
        *science.exposures.programme_cards(),
        *score_cards(job.score_bits("")),
        *provenance_cards(job.ab, job.provenance),
        *science.exposures.first_cards(),
        *recipe_cards([("", science.header)], CUBE),
    ]
    cube = science.cube
    parts = [
        Part(tuple(cube_extension(cube.data, accuracy)), cube.data, science.survey.data_sum),
        Part(tuple(cube_extension(cube.error, accuracy)), cube.error, science.survey.error_sum),
    ]
    idp = write_cube(job.folder, head, primary, parts)
    return [
        replace(idp, title=f"{observation.target} {science.exposures.mode}"),
        *(a for a, _ in ancillaries),
    ]


def _read(job: ConversionJob, configuration: MuseConversion) -> Science:
    file = read_fits(Path(job.product(CUBE).path))
    cube = open_cube(file)
    exposures = read_exposures(job)
    surveyed = survey(cube)
    return Science(
        file.primary,
        cube,
        surveyed,
        exposures,
        configuration.of_mode(job.ab.release, exposures.mode),
        exposure_map(job, cube, surveyed),
    )


def _observation(science: Science) -> Observation:
    """Return the observation, at the middle of the cube and with the exposure time of its spaxels.

    Where the fields of the exposures are not known, EXPTIME is the recipe's, which assumes a field of a
    square arcminute and comes out too long in smaller ones; it is never longer than TEXPTIME.
    """
    observed = science.exposures.observation(_pipeline(science.header))
    total_s = observed.exptime_s
    if len(science.exposures.frames) == 1:
        exptime_s = total_s
    elif science.times_s is not None and (science.times_s > 0).any():
        exptime_s = float(np.median(science.times_s[science.times_s > 0]))
    else:
        exptime_s = min(science.header.number("EXPTIME") or total_s, total_s)
    ra_deg, dec_deg = science.cube.sky.centre_deg()
    return replace(
        observed,
        ra_deg=round(ra_deg, 8),
        dec_deg=round(dec_deg, 8),
        exptime_s=round(exptime_s, 3),
        texptime_s=round(total_s, 3),
    )


def _name(prefix: str, exposures: Exposures) -> str:
    """``MU_{}_<OB>_<start>_<mode>_<OBJ or SKY>``, the code of the file in braces: numbers and fixed words."""
    start = to_iso(exposures.observation("").mjd_obs)
    ob_id = exposures.observation("").ob_ids[0]
    return f"{prefix}_{{}}_{ob_id}_{start}_{exposures.mode}_{exposures.target_kind}"


def _white_light(job: ConversionJob, science: Science) -> npt.NDArray[np.float32]:
    """Return the recipe's white-light image if it lies on the cube's pixels, else the mean of the cube."""
    for product in job.products:
        if product.pro_catg != IMAGE:
            continue
        file = read_fits(Path(product.path))
        if file.primary.text("DRS.MUSE.FILTER.NAME") != "white":
            continue
        for hdu in file.extensions:
            if hdu.text("EXTNAME") == "DATA" and _on_the_same_pixels(hdu, science.cube):
                return hdu.image().astype(np.float32)
    return science.survey.white


def _on_the_same_pixels(hdu: Hdu, cube: Cube) -> bool:
    if hdu.get("BITPIX") != -32 or hdu.get("BUNIT") != cube.data.get("BUNIT"):
        return False
    return sky_grid(hdu).same_pixels(cube.sky)


def _image(
    job: ConversionJob,
    science: Science,
    observation: Observation,
    accuracy: Accuracy,
    category: str,
    data: npt.NDArray[np.float32],
) -> bytes:
    unit = "s" if category == "ANCILLARY.EXPMAP" else required_text(science.cube.data, "BUNIT", CUBE)
    return encode_image(
        [*image_primary(category, observation, job.converted_at), *science.exposures.programme_cards()],
        image_extension(science.cube, "DATA", unit, accuracy),
        data,
    )


def _exposure_map_file(
    job: ConversionJob,
    science: Science,
    observation: Observation,
    accuracy: Accuracy,
    name: str,
    *,
    deep: bool,
) -> list[tuple[str, str, bytes]]:
    if not deep or science.times_s is None:
        return []
    category = "ANCILLARY.EXPMAP"
    content = _image(job, science, observation, accuracy, category, science.times_s)
    return [(name.format("SXPM") + ".fits", category, content)]


def _pipeline(header: Hdu) -> str:
    """Return the pipeline of the last recipe; its products tell those of all recipes before."""
    steps = {
        int(match[1]): str(value)
        for keyword, value in header.values.items()
        if (match := _PIPE.fullmatch(keyword))
    }
    if not steps:
        raise IdpError(CUBE, "nothing tells the pipeline's version", "ESO PRO RECi PIPE ID in the product")
    return steps[max(steps)]
