"""Report pages of the XSHOOTER calibrations: one for each task of the cascade."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from phoenix.instruments.xshooter.arc_lines import ArcLines
from phoenix.instruments.xshooter.qc_lines import format_lines, wavelength_lines
from phoenix.instruments.xshooter.qc_page import DETECTOR, WAVE, X, Y, calibration_page, of_product
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.scales import detector_image, limits_from_zero, power_of_ten, wide_limits
from phoenix.qc.pictures.thin import envelope, medians, robust_limits
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source, report
from phoenix.qc.scatter import robust_sigma, smooth_light_snr_along
from phoenix.qc.scorecard import Scorecard

_ORDER = "absolute order"


@report("xshooter.bias")
def bias(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Image, histogram, and mean along rows and columns of the master bias."""
    yield "bias", _detector_page(of_product(source, "MASTER_BIAS_{arm}"), card, "Master bias")


@report("xshooter.dark")
def dark(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Image, histogram, and mean along rows and columns of the master dark."""
    yield "dark", _detector_page(of_product(source, "MASTER_DARK_{arm}"), card, "Master dark")


def _detector_page(source: Source, card: Scorecard, title: str) -> Page:
    image = source.products.image(source.pro_catg)
    plots = (_histogram(image), _mean_along(image, "Y"), _mean_along(image, "X"))
    picture = detector_image(title, image, "ADU", DETECTOR, tail_percent=1.0)
    return calibration_page(title, source, card, Row((picture,), height=1.4), Row(plots))


def _histogram(image: Floats) -> Plot:
    # A master of few frames holds whole ADU and halves: bins of whole ADU show no gaps.
    width = max(1.0, round(robust_sigma(image) / 3))
    edges = np.round(np.median(image)) + width * (np.arange(-15, 17) - 0.5)
    # Half a pixel stands for none: a logarithmic axis has no zero.
    counts = np.maximum(np.histogram(image, edges)[0], 0.5)
    curve = Curve((edges[1:] + edges[:-1]) / 2, counts, "", Style.STEPS)
    return Plot("Histogram", "level (ADU)", "number of pixels", (curve,), y_log=True)


def _mean_along(image: Floats, axis: str) -> Plot:
    """Plot the mean along one axis: structure shows here that noise hides in the image."""
    level = image.mean(axis=0 if axis == "Y" else 1)
    curve = Curve(np.arange(1.0, level.size + 1), level, "", Style.THIN)
    where, limits = X if axis == "Y" else Y, wide_limits([curve], 0.5)
    return Plot(f"Mean along {axis}", where, "mean level (ADU)", (curve,), y_limits=limits)


@report("xshooter.format_check")
def format_check(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Shift of each arc line against the fit, over the detector."""
    source = of_product(source, "ORDER_TAB_GUESS_{arm}")
    lines = format_lines(source)
    rows = (Row(tuple(_shifts(lines, shift, across) for across in "XY")) for shift in "XY")
    yield "format_check", calibration_page("Format check", source, card, *rows)


def _shifts(lines: ArcLines, shift: str, across: str) -> Plot:
    curve = Curve(getattr(lines, across.lower()), getattr(lines, f"shift_{shift.lower()}"), "", Style.DOTS)
    return Plot(
        f"Shift along {shift} over {across}", {"X": X, "Y": Y}[across], "found \u2212 fit (pix)", (curve,),
        y_limits=wide_limits([curve], 0.1), level=0.0,
    )  # fmt: skip


@report("xshooter.order_position")
def order_position(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Traces of the orders, and the residuals of the positions they rest on."""
    source = of_product(source, "ORDER_TAB_CENTR_{arm}")
    table = source.products.table(source.sibling("ORDERPOS_RESID_TAB_{arm}"))
    dots = Curve(_floats(table, "Y"), _floats(table, "RESX"), "", Style.DOTS)
    rms = Curve(*_rms_by_order(np.asarray(table["Order"]), _floats(table, "RESX")), "", Style.CHAIN)
    residuals = Plot(
        "Residuals", Y, "found \u2212 fit (pix)", (dots,), y_limits=wide_limits([dots], 0.05), level=0.0
    )
    scatter = _by_order("Scatter of each order", _ORDER, "rms (pix)", rms)
    rows = Row((_traces(table),), height=1.7), Row((residuals, scatter))
    yield "order_position", calibration_page("Order positions", source, card, *rows)


def _traces(table: Any) -> Plot:
    order, x, y = np.asarray(table["Order"]), _floats(table, "X"), _floats(table, "Y")
    fit = x - _floats(table, "RESX")
    curves = [Curve(y[order == one], fit[order == one], colour=-1) for one in np.unique(order)]
    curves.append(Curve(y, x, "positions found", Style.DOTS))
    return Plot(f"{len(curves) - 1} orders", Y, X, tuple(curves))


@report("xshooter.flat")
def flat(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Image, cut across the orders and S/N along the dispersion of the master flat."""
    source = of_product(source, "MASTER_FLAT_SLIT_{arm}")
    image = source.products.image(source.pro_catg)
    middle = image.shape[0] // 2
    cut = np.median(image[max(0, middle - 5) : middle + 6], axis=0)
    across = Curve(np.arange(1.0, cut.size + 1), cut)
    ridge = Curve(*smooth_light_snr_along(image.T))
    plots = (
        Plot("Cut across the orders, at the middle", X, "level (1 = mean)", (across,), level=0.0),
        Plot("S/N along bright orders", Y, "S/N (per pixel)", (ridge,), y_limits=limits_from_zero([ridge])),
    )
    picture = detector_image("Master flat, normalised", image, "1", DETECTOR, tail_percent=0.5)
    page = calibration_page("Master flat", source, card, Row((picture,), height=1.4), Row(plots), slit=True)
    yield "flat", page


@report("xshooter.wavelength")
def wavelength(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Residuals of the lines over wavelength, lines and scatter of each order, width of the lines."""
    source = of_product(source, "DISP_TAB_{arm}")
    lines = wavelength_lines(source)
    along = Curve(lines.wave_nm, lines.shift_y, "along the dispersion", Style.DOTS)
    across = Curve(lines.wave_nm, lines.shift_x, "across", Style.DOTS, 1)
    counts = Curve(*_lines_by_order(lines), "", Style.CHAIN)
    rms = Curve(*_rms_by_order(lines.order, lines.shift_y), "", Style.CHAIN)
    widths = Curve(lines.wave_nm, lines.fwhm, "", Style.DOTS)
    top = Plot(
        "Residuals of the lines used, all pinholes", WAVE, "found \u2212 fit (pix)", (across, along),
        y_limits=wide_limits([along, across], 0.05), level=0.0,
    )  # fmt: skip
    below = (
        _by_order("Lines of each order", _ORDER, "lines used", counts),
        _by_order("Scatter of each order, along the dispersion", _ORDER, "rms (pix)", rms),
        Plot("Width of the lines", WAVE, "FWHM (pix)", (widths,), y_limits=limits_from_zero([widths], 0.2)),
    )
    page = calibration_page("Wavelength and slit maps", source, card, Row((top,), height=1.2), Row(below))
    yield "wavelength", page


@report("xshooter.response")
def response(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Response with the ratio it was drawn through, their quotient, and the efficiency."""
    source = of_product(source, "RESPONSE_MERGE1D_SLIT_{arm}")
    table = source.products.table(source.pro_catg)
    wave, curve, ratio = (_floats(table, name) for name in ("LAMBDA", "RESPONSE", "REF_DIV_OBS"))
    power = int(np.floor(np.log10(curve.max()))) if curve.max() > 0 else 0
    known = curve > 0
    drawn = (
        Curve(*envelope(wave, ratio / 10.0**power), "true over observed flux", Style.FAINT),
        Curve(*medians(wave, curve / 10.0**power), "response", colour=1),
    )
    quotient = Curve(*envelope(wave[known], 100 * (ratio[known] / curve[known] - 1)), "", Style.FAINT)
    efficiency = source.products.table(source.sibling("EFFICIENCY_SLIT_{arm}"))
    dots = Curve(*_order_medians(efficiency), "", Style.DOTS)
    label = f"response ({power_of_ten(power)} flux per signal)"
    limits = robust_limits(ratio / 10.0**power, with_zero=True)
    top = Plot("Response", WAVE, label, drawn, y_limits=limits)
    below = (
        Plot("True over observed flux against the response", WAVE, "difference (%)", (quotient,),
             y_limits=(-20.0, 20.0), level=0.0),
        Plot("Efficiency, telescope and instrument", WAVE, "efficiency (%)", (dots,),
             y_limits=limits_from_zero([dots], 2.0)),
    )  # fmt: skip
    page = calibration_page("Response", source, card, Row((top,), height=1.2), Row(below), slit=True)
    yield "response", page


def _order_medians(table: Any) -> tuple[Floats, Floats]:
    """Return (wavelength, efficiency in percent): medians of bins of each order, order after order."""
    order = np.asarray(table["ORDER"])
    parts = [
        medians(_floats(table, "WAVELENGTH")[order == one], 100 * _floats(table, "EFF")[order == one], 60)
        for one in np.unique(order)
    ]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _by_order(title: str, x_label: str, y_label: str, curve: Curve) -> Plot:
    return Plot(title, x_label, y_label, (curve,), y_limits=limits_from_zero([curve]), x_whole=True)


def _rms_by_order(order: Any, values: Floats) -> tuple[Floats, Floats]:
    orders = np.unique(order)
    rms = [np.sqrt(np.mean(values[order == one] ** 2)) for one in orders]
    return orders.astype(np.float64), np.array(rms)


def _lines_by_order(lines: ArcLines) -> tuple[Floats, Floats]:
    orders = np.unique(lines.order)
    counts = [np.unique(lines.wave_nm[lines.order == one]).size for one in orders]
    return orders.astype(np.float64), np.array(counts, dtype=np.float64)


def _floats(table: Any, name: str) -> Floats:
    return np.asarray(table[name], dtype=np.float64)
