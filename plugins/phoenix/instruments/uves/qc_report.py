"""Report page of a UVES science exposure: what a scientist looks at before using the spectrum."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from phoenix.instruments.uves.qc_page import (
    WAVE,
    chips_of,
    curve_of_each,
    science_page,
)
from phoenix.instruments.uves.spectrum import (
    Spectrum,
    read_fluxed,
    read_order_centres_nm,
    read_order_quality,
    read_reduced,
)
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.scales import flux_axis, wide_limits
from phoenix.qc.pictures.thin import BINS, envelope, liveliest_window, medians, robust_limits
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

#: Width of the zoom, nm: a few lines of a stellar spectrum.
_ZOOM_NM = 3.0


@report("uves.science")
def science(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Spectrum, S/N, zoom on lines, position and width of the object over the orders."""
    chips = chips_of(source, "RED_{type}_{chip}")
    fluxed = all(source.products.has(chip.sibling("FLUXCAL_{type}_{chip}")) for chip in chips)
    spectra = [read_fluxed(chip) if fluxed else read_reduced(chip) for chip in chips]
    limits = _wave_limits(spectra)
    yield (
        "science",
        science_page(
            chips,
            card,
            Row((_spectrum_plot(chips, spectra, limits),), height=1.35),
            Row((_snr_plot(chips, spectra, limits),)),
            Row((_zoom_plot(spectra), *_order_plots(chips, limits)), height=1.1, widths=(1.7, 1, 1)),
        ),
    )


def _spectrum_plot(chips: list[Source], spectra: list[Spectrum], limits: tuple[float, float]) -> Plot:
    label, scale = _flux_label(spectra)
    curves = []
    for number, (chip, spectrum) in enumerate(zip(chips, spectra, strict=True)):
        wave, flux = envelope(spectrum.wave_nm, spectrum.flux / scale, BINS // len(spectra))
        curves.append(Curve(wave, flux, f"flux {chip.words['chip']}", Style.THIN, number))
        wave, error = medians(spectrum.wave_nm, spectrum.error / scale)
        curves.append(Curve(wave, error, "its 1\u03c3 error" if chip is chips[-1] else "", colour=2))
    y_limits = robust_limits(*(spectrum.flux / scale for spectrum in spectra), with_zero=True)
    kind = "Merged spectrum, flux calibrated" if spectra[0].fluxed else "Merged spectrum, not flux calibrated"
    return Plot(kind, WAVE, label, tuple(curves), limits, y_limits, level=0.0)


def _snr_plot(chips: list[Source], spectra: list[Spectrum], limits: tuple[float, float]) -> Plot:
    curves, highest = [], 0.0
    for number, (chip, spectrum) in enumerate(zip(chips, spectra, strict=True)):
        names = ("S/N per pixel", "its median", "order, at blaze centre (detector pixel)")
        each, median, orders = names if chip is chips[-1] else ("", "", "")
        wave, snr = envelope(spectrum.wave_nm, spectrum.snr, BINS // len(spectra))
        blaze = read_order_quality(chip).snr
        curves += [
            Curve(wave, snr, each, Style.FAINT, number),
            Curve(*medians(spectrum.wave_nm, spectrum.snr), median, Style.LINE, number),
            Curve(read_order_centres_nm(chip), blaze, orders, Style.POINTS, 2),
        ]
        highest = max(highest, robust_limits(spectrum.snr)[1], float(blaze.max()) * 1.05)
    return Plot("Signal to noise", WAVE, "S/N (per pixel)", tuple(curves), limits, (0.0, highest))


def _zoom_plot(spectra: list[Spectrum]) -> Plot:
    number, spectrum = max(enumerate(spectra), key=lambda one: float(np.median(one[1].snr)))
    low, high = liveliest_window(spectrum.wave_nm, spectrum.flux, spectrum.error, _ZOOM_NM)
    label, scale = _flux_label(spectra)
    inside = slice(*np.searchsorted(spectrum.wave_nm, [low, high]))
    wave, flux, error = (
        spectrum.wave_nm[inside],
        spectrum.flux[inside] / scale,
        spectrum.error[inside] / scale,
    )
    band = Curve(wave, flux - error, "\u00b1 1\u03c3", Style.BAND, 2, upper=flux + error)
    y_limits = robust_limits(flux - error, flux + error, margin=0.12)
    curves = (band, Curve(wave, flux, "flux", colour=number))
    return Plot("Zoom on lines", WAVE, label, curves, (low, high), y_limits)


def _order_plots(chips: list[Source], limits: tuple[float, float]) -> tuple[Plot, Plot]:
    offsets = curve_of_each(
        chips, lambda chip: (read_order_centres_nm(chip), read_order_quality(chip).offset_arcsec), Style.CHAIN
    )
    widths = curve_of_each(
        chips, lambda chip: (read_order_centres_nm(chip), read_order_quality(chip).fwhm_arcsec), Style.CHAIN
    )
    where = "order centre (nm)"
    return (
        Plot(
            "Object on slit", where, "offset (arcsec)", offsets, limits, wide_limits(offsets, 0.5), level=0.0
        ),
        Plot("Object width", where, "FWHM on slit (arcsec)", widths, limits, wide_limits(widths, 0.4)),
    )


def _wave_limits(spectra: list[Spectrum]) -> tuple[float, float]:
    low, high = min(s.wave_nm[0] for s in spectra), max(s.wave_nm[-1] for s in spectra)
    margin = 0.005 * (high - low)
    return float(low - margin), float(high + margin)


def _flux_label(spectra: list[Spectrum]) -> tuple[str, float]:
    """Return the axis label and what to divide the flux by, so that its numbers are short."""
    if not spectra[0].fluxed:
        return "signal (ADU per pixel)", 1.0
    return flux_axis(*(spectrum.flux for spectrum in spectra), exponent=-16)
