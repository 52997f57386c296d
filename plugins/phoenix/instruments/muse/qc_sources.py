"""Finds sources in the white-light image of a cube and measures their size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, binary_erosion, gaussian_filter, maximum_filter
from scipy.optimize import least_squares

from phoenix.qc.products import Floats

Mask = npt.NDArray[np.bool_]
#: A source is so many times the noise of the smoothed image above the background.
_DETECTION_SIGMA = 6.0
_SMOOTHING_PX = 1.5
#: Nearer than this to the edge of the field noise is larger, and sources are not looked for.
_EDGE_PX = 4
_NEIGHBOUR_PX = 5
_MOST_SOURCES = 500
#: Sources whose size is measured, the brightest; half the width of the window around each.
_MEASURED, _WINDOW_PX = 20, 9
_SIGMA_TO_FWHM = 2.354820
_MAD_TO_SIGMA = 1.4826
#: Spaxels of empty sky, below which the faintest part of the field has to do.
_LEAST_SKY, _FAINTEST_PERCENT = 200, 20.0
_WINGS_PX = 4


@dataclass(frozen=True, slots=True)
class Detection:
    """A source in the white-light image.

    Attributes
    ----------
    number
        From 1, the brightest.
    row, column
        Its middle, spaxels, from 0.
    peak
        Above the background, in the smoothed image, unit of the cube.
    snr
        The peak over the noise of the smoothed image.
    fwhm_px
        Of a Gaussian along columns and along rows, spaxels; None where it was not measured.
    """

    number: int
    row: float
    column: float
    peak: float
    snr: float
    fwhm_px: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class FieldOfView:
    """The white-light image, its background and what stands out of it.

    Attributes
    ----------
    white
        Shape (rows, columns).
    background, noise
        Level of most spaxels, from which outliers were taken out, and their scatter.
    """

    white: Floats
    background: float
    noise: float
    sources: tuple[Detection, ...]
    sky: Mask


def look_at(white: Floats) -> FieldOfView:
    """Return what is in a white-light image; without a single value all of it is NaN or empty."""
    covered = np.isfinite(white)
    if not covered.any():
        return FieldOfView(white, np.nan, np.nan, (), covered)
    background, noise = _clipped(white[covered])
    smooth = _smoothed(white - background, covered)
    inside = np.isfinite(smooth)
    level, smooth_noise = _clipped(smooth[inside]) if inside.any() else (0.0, 0.0)
    smooth = smooth - level
    peaks = _peaks(smooth, inside, _DETECTION_SIGMA * smooth_noise) if smooth_noise > 0 else []
    sources = tuple(
        Detection(number, row, column, peak, peak / smooth_noise)
        for number, (row, column, peak) in enumerate(peaks, start=1)
    )
    measured = tuple(_measured(white - background, sources, one) for one in sources[:_MEASURED])
    bright = np.where(inside, smooth, 0.0) > 3 * smooth_noise
    sky = covered & ~binary_dilation(bright, iterations=_WINGS_PX)
    if int(np.count_nonzero(sky)) < min(_LEAST_SKY, int(np.count_nonzero(covered)) // 4):
        sky = covered & (white <= np.percentile(white[covered], _FAINTEST_PERCENT))
    return FieldOfView(white, background, noise, (*measured, *sources[_MEASURED:]), sky)


def aperture(field: FieldOfView, source: Detection, radius_px: float) -> Mask:
    """Return the spaxels with values within a radius of a source."""
    rows, columns = np.indices(field.white.shape)
    near = np.hypot(rows - source.row, columns - source.column) <= radius_px
    return np.asarray(near & np.isfinite(field.white))


def _clipped(values: Floats) -> tuple[float, float]:
    """Return median and scatter after three-sigma clipping, until nothing more is clipped."""
    kept = values
    for _ in range(10):
        middle = float(np.median(kept))
        scatter = _MAD_TO_SIGMA * float(np.median(np.abs(kept - middle)))
        inside = np.abs(kept - middle) <= 3 * scatter
        if scatter == 0 or inside.all():
            break
        kept = kept[inside]
    return middle, scatter


def _smoothed(image: Floats, covered: Mask) -> Floats:
    """Return the image smoothed over the spaxels with values; NaN at the edge of the field."""
    weight = gaussian_filter(covered.astype(np.float64), _SMOOTHING_PX, mode="constant")
    total = gaussian_filter(np.where(covered, image, 0.0), _SMOOTHING_PX, mode="constant")
    within = binary_erosion(covered, iterations=_EDGE_PX)
    return np.where(within, total / np.maximum(weight, 1e-6), np.nan)


def _peaks(smooth: Floats, inside: Mask, threshold: float) -> list[tuple[float, float, float]]:
    """Return row, column and height of the local maxima, the brightest first."""
    filled = np.where(inside, smooth, -np.inf)
    highest = (filled == maximum_filter(filled, size=_NEIGHBOUR_PX)) & (filled > threshold)
    found = [(float(row), float(column), float(smooth[row, column])) for row, column in np.argwhere(highest)]
    return sorted(found, key=lambda peak: -peak[2])[:_MOST_SOURCES]


def _measured(image: Floats, sources: tuple[Detection, ...], one: Detection) -> Detection:
    """Return a source with middle and size from a Gaussian; as it was where none fits."""
    row, column = round(one.row), round(one.column)
    top, left = max(row - _WINDOW_PX, 0), max(column - _WINDOW_PX, 0)
    part = image[top : row + _WINDOW_PX + 1, left : column + _WINDOW_PX + 1]
    grid = np.indices(part.shape)
    rows, columns = grid[0] + top, grid[1] + left
    own = np.hypot(rows - one.row, columns - one.column)
    usable = np.isfinite(part)
    for other in sources:
        # A neighbour's part of the window is its own.
        if other.number != one.number:
            usable &= np.hypot(rows - other.row, columns - other.column) > own
    if np.count_nonzero(usable) < 20:
        return one
    y, x, values = rows[usable], columns[usable], part[usable]
    scale = max(float(values.max()), 1e-30)

    def misfit(p: Floats) -> Floats:
        model = p[0] * np.exp(-0.5 * (((x - p[1]) / p[3]) ** 2 + ((y - p[2]) / p[4]) ** 2)) + p[5]
        return np.asarray(model - values / scale)

    low = (0.0, one.column - 3, one.row - 3, 0.4, 0.4, -1.0)
    high = (10.0, one.column + 3, one.row + 3, _WINDOW_PX, _WINDOW_PX, 1.0)
    fit = least_squares(misfit, (1.0, one.column, one.row, 1.8, 1.8, 0.0), bounds=(low, high))
    if not fit.success or fit.active_mask[:5].any():
        return one
    across, up = (_SIGMA_TO_FWHM * float(sigma) for sigma in fit.x[3:5])
    return Detection(one.number, float(fit.x[2]), float(fit.x[1]), one.peak, one.snr, (across, up))
