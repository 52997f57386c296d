"""The focal plane: where a star falls on the four detectors.

ESO's recipe fits one plate solution for all of them and has their geometry built in; frames with another one
give a lost solution, with exit code 0. The numbers are those of the recipe's source (hawki 2.4.11), in pixels
of the first extension.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray

from phoenix.simulation.fitsfile import Card
from phoenix.simulation.hawki.settings import PIXEL_ARCSEC

Floats = NDArray[np.float64]

#: Rotation and origin of each extension.
_PLACES = (
    ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ((0.99989338, -0.00082458, 2202.752), (0.00082458, 0.99989338, 2.52487)),
    ((0.99954089, 0.00033954, 7.35708), (-0.00033954, 0.99954089, 2189.6711)),
    ((0.99984901, 0.00057963, 2207.25005), (-0.00057963, 0.99984901, 2191.0817)),
)
#: Optical axis.
_AXIS_PX = np.array([2127.0, 2119.0])
_SCALE_DEG = np.array([[-PIXEL_ARCSEC, 0.0], [0.0, PIXEL_ARCSEC]]) / 3600


@cache
def _plane(chip: int) -> tuple[tuple[float, float], tuple[float, ...]]:
    """Return the optical axis in pixels of a detector, and its CD matrix in degrees per pixel."""
    place = np.array(_PLACES[chip])
    rotation, origin = place[:, :2], place[:, 2]
    axis = np.linalg.solve(rotation, _AXIS_PX - origin)
    return (float(axis[0]), float(axis[1])), tuple(float(v) for v in (_SCALE_DEG @ rotation).ravel())


def sky_to_pixel(chip: int, centre_deg: tuple[float, float], ra_deg: Floats, dec_deg: Floats) -> Floats:
    """Return pixel coordinates (from 1) of positions, shape (2, n), the telescope pointing at a centre."""
    return np.array(_wcs(chip, centre_deg).all_world2pix(ra_deg, dec_deg, 1))


def pixel_to_sky(chip: int, centre_deg: tuple[float, float], x_px: Floats, y_px: Floats) -> Floats:
    """Return RA and DEC in degrees of pixels (from 1), shape (2, n)."""
    return np.array(_wcs(chip, centre_deg).all_pix2world(x_px, y_px, 1))


def _wcs(chip: int, centre_deg: tuple[float, float]) -> WCS:
    axis, matrix = _plane(chip)
    made = WCS(naxis=2)
    made.wcs.ctype = ["RA---ZPN", "DEC--ZPN"]
    made.wcs.crval = list(centre_deg)
    made.wcs.crpix = list(axis)
    made.wcs.cd = np.reshape(matrix, (2, 2))
    # The distortion the recipe forces on the header.
    made.wcs.set_pv([(2, 1, 1.0), (2, 3, 400.0), (2, 5, 0.0)])
    made.wcs.set()
    return made


def wcs_cards(chip: int, centre_deg: tuple[float, float]) -> list[Card]:
    """Cards of the coordinate system, as the control software writes them: tangential, undistorted."""
    axis, matrix = _plane(chip)
    return [
        ("CTYPE1", "RA---TAN", "Gnomonic projection"),
        ("CTYPE2", "DEC--TAN", "Gnomonic projection"),
        ("CUNIT1", "deg", "Unit"),
        ("CUNIT2", "deg", "Unit"),
        ("CRVAL1", centre_deg[0], "[deg] RA of the optical axis"),
        ("CRVAL2", centre_deg[1], "[deg] DEC of the optical axis"),
        ("CRPIX1", axis[0], "[px] Optical axis"),
        ("CRPIX2", axis[1], "[px] Optical axis"),
        ("CD1_1", matrix[0], "[deg/px]"),
        ("CD1_2", matrix[1], "[deg/px]"),
        ("CD2_1", matrix[2], "[deg/px]"),
        ("CD2_2", matrix[3], "[deg/px]"),
    ]
