"""Makes long data as small as a picture needs, without hiding what stands out."""

from __future__ import annotations

import numpy as np

from phoenix.qc.products import Floats

#: Bins over the width of a page: about one for each pixel of the plot.
BINS = 1300


def envelope(x: Floats, y: Floats, bins: int = BINS) -> tuple[Floats, Floats]:
    """Return lowest and highest point of each bin, in turn: looks like all points and keeps every spike.

    Parameters
    ----------
    x, y : ndarray, shape (n,)
        A curve, x increasing.
    bins : int
        Number of bins of equally many points.

    Returns
    -------
    x, y : ndarray, shape (2 bins,), or (n,) when n is not larger
    """
    if len(x) <= 2 * bins:
        return x, y
    edges = np.linspace(0, len(x), bins + 1).astype(int)[:-1]
    low, high = np.minimum.reduceat(y, edges), np.maximum.reduceat(y, edges)
    return np.repeat(x[edges], 2), np.column_stack([low, high]).ravel()


def medians(x: Floats, y: Floats, bins: int = 260) -> tuple[Floats, Floats]:
    """Return the median point of each of ``bins`` bins of equally many points."""
    bins = min(bins, len(x))
    if not bins:
        return x, y
    # The first parts are one longer than the others; equal ones are taken together.
    size, longer = divmod(len(x), bins)
    cut = longer * (size + 1)
    return (
        np.concatenate([_row_medians(x[:cut], longer), _row_medians(x[cut:], bins - longer)]),
        np.concatenate([_row_medians(y[:cut], longer), _row_medians(y[cut:], bins - longer)]),
    )


def _row_medians(values: Floats, rows: int) -> Floats:
    return np.asarray(np.median(values.reshape(rows, -1), axis=1)) if rows else np.empty(0)


def robust_limits(
    *values: Floats, margin: float = 0.08, with_zero: bool = False, tail_percent: float = 0.2
) -> tuple[float, float]:
    """Return axis limits that a few cosmics cannot blow up; zero is inside when asked for."""
    finite = np.concatenate([np.ravel(value)[np.isfinite(np.ravel(value))] for value in values])
    if not len(finite):
        return 0.0, 1.0
    low, high = np.percentile(finite, [tail_percent, 100 - tail_percent])
    if with_zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    span = high - low
    return float(low - (0 if with_zero and low == 0 else margin * span)), float(high + margin * span)


def shrink(image: Floats, rows: int = 420, columns: int = 640) -> Floats:
    """Return an image of at most that many pixels, as the mean of blocks; edges that fill none are cut."""
    down, across = max(1, image.shape[0] // rows), max(1, image.shape[1] // columns)
    height, width = image.shape[0] // down * down, image.shape[1] // across * across
    blocks = image[:height, :width].reshape(height // down, down, width // across, across)
    return np.asarray(blocks.mean(axis=(1, 3)))


def liveliest_window(x: Floats, y: Floats, error: Floats, width: float) -> tuple[float, float]:
    """Return the stretch of x in whose middle y varies most beyond its errors: where there are lines to see.

    Parameters
    ----------
    x, y, error : ndarray, shape (n,)
        A spectrum, x increasing, errors positive.
    width : float
        Width of the stretch, unit of x.
    """
    first, last = float(x[0]), float(x[-1])
    if last - first <= width:
        return first, last
    # Medians of five take cosmics out: they are not lines.
    x, y, error = (np.median(part[: len(x) // 5 * 5].reshape(-1, 5), axis=1) for part in (x, y, error))
    best, window = -np.inf, (first, first + width)
    for start in np.arange(first, last - width, width / 8):
        inside = slice(*np.searchsorted(x, [start, start + width]))
        # Where a spectrum has gaps, a stretch may be nearly empty.
        if inside.stop - inside.start < 5:
            continue
        central = np.sin(np.pi * (x[inside] - start) / width) ** 2
        level = max(abs(float(np.median(y[inside]))), 1e-30)
        excess = ((y[inside] - np.median(y[inside])) ** 2 - error[inside] ** 2) / level**2
        liveliness = float(np.sum(excess * central))
        if liveliness > best:
            best, window = liveliness, (float(start), float(start + width))
    return window
