"""Noise of images and spectra, of which a few odd pixels are not part."""

from __future__ import annotations

import numpy as np

from phoenix.qc.products import Floats

#: Scale of the median absolute deviation to a standard deviation, for a normal distribution.
MAD_TO_SIGMA = 1.4826


def robust_sigma(values: Floats) -> float:
    """Return the standard deviation as the scaled median absolute deviation."""
    return float(MAD_TO_SIGMA * np.median(np.abs(values - np.median(values))))


def level_without_outliers(image: Floats) -> float:
    """Return the mean of an image without pixels more than 5 sigma off."""
    centre, sigma = np.median(image), max(robust_sigma(image), 1e-6)
    return float(image[np.abs(image - centre) < 5 * sigma].mean())


def hot_pixel_count(image: Floats) -> float:
    """Count the pixels of an image more than 20 sigma above its level."""
    return float(np.count_nonzero(image > np.median(image) + 20 * max(robust_sigma(image), 1e-6)))


def smooth_light_snr(image: Floats) -> float:
    """Return S/N per pixel of smooth light, in the bright pixels of an image that varies slowly along X.

    The noise is the scatter of second differences along X, in which the smooth light of a lamp cancels; it
    holds photon noise and pixel response alike.
    """
    bright, noise, level = _second_differences(image)
    return float(np.median(level[bright]) / robust_sigma(noise[bright]))


def smooth_light_snr_along(image: Floats, parts: int = 60) -> tuple[Floats, Floats]:
    """Return (X, S/N) of smooth light in bins along X, from second differences along X.

    Bins at the ends, where only chance highs are left, give no honest median and are left out.
    """
    bright, noise, level = _second_differences(image)
    change, level = np.where(bright, np.abs(noise), np.nan), np.where(bright, level, np.nan)
    bins = np.array_split(np.arange(level.shape[1]), parts)
    counts = [np.count_nonzero(bright[:, part]) for part in bins]
    kept = [part for part, count in zip(bins, counts, strict=True) if count > 0.2 * max(counts)]
    snr = [np.nanmedian(level[:, part]) / (MAD_TO_SIGMA * np.nanmedian(change[:, part])) for part in kept]
    return np.array([part.mean() + 2 for part in kept]), np.array(snr)


def _second_differences(image: Floats) -> tuple[np.ndarray, Floats, Floats]:
    """Return which pixels are bright with both neighbours, their noise and their level."""
    bright = image > np.percentile(image, 95) / 2
    noise = (image[:, :-2] - 2 * image[:, 1:-1] + image[:, 2:]) / np.sqrt(6.0)
    return bright[:, :-2] & bright[:, 1:-1] & bright[:, 2:], noise, image[:, 1:-1]
