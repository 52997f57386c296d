"""Limits and labels of axes that several pages want alike."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from phoenix.qc.pictures.panels import Curve, Image
from phoenix.qc.pictures.thin import robust_limits, shrink
from phoenix.qc.products import Floats


def wide_limits(curves: Iterable[Curve], least: float) -> tuple[float, float]:
    """Return limits of at least that range, so that noise does not look like a trend."""
    low, high = robust_limits(*(curve.y for curve in curves))
    middle, half = (low + high) / 2, max(high - low, least) / 2
    return middle - half, middle + half


def limits_from_zero(curves: Iterable[Curve], tail_percent: float = 0.0) -> tuple[float, float]:
    """Return limits that hold zero and all points, or all but a tail of them."""
    return robust_limits(*(curve.y for curve in curves), with_zero=True, tail_percent=tail_percent)


def power_of_ten(exponent: int) -> str:
    """Return ``10⁻¹⁶`` for -16."""
    return "10" + str(exponent).translate(str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"))


def flux_axis(*fluxes: Floats, exponent: int = 0) -> tuple[str, float]:
    """Return the label of an axis of flux and what to divide by, so that its numbers are short.

    Parameters
    ----------
    fluxes : ndarray
        In units of ``10**exponent`` erg/s/cm2/Angstrom.
    """
    typical = max(float(np.percentile(np.abs(flux), 95)) for flux in fluxes)
    power = int(np.floor(np.log10(typical))) if typical > 0 else 0
    return f"flux ({power_of_ten(power + exponent)} erg s⁻¹ cm⁻² Å⁻¹)", 10.0**power


def detector_image(
    title: str, image: Floats, unit: str, labels: tuple[str, str], tail_percent: float
) -> Image:
    """Return a panel with an image, shrunk, its brightest and darkest ``tail_percent`` cut.

    Parameters
    ----------
    labels : (str, str)
        Of X and Y, in pixels.
    """
    pixels = shrink(image)
    limits = robust_limits(pixels, margin=0.0, tail_percent=tail_percent)
    extent = (0.5, image.shape[1] + 0.5, 0.5, image.shape[0] + 0.5)
    return Image(title, *labels, unit, pixels, extent, limits)
