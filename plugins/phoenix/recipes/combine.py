"""Combines exposures of one object on one grid: their mean, without what only one of them shows.

The mean is taken with one weight per exposure and never per bin: weights that follow a bin's own error, which
follows its own photons, favour low values and lose flux. Where an exposure is rejected or has no data, the
others stand for it at its level, so that differences of transparency leave no steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phoenix.recipes.resample import Floats, Mask

#: Bins of a block in which exposures are compared.
_BLOCK_BINS = 256
#: A block whose median is below this many errors of it tells nothing of the level.
_LEAST_BLOCK_SNR = 10.0
#: Standard error of a median in units of that of a mean, for a normal distribution.
_MEDIAN_EFFICIENCY = 1.2533


@dataclass(frozen=True, slots=True)
class Rejection:
    """How far, in standard deviations, a value may lie above and below the others; infinite: no limit."""

    kappa_high: float
    kappa_low: float = np.inf


@dataclass(frozen=True, slots=True)
class Combined:
    """The mean of n exposures with m bins.

    Attributes
    ----------
    flux, error
        Shape (m,); zero where no exposure has data.
    contributions
        Exposures in each bin, shape (m,).
    levels
        Median flux of each exposure relative to their mean, shape (n,); 1 where it cannot be told.
    rejected
        Values taken out, shape (n, m).
    """

    flux: Floats
    error: Floats
    contributions: npt.NDArray[np.int16]
    levels: Floats
    rejected: Mask


def combine(
    flux: Floats, error: Floats, good: Mask, weights: Floats, rejection: Rejection | None
) -> Combined:
    """Combine exposures.

    Parameters
    ----------
    flux, error : array, shape (n, m)
        Exposures on one grid; errors are standard deviations.
    good : array of bool, shape (n, m)
        Values that count.
    weights : array, shape (n,)
        One positive number per exposure.
    rejection : Rejection, optional
        None keeps every good value.
    """
    scales = _scales(flux, error, good)
    rejected = _outliers(flux, error, good, scales, rejection) if rejection else np.zeros_like(good)
    kept = good & ~rejected
    share = kept * weights[:, np.newaxis]
    full = weights @ scales / weights.sum()
    present = np.sum(share * scales, axis=0)
    have = present > 0
    factor = np.divide(full, present, out=np.zeros_like(present), where=have)
    return Combined(
        flux=factor * np.sum(share * np.where(kept, flux, 0.0), axis=0),
        error=factor * np.sqrt(np.sum((share * np.where(kept, error, 0.0)) ** 2, axis=0)),
        contributions=kept.sum(axis=0).astype(np.int16),
        levels=np.median(scales, axis=1),
        rejected=rejected,
    )


def _scales(flux: Floats, error: Floats, good: Mask) -> Floats:
    """Return the level of each exposure relative to the mean of all, smooth in wavelength, shape (n, m)."""
    exposures, bins = flux.shape
    blocks = np.array_split(np.arange(bins), max(1, round(bins / _BLOCK_BINS)))
    centres, ratios = [], []
    for block in blocks:
        everywhere = block[good[:, block].all(axis=0)]
        if not len(everywhere):
            continue
        medians = np.median(flux[:, everywhere], axis=1)
        errors = _MEDIAN_EFFICIENCY * np.median(error[:, everywhere], axis=1) / np.sqrt(len(everywhere))
        if np.all(medians > _LEAST_BLOCK_SNR * errors):
            centres.append(block.mean())
            ratios.append(medians / medians.mean())
    if not centres:
        return np.ones((exposures, bins))
    places = np.arange(bins)
    return np.stack([np.interp(places, centres, row) for row in np.transpose(ratios)])


def _outliers(flux: Floats, error: Floats, good: Mask, scales: Floats, rejection: Rejection) -> Mask:
    """Return the values too far from the others: of two, from each other; of more, from their median."""
    level = np.where(good, flux / scales, np.nan)
    noise = np.where(good, error / scales, np.nan)
    rejected = np.zeros_like(good)
    for number in range(len(flux)):
        others = np.delete(level, number, axis=0)
        of_others = np.delete(noise, number, axis=0)
        count = np.sum(~np.isnan(others), axis=0)
        alone = count == 0
        others[0, alone] = of_others[0, alone] = 0.0  # only so that there is something to take a median of
        reference = np.nanmedian(others, axis=0)
        blur = np.where(count > 2, _MEDIAN_EFFICIENCY, 1.0) / np.sqrt(np.maximum(count, 1))
        sigma = np.hypot(noise[number], blur * np.nanmedian(of_others, axis=0))
        with np.errstate(invalid="ignore"):
            deviation = level[number] - reference
            too_high = deviation > rejection.kappa_high * sigma
            too_low = deviation < -rejection.kappa_low * sigma
        rejected[number] = (too_high | too_low) & ~alone & good[number]
    return _at_least_one_left(rejected, good)


def _at_least_one_left(rejected: Mask, good: Mask) -> Mask:
    """Take nothing out of a bin in which nothing would be left."""
    return rejected & (good & ~rejected).any(axis=0)
