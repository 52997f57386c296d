"""A cube looked at once for all measurements and pages: white light, sources, sky and brightest spectra."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter

from phoenix.instruments.muse.qc_cube import (
    CubeFile,
    PlaneStatistics,
    plane_statistics,
    read_cube,
    white_light,
)
from phoenix.instruments.muse.qc_sources import Detection, FieldOfView, aperture, look_at
from phoenix.qc.registry import Source

#: Spectra are shown of so many sources.
SPECTRA = 3
#: Radius of their apertures, in FWHM; and where that was not measured, spaxels.
_APERTURE_FWHM, _APERTURE_PX = 1.0, 4.0
#: A plane has a sky line when its expected scatter is so many times that around it.
_LINE_EXCESS, _AROUND_A = 1.15, 125.0


@dataclass(frozen=True, slots=True)
class Survey:
    """A cube with what is in it.

    Attributes
    ----------
    brightest
        The sources whose spectra are in ``planes``, in its order.
    empty_percent
        Voxels without a value among those of spaxels with light.
    """

    cube: CubeFile
    field: FieldOfView
    brightest: tuple[Detection, ...]
    planes: PlaneStatistics
    empty_percent: float

    def fwhm_arcsec(self, one: Detection) -> tuple[float, float] | None:
        """Size of a source east-west and north-south; None where it was not measured."""
        if one.fwhm_px is None:
            return None
        across, up = self.cube.pixel_arcsec
        return one.fwhm_px[0] * abs(across), one.fwhm_px[1] * abs(up)

    def offset_arcsec(self, one: Detection) -> tuple[float, float]:
        """Place of a source east and north of the middle of the cube."""
        (_, rows, columns), (across, up) = self.cube.shape, self.cube.pixel_arcsec
        return (one.column - (columns - 1) / 2) * across, (one.row - (rows - 1) / 2) * up


def survey_of(source: Source) -> Survey:
    """Return the survey of an AB's cube, made once; ``QcError`` if there is no cube."""
    return source.products.once("survey", lambda: survey(read_cube(source)))


def survey(cube: CubeFile) -> Survey:
    """Read a cube twice, slab by slab, and return what is in it."""
    white, filled = white_light(cube)
    field = look_at(white)
    brightest = field.sources[:SPECTRA]
    apertures = [
        aperture(field, one, _APERTURE_FWHM * float(np.mean(one.fwhm_px)) if one.fwhm_px else _APERTURE_PX)
        for one in brightest
    ]
    lit = np.count_nonzero(np.isfinite(white))
    empty = 100.0 * (1 - filled / (lit * cube.shape[0])) if lit else 100.0
    return Survey(cube, field, brightest, plane_statistics(cube, field.sky, apertures), empty)


def line_planes(planes: PlaneStatistics, step_a: float = 1.25) -> npt.NDArray[np.bool_]:
    """Return which planes hold lines of the sky: the variances are high where the sky was bright.

    That needs no list of lines, and holds wherever the cube was shifted to; all False without variances.
    """
    expected = np.where(np.isfinite(planes.expected), planes.expected, np.nan)
    known = np.isfinite(expected)
    if not known.any():
        return np.zeros(len(expected), bool)
    filled = np.where(known, expected, np.nanmedian(expected))
    around = median_filter(filled, size=2 * max(int(_AROUND_A / step_a / 2), 1) + 1, mode="reflect")
    return np.asarray(known & (filled > _LINE_EXCESS * around))
