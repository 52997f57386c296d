"""How good a cube is: what the recipe told, checked, and what is computed where it told nothing usable."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.cube import Cube, CubeSurvey
from phoenix.idp.cube_depth import point_source_limit
from phoenix.idp.cube_header import CubeQuality
from phoenix.idp.fitsfile import Hdu
from phoenix.instruments.muse.idp_configuration import ModeFacts

#: BUNIT of a calibrated cube as ``--format=sdpCube`` writes it, and what it is in erg/s/cm2/Angstrom.
FLUX_UNIT, FLUX_SCALE = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)", 1e-20
#: Sources whose sizes are measured, below which their median tells nothing.
_LEAST_SOURCES = 3
_MAD_TO_SIGMA = 1.4826
_SAME_NUMBER = 1e-6


def cube_quality(
    header: Hdu, cube: Cube, survey: CubeSurvey, white: npt.NDArray[np.float32], facts: ModeFacts
) -> CubeQuality:
    """Return the quality keywords of a cube.

    Parameters
    ----------
    header : Hdu
        Primary header the recipe wrote.
    white : ndarray
        White-light image.

    Raises
    ------
    IdpError
        If the recipe tells a flux calibration and the unit is none of flux.
    """
    fluxed = header.text("FLUXCAL") == "ABSOLUTE"
    if fluxed and cube.data.text("BUNIT") != FLUX_UNIT:
        raise IdpError(
            f"HDU {cube.data.name}, BUNIT",
            f"is {cube.data.text('BUNIT')!r} in a cube with FLUXCAL ABSOLUTE",
            FLUX_UNIT,
            "run the recipe with --format=sdpCube",
        )
    first, last = survey.filled_planes()
    wave_nm = sorted((cube.wave.of_plane(first), cube.wave.of_plane(last)))
    comments: dict[str, str] = {}
    fwhm, fwhm_error, comments["SKY_RES"] = _point_source(header, facts)
    comments["SKY_RERR"] = "[arcsec] uncertainty of SKY_RES"
    power = header.number("SPEC_RES")
    recipe_power = power is not None and power > 0
    comments["SPEC_RES"] = f"resolving power, {'by the recipe' if recipe_power else 'configured'}"
    # Not the recipe's: muse 2.8.7 writes 1.414e-21 whatever STAT holds.
    noise = None if math.isnan(survey.noise) else float(f"{survey.noise * FLUX_SCALE:.4g}")
    comments["PIXNOISE"] = "[erg/s/cm2/angstrom] mode of the noise of a voxel"
    depth, comments["ABMAGLIM"] = _depth(header, white, (wave_nm[0] + wave_nm[1]) / 2, fwhm, cube)
    return CubeQuality(
        fluxed=fluxed,
        specsys=header.text("SPECSYS") or "TOPOCENT",
        wave_min_nm=wave_nm[0],
        wave_max_nm=wave_nm[1],
        resolving_power=power if power is not None and recipe_power else facts.resolving_power,
        noise=noise if fluxed else None,
        depth_mag=depth if fluxed else None,
        sky_fwhm_arcsec=fwhm,
        sky_error_arcsec=fwhm_error,
        comments=comments,
    )


def _point_source(header: Hdu, facts: ModeFacts) -> tuple[float, float, str]:
    """Size of a point source, arcsec, its uncertainty, and where they are from.

    The recipe's value, unless it is the constant it writes when no seeing is told; then the sources
    measured in the cube, where they are enough.
    """
    told, error = header.number("SKY_RES"), header.number("SKY_RERR")
    constant = told is None or abs(told - facts.sky_fwhm_arcsec) < _SAME_NUMBER
    if told is not None and told > 0 and not constant:
        known = error if error is not None and error > 0 else facts.sky_error_arcsec
        return told, known, "[arcsec] FWHM of a point source, by the recipe"
    for recipe in ("EXPCOMB", "SCIPOST"):
        stem = f"QC.{recipe}.FWHM"
        median, spread = header.number(f"{stem}.MEDIAN"), header.number(f"{stem}.MAD")
        if (header.integer(f"{stem}.NVALID") or 0) >= _LEAST_SOURCES and median and spread and median > 0:
            return median, _MAD_TO_SIGMA * spread, "[arcsec] median FWHM of sources"
    return facts.sky_fwhm_arcsec, facts.sky_error_arcsec, "[arcsec] FWHM of a point source, typical"


def _depth(
    header: Hdu, white: npt.NDArray[np.float32], wave_nm: float, fwhm_arcsec: float, cube: Cube
) -> tuple[float | None, str]:
    """ABMAGLIM: the recipe's where it is a magnitude (it writes -99 for none), else our estimate."""
    told = header.number("ABMAGLIM")
    if told is not None and 0 < told < 99:
        return told, "5-sigma limit of point sources, by the recipe"
    found = point_source_limit(white, FLUX_SCALE, wave_nm, fwhm_arcsec, cube.sky.pixel_area_arcsec2)
    return found, "5-sigma limit of point sources, estimated"
