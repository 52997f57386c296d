"""Brings a spectrum to the bins of another one, keeping the light and the information in it.

A bin of the result takes from each bin of the source the part it overlaps, so the integral over wavelength is
kept exactly. Neighbouring bins of the result then share noise. The variance given here is that of the light
that went in, not the smaller one of a single, smoothed bin: sums and averages over several bins get their
right error (Carnall 2017, arXiv:1705.05165, discusses both). Covariances themselves are not kept.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

#: A bin that good data cover by less than this holds no data.
_LEAST_COVERAGE = 0.5
#: Grids closer than this, in bins, are the same: a shift so small moves no light that could be measured.
_SAME_GRID_BINS = 1e-3


@dataclass(frozen=True, slots=True)
class Samples:
    """Flux density in bins; all arrays of shape (n,).

    Attributes
    ----------
    flux, error
        Per unit of wavelength, or per bin of equal width; ``error`` is one standard deviation.
    good
        Bins that hold data.
    """

    flux: Floats
    error: Floats
    good: Mask


def bin_edges(wave: Floats) -> Floats:
    """Return the n + 1 edges of n bins around their centres, which rise."""
    middle = (wave[1:] + wave[:-1]) / 2
    first, last = wave[0] - (middle[0] - wave[0]), wave[-1] + (wave[-1] - middle[-1])
    return np.concatenate(([first], middle, [last]))


def same_grid(wave: Floats, other: Floats) -> bool:
    """Whether two grids are one, to a thousandth of a bin."""
    if wave.shape != other.shape:
        return False
    return bool(np.all(np.abs(wave - other) <= _SAME_GRID_BINS * np.diff(bin_edges(wave))))


def resample(wave: Floats, samples: Samples, target: Floats) -> Samples:
    """Return a spectrum on the bins of another one.

    Parameters
    ----------
    wave : array, shape (n,)
        Bin centres of the spectrum, rising.
    samples : Samples, shape (n,)
    target : array, shape (m,)
        Bin centres wanted, rising, in the unit of ``wave``.

    Returns
    -------
    Samples, shape (m,)
        Bins covered by less than half by good data are not good.
    """
    edges, wanted = bin_edges(wave), bin_edges(target)
    width, width_wanted = np.diff(edges), np.diff(wanted)
    usable = np.where(samples.good, width, 0.0)
    covered = _overlap(edges, usable, wanted)
    light = _overlap(edges, np.where(samples.good, samples.flux, 0.0) * usable, wanted)
    variance = _overlap(edges, np.where(samples.good, samples.error, 0.0) ** 2 * usable * width, wanted)
    good = covered >= _LEAST_COVERAGE * width_wanted
    share = np.where(good, covered, 1.0)
    return Samples(
        flux=np.where(good, light / share, 0.0),
        error=np.where(good, np.sqrt(np.maximum(variance, 0.0)) / share, 0.0),
        good=good,
    )


def _overlap(edges: Floats, content: Floats, wanted: Floats) -> Floats:
    """Return what of the bins' content falls into each wanted bin; content is even within a bin."""
    summed = np.concatenate(([0.0], np.cumsum(content)))
    return np.diff(np.interp(wanted, edges, summed))
