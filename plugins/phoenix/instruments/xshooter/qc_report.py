"""Report page of an XSHOOTER spectrum: what a scientist looks at before using it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from phoenix.instruments.xshooter.qc_page import WAVE, of_product, science_page
from phoenix.instruments.xshooter.qc_spectrum import (
    AlongSlit,
    Spectrum,
    Trace,
    read_along_slit,
    read_counts,
    read_fluxed,
    read_orders,
    read_trace,
)
from phoenix.qc.pictures.panels import Curve, Image, Page, Plot, Row, Style
from phoenix.qc.pictures.scales import flux_axis, wide_limits
from phoenix.qc.pictures.thin import BINS, envelope, liveliest_window, medians, robust_limits, shrink
from phoenix.qc.registry import Source, report
from phoenix.qc.scorecard import Scorecard

#: Width of the zoom, nm, by arm: a few lines of a stellar spectrum.
_ZOOM_NM = {"UVB": 6.0, "VIS": 8.0, "NIR": 20.0}
_SLIT = "position on the slit (arcsec)"
#: Columns of the picture along the slit.
_COLUMNS = 1200
#: S/N of bins that set the scale, relative to the median.
_LEAST_SNR = 0.3


@report("xshooter.science")
def science(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Spectrum, S/N, picture along the slit, zoom on lines, place and width of the object."""
    source = of_product(source, _template_of(source))
    spectrum = read_fluxed(source)
    shown = _significant(spectrum)
    along, trace = read_along_slit(source), read_trace(source)
    limits = _wave_limits(spectrum)
    below = (
        _zoom_plot(shown, _significant(read_counts(source)), _ZOOM_NM[source.words["arm"]]),
        _profile_plot(along),
        *_trace_plots(trace, limits),
    )
    yield (
        "science",
        science_page(
            source,
            card,
            Row((_spectrum_plot(spectrum, shown, limits),), height=1.25),
            Row((_snr_plot(spectrum, read_orders(source), limits),), height=0.85),
            Row((_slit_image(along, shown),), height=0.6),
            Row(below, widths=(1.5, 1, 1, 1)),
        ),
    )


def _template_of(source: Source) -> str:
    """Return the template of the spectrum: of science, or of a telluric standard."""
    telluric = source.products.matching("TELL_SLIT_MERGE1D_{arm}")
    return "TELL_SLIT_MERGE1D_{arm}" if telluric else "SCI_SLIT_MERGE1D_{arm}"


def _significant(spectrum: Spectrum) -> Spectrum:
    """Return the bins that are not much fainter than the others: beyond the ozone's cut-off noise is huge."""
    chosen = spectrum.snr > _LEAST_SNR * np.median(spectrum.snr)
    if np.median(spectrum.snr) <= 0:
        return spectrum
    wave_nm, flux, error = spectrum.wave_nm[chosen], spectrum.flux[chosen], spectrum.error[chosen]
    return replace(spectrum, wave_nm=wave_nm, flux=flux, error=error)


def _spectrum_plot(spectrum: Spectrum, shown: Spectrum, limits: tuple[float, float]) -> Plot:
    label, scale = flux_axis(shown.flux)
    wave, error = medians(spectrum.wave_nm, spectrum.error / scale)
    curves = (
        Curve(*envelope(spectrum.wave_nm, spectrum.flux / scale), "flux", Style.THIN),
        Curve(wave, error, "its 1\u03c3 error", colour=2),
    )
    y_limits = robust_limits(shown.flux / scale, with_zero=True, tail_percent=0.5)
    return Plot("Merged spectrum, flux calibrated", WAVE, label, curves, limits, y_limits, level=0.0)


def _snr_plot(
    spectrum: Spectrum, orders: dict[int, tuple[float, float]], limits: tuple[float, float]
) -> Plot:
    centres, values = (np.array([one[part] for one in orders.values()]) for part in (0, 1))
    curves = (
        Curve(*envelope(spectrum.wave_nm, spectrum.snr, BINS), "per bin", Style.FAINT),
        Curve(*medians(spectrum.wave_nm, spectrum.snr), "its median"),
        Curve(centres, values, "order before merging, median", Style.POINTS, 2),
    )
    y_limits = robust_limits(spectrum.snr, values, with_zero=True)
    return Plot("Signal to noise", WAVE, "S/N (per bin)", curves, limits, y_limits)


def _slit_image(along: AlongSlit, shown: Spectrum) -> Image:
    bright = (along.wave_nm >= shown.wave_nm[0]) & (along.wave_nm <= shown.wave_nm[-1])
    known = along.pixels[:, bright][np.isfinite(along.pixels[:, bright])]
    label, scale = flux_axis(known)
    pixels = shrink(np.nan_to_num(along.pixels) / scale, rows=along.slit_arcsec.size, columns=_COLUMNS)
    half = (along.slit_arcsec[1] - along.slit_arcsec[0]) / 2
    extent = (
        float(along.wave_nm[0]),
        float(along.wave_nm[-1]),
        float(along.slit_arcsec[0] - half),
        float(along.slit_arcsec[-1] + half),
    )
    limits = robust_limits(known / scale, margin=0.0, tail_percent=1.0)
    title = label.replace("flux", "Along the slit, flux", 1)
    return Image(title, WAVE, "slit (arcsec)", "", pixels, extent, limits)


def _zoom_plot(spectrum: Spectrum, counts: Spectrum, width_nm: float) -> Plot:
    """Plot the stretch with most to see in the counts: a response that ends is no line."""
    label, scale = flux_axis(spectrum.flux)
    low, high = liveliest_window(counts.wave_nm, counts.flux, counts.error, width_nm)
    inside = slice(*np.searchsorted(spectrum.wave_nm, [low, high]))
    wave, flux, error = (
        spectrum.wave_nm[inside],
        spectrum.flux[inside] / scale,
        spectrum.error[inside] / scale,
    )
    curves = (
        Curve(wave, flux - error, "\u00b1 1\u03c3", Style.BAND, 2, upper=flux + error),
        Curve(wave, flux, "flux"),
    )
    y_limits = robust_limits(flux - error, flux + error, margin=0.12)
    return Plot("Zoom on lines", WAVE, label, curves, (low, high), y_limits)


def _profile_plot(along: AlongSlit) -> Plot:
    curve = Curve(along.slit_arcsec, along.profile, "", Style.STEPS)
    return Plot("Profile along the slit", _SLIT, "mean (1)", (curve,), level=0.0)


def _trace_plots(trace: Trace, limits: tuple[float, float]) -> tuple[Plot, Plot]:
    centres = Curve(trace.wave_nm, trace.centre_arcsec, "", Style.CHAIN)
    widths = Curve(trace.wave_nm, trace.fwhm_arcsec, "", Style.CHAIN)
    return (
        Plot(
            "Object on slit",
            WAVE,
            "centre (arcsec)",
            (centres,),
            limits,
            wide_limits([centres], 0.5),
            level=0.0,
        ),
        Plot("Object width", WAVE, "FWHM (arcsec)", (widths,), limits, wide_limits([widths], 0.4)),
    )


def _wave_limits(spectrum: Spectrum) -> tuple[float, float]:
    low, high = float(spectrum.wave_nm[0]), float(spectrum.wave_nm[-1])
    margin = 0.005 * (high - low)
    return low - margin, high + margin
