"""Converter ``kmos_cube``: the combined cubes of an OB, one SDP cube for each object.

``kmos_combine`` writes a COMBINED_CUBE for each object, its extensions ``<name>.DATA`` and ``<name>.NOISE``,
noise being a standard deviation. Each pair becomes a KM_SCBC with its white-light image (KM_SIMC), the QC
report pictures and the AB with the recipe's log. Data and noise are the recipe's, bit by bit, never held in
memory.

Layout and keywords are those of ESO's documents and of public scripts; no product of the real pipeline was at
hand. Names are of the form of MUSE's, since those of KMOS in the archive are not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from phoenix.errors import IdpError
from phoenix.idp.ancillary import describe, papers, write_idp
from phoenix.idp.card import format_card
from phoenix.idp.cube import Cube, CubeSurvey, cube_of, survey
from phoenix.idp.cube_file import Part, encode_image, write_cube
from phoenix.idp.cube_header import (
    Accuracy,
    CubeQuality,
    cube_extension,
    cube_primary,
    image_extension,
    image_primary,
)
from phoenix.idp.fitsfile import FitsFile, Hdu, read_fits
from phoenix.idp.inheritance import recipe_cards
from phoenix.idp.job import ConversionJob, LeftOutError
from phoenix.idp.provenance import provenance_cards
from phoenix.idp.raw_header import required_text, to_iso
from phoenix.idp.registry import converter
from phoenix.idp.sdp import Observation, score_cards
from phoenix.instruments.kmos.idp_configuration import KmosConversion
from phoenix.instruments.kmos.idp_exposures import Exposures, read_exposures
from phoenix.model.frame import Value
from phoenix.model.product import Idp

CUBE = "COMBINED_CUBE"
_DATA, _NOISE = ".DATA", ".NOISE"
_FLUX = re.compile(r"(?:10\*\*\((-\d+)\))?erg\.s\*\*\(-1\)\.cm\*\*\(-2\)\.(angstrom|nm|um)\*\*\(-1\)")
_PER_ANGSTROM = {"angstrom": 1.0, "nm": 0.1, "um": 1e-4}
#: Names of objects are the observer's: of a name only this goes into a file name.
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9+-]+")
_LONGEST_NAME = 16


@dataclass(frozen=True)
class CombinedObject:
    """An object with its cube, as the recipe wrote it."""

    name: str
    primary: Hdu
    cube: Cube


@converter("kmos_cube")
def convert(job: ConversionJob) -> list[Idp]:
    """Write the IDPs of all objects of an AB, each followed by its ancillary files.

    Raises
    ------
    LeftOutError
        If the AB combines no cubes.
    IdpError
        If products or keywords are missing or cannot be right.
    ConfigError
        If the release's conversion configuration is wrong.
    """
    products = job.all_of(CUBE)
    if not products:
        raise LeftOutError(job.ab.name, "combines no cubes", "a combined cube becomes an IDP")
    configuration, exposures = job.configured(KmosConversion), read_exposures(job)
    objects = [found for product in products for found in objects_of(read_fits(Path(product.path)))]
    stems = _stems(job.prefix, exposures, [found.name for found in objects])
    idps: list[Idp] = []
    for found in objects:
        idps += _convert(job, configuration, exposures.on(found.name), found, stems[found.name])
    return idps


def objects_of(file: FitsFile) -> Iterator[CombinedObject]:
    """Yield the objects of a file: pairs of ``<name>.DATA`` and ``<name>.NOISE`` that hold cubes.

    Raises
    ------
    IdpError
        If data have no noise, or there is no cube at all.
    """
    by_name = {hdu.text("EXTNAME"): hdu for hdu in file.extensions}
    found = False
    for extname, data in by_name.items():
        if not extname.endswith(_DATA) or data.get("NAXIS") == 0:
            continue
        name = extname.removesuffix(_DATA)
        noise = by_name.get(f"{name}{_NOISE}")
        if noise is None:
            raise IdpError(str(file.path), f"{extname} has no noise", f"an extension {name}{_NOISE}")
        found = True
        yield CombinedObject(name, file.primary, cube_of(data, noise, deviation=True))
    if not found:
        raise IdpError(
            str(file.path),
            "holds no cube",
            f"extensions <name>{_DATA} and <name>{_NOISE}",
            "read the recipe's log",
        )


def _stems(prefix: str, exposures: Exposures, names: list[str]) -> dict[str, str]:
    """File names by object, the code of the file in braces; equal ones are told apart by numbers."""
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise IdpError(f"object {twice}", "has several combined cubes", "one cube of each object")
    stems: dict[str, str] = {}
    for name in names:
        observed = exposures.on(name).observation(name, "")
        reduced = _NOT_IN_NAMES.sub("-", name).strip("-")[:_LONGEST_NAME] or "OBJECT"
        stem = f"{prefix}_{{}}_{observed.ob_ids[0]}_{to_iso(observed.mjd_obs)}_{exposures.grating}_{reduced}"
        same = sum(other == stem or other.startswith(f"{stem}_") for other in stems.values())
        stems[name] = f"{stem}_{same + 1}" if same else stem
    return stems


def _convert(
    job: ConversionJob,
    configuration: KmosConversion,
    exposures: Exposures,
    found: CombinedObject,
    stem: str,
) -> list[Idp]:
    surveyed = survey(found.cube)
    observation = _observation(exposures, found)
    accuracy = Accuracy(round(configuration.coordinate_error_arcsec / 3600, 9), None)
    quality = _quality(
        found, surveyed, configuration, configuration.power_of(job.ab.release, exposures.grating)
    )
    head = stem.format("SCBC") + ".fits"
    unit = required_text(found.cube.data, "BUNIT", found.name)
    category = "ANCILLARY.IMAGE.WHITELIGHT"
    white = encode_image(
        image_primary(category, observation, job.converted_at),
        [*image_extension(found.cube, "DATA", unit, accuracy), *_left_out(found.cube.data)],
        surveyed.white,
    )
    files = [(stem.format("SIMC") + ".fits", category, white), *papers(job, stem.format("SCBC"))]
    ancillaries = [(write_idp(job.folder, *file, parent=head), file[2]) for file in files]
    primary = [
        *cube_primary(observation, quality, [describe(*each) for each in ancillaries], job.converted_at),
        *score_cards(job.score_bits("")),
        *provenance_cards(job.ab, job.provenance),
        *exposures.first_cards(),
        *recipe_cards([("", found.primary)], CUBE),
    ]
    idp = write_cube(job.folder, head, primary, _parts(found.cube, surveyed, accuracy, unit))
    titled = replace(idp, title=f"{observation.target} {exposures.grating}")
    return [titled, *(ancillary for ancillary, _ in ancillaries)]


def _observation(exposures: Exposures, found: CombinedObject) -> Observation:
    """Return the observation of an object, at the middle of its cube."""
    observed = exposures.observation(found.name, required_text(found.primary, "PRO.REC1.PIPE.ID", CUBE))
    ra_deg, dec_deg = found.cube.sky.centre_deg()
    return replace(observed, ra_deg=round(ra_deg, 8), dec_deg=round(dec_deg, 8))


def _quality(
    found: CombinedObject, surveyed: CubeSurvey, configuration: KmosConversion, power: float
) -> CubeQuality:
    """Return the quality keywords; KMOS need not tell depth and seeing, and nothing tells them."""
    unit = found.cube.data.text("BUNIT")
    flux = _FLUX.fullmatch(unit)
    if flux is None and "erg" in unit.lower():
        raise IdpError(
            f"object {found.name}, BUNIT",
            f"is {unit!r}",
            "erg.s**(-1).cm**(-2).angstrom**(-1), with a power of ten before it or not",
            "the standard wants units spelled so; the converter does not guess",
        )
    noise = None
    if flux is not None and np.isfinite(surveyed.noise):
        scale = 10.0 ** int(flux[1] or 0) * _PER_ANGSTROM[flux[2]]
        noise = float(f"{surveyed.noise * scale:.4g}")
    wave_nm = sorted(map(found.cube.wave.of_plane, _science_planes(surveyed, configuration.least_filled)))
    return CubeQuality(
        fluxed=flux is not None,
        specsys=found.cube.data.text("SPECSYS") or found.primary.text("SPECSYS") or "TOPOCENT",
        wave_min_nm=wave_nm[0],
        wave_max_nm=wave_nm[1],
        resolving_power=power,
        noise=noise,
        depth_mag=None,
        sky_fwhm_arcsec=None,
        sky_error_arcsec=None,
        comments={
            "WAVELMIN": f"[nm] first plane at least {configuration.least_filled:.0%} full",
            "WAVELMAX": f"[nm] last plane at least {configuration.least_filled:.0%} full",
            "SPEC_RES": "resolving power, configured",
            "PIXNOISE": "[erg/s/cm2/angstrom] mode of the noise of a voxel",
        },
    )


def _science_planes(surveyed: CubeSurvey, least: float) -> tuple[int, int]:
    """First and last plane with values in enough of the spaxels that have a value in any plane."""
    spaxels = int(np.isfinite(surveyed.white).sum())
    planes = np.flatnonzero(surveyed.filled >= max(1.0, least * spaxels))
    if not planes.size:
        raise IdpError("cube", f"no plane is {least:.0%} full", "a cube with data", "read the recipe's log")
    return int(planes[0]), int(planes[-1])


def _parts(cube: Cube, surveyed: CubeSurvey, accuracy: Accuracy, unit: str) -> list[Part]:
    data = {"EXTNAME": "DATA", "HDUCLAS1": "IMAGE", "HDUCLAS2": "DATA", "ERRDATA": "ERROR"}
    error = {
        "EXTNAME": "ERROR", "HDUCLAS1": "IMAGE", "HDUCLAS2": "ERROR", "HDUCLAS3": "RMSE", "SCIDATA": "DATA",
    }  # fmt: skip
    # Coordinates of both are those of the data: the recipe may leave them out of the noise.
    axes = {**_coordinates(cube.data), "BUNIT": unit}
    return [
        Part(tuple(cube_extension(cube.data, accuracy, {**axes, **data})), cube.data, surveyed.data_sum),
        Part(tuple(cube_extension(cube.error, accuracy, {**axes, **error})), cube.error, surveyed.error_sum),
    ]


def _coordinates(hdu: Hdu) -> Mapping[str, Value]:
    """Return the keywords of the axes; off-diagonal terms that are left out are zero."""
    keywords = [f"{stem}{axis}" for stem in ("CTYPE", "CUNIT", "CRVAL", "CRPIX") for axis in (1, 2, 3)]
    keywords += ["CD1_1", "CD1_2", "CD2_1", "CD2_2", "CD3_3"]
    found = {keyword: hdu.get(keyword) for keyword in keywords}
    return {keyword: 0.0 if value is None else value for keyword, value in found.items()}


def _left_out(hdu: Hdu) -> list[str]:
    """Return the cards of the sky axes the recipe left out."""
    return [format_card(keyword, 0.0) for keyword in ("CD1_2", "CD2_1") if hdu.get(keyword) is None]
