"""Report pages of the UVES calibrations: one for each task of the cascade."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from phoenix.instruments.uves.qc_page import (
    CROSS_DISPERSION,
    DISPERSION,
    WAVE,
    calibration_page,
    chips_of,
    column,
    curve_of_each,
)
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.scales import detector_image, limits_from_zero, power_of_ten, wide_limits
from phoenix.qc.pictures.thin import envelope, robust_limits
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source, report
from phoenix.qc.scatter import smooth_light_snr_along
from phoenix.qc.scorecard import Scorecard


@report("uves.bias")
def bias(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Image, histogram, and mean along rows and columns of each master bias."""
    chips = chips_of(source, "MASTER_BIAS_{chip}")
    images = Row(tuple(_detector(chip, "Master bias", "ADU", tail_percent=1.0) for chip in chips), height=1.4)
    plots = Row((_histogram(chips), _mean_along(chips, "Y"), _mean_along(chips, "X")))
    yield "bias", calibration_page("Master bias", chips, card, images, plots, dispersed=False)


def _detector(chip: Source, what: str, unit: str, tail_percent: float) -> Any:
    title, labels = f"{what} {chip.words['chip']}", (DISPERSION, CROSS_DISPERSION)
    return detector_image(title, _pixels(chip), unit, labels, tail_percent)


def _pixels(chip: Source) -> Floats:
    return chip.products.image(chip.pro_catg)


def _histogram(chips: list[Source]) -> Plot:
    centre = np.round(np.median(_pixels(chips[0])))
    edges = np.arange(centre - 15.5, centre + 16.5)

    def counts(chip: Source) -> tuple[Floats, Floats]:
        # Half a pixel stands for none: a logarithmic axis has no zero.
        return (edges[1:] + edges[:-1]) / 2, np.maximum(np.histogram(_pixels(chip), edges)[0], 0.5)

    curves = curve_of_each(chips, counts, Style.STEPS)
    return Plot("Histogram", "level (ADU)", "number of pixels", curves, y_log=True)


def _mean_along(chips: list[Source], axis: str) -> Plot:
    """Plot the mean along one axis: structure shows here that noise hides in the image."""

    def mean(chip: Source) -> tuple[Floats, Floats]:
        level = _pixels(chip).mean(axis=0 if axis == "Y" else 1)
        return np.arange(1.0, len(level) + 1), level

    curves = curve_of_each(chips, mean, Style.THIN)
    where = DISPERSION if axis == "Y" else CROSS_DISPERSION
    return Plot(f"Mean along {axis}", where, "mean level (ADU)", curves, y_limits=wide_limits(curves, 0.5))


@report("uves.format_check")
def format_check(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Shift of each arc line against the physical model, over the detector."""
    chips = chips_of(source, "LINE_GUESS_TAB_{chip}")
    rows = (Row(tuple(_shifts(chips, shift, across) for across in "XY")) for shift in "XY")
    yield "format_check", calibration_page("Format check", chips, card, *rows)


def _shifts(chips: list[Source], shift: str, across: str) -> Plot:
    def points(chip: Source) -> tuple[Floats, Floats]:
        table = chip.products.table(chip.pro_catg)
        # Y is the order in this table; the line's place on the chip is YNEW.
        place, value = column(table, {"X": "X", "Y": "YNEW"}[across]), column(table, f"{shift}DIF")
        found = np.isfinite(place) & np.isfinite(value)
        return place[found], value[found]

    curves = curve_of_each(chips, points, Style.DOTS)
    title, where = f"Shift along {shift} over {across}", {"X": DISPERSION, "Y": CROSS_DISPERSION}[across]
    return Plot(
        title, where, "found \u2212 model (pix)", curves, y_limits=wide_limits(curves, 0.4), level=0.0
    )


@report("uves.order_position")
def order_position(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Traces of the orders with the positions they rest on, and the residuals."""
    chips = chips_of(source, "ORDER_TABLE_{chip}")
    traces = Row(tuple(_traces(chip, number) for number, chip in enumerate(chips)), height=1.7)

    def residuals(chip: Source) -> tuple[Floats, Floats]:
        table = chip.products.table(chip.pro_catg)
        return column(table, "X"), column(table, "Residual")

    def scatter(chip: Source) -> tuple[Floats, Floats]:
        return _rms_by_order(chip.products.table(chip.pro_catg), "Residual")

    dots, rms = curve_of_each(chips, residuals, Style.DOTS), curve_of_each(chips, scatter, Style.CHAIN)
    plots = (
        Plot("Residuals", DISPERSION, "found \u2212 fit (pix)", dots, level=0.0),
        _by_order("Scatter of each order", "order (1 = bluest)", "rms (pix)", rms),
    )
    yield "order_position", calibration_page("Order positions", chips, card, traces, Row(plots))


def _traces(chip: Source, number: int) -> Plot:
    table = chip.products.table(chip.pro_catg)
    x, found, fit = column(table, "X"), column(table, "Y"), column(table, "Yfit")
    orders = [table["Order"] == order for order in np.unique(table["Order"])]
    curves = [Curve(x[one], fit[one], colour=-1) for one in orders]
    curves.append(Curve(x, found, "positions found", Style.DOTS, number))
    return Plot(f"{len(orders)} orders of {chip.words['chip']}", DISPERSION, CROSS_DISPERSION, tuple(curves))


@report("uves.flat")
def flat(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Image, cut across the orders and S/N along the dispersion of each master flat."""
    chips = chips_of(source, "MASTER_FLAT_{chip}")
    images = Row(
        tuple(_detector(chip, "Master flat", "ADU/s", tail_percent=0.5) for chip in chips), height=1.4
    )
    cuts = curve_of_each(chips, _cut, Style.LINE)
    ridges = curve_of_each(chips, _ridge_snr, Style.LINE)
    plots = (
        Plot("Cut across the orders, at the middle", CROSS_DISPERSION, "level (ADU/s)", cuts, level=0.0),
        Plot(
            "S/N along bright orders",
            DISPERSION,
            "S/N (per pixel)",
            ridges,
            y_limits=limits_from_zero(ridges),
        ),
    )
    yield "flat", calibration_page("Master flat", chips, card, images, Row(plots))


def _cut(chip: Source) -> tuple[Floats, Floats]:
    image = _pixels(chip)
    centre = image.shape[1] // 2
    return np.arange(1.0, image.shape[0] + 1), np.median(image[:, max(0, centre - 5) : centre + 6], axis=1)


def _ridge_snr(chip: Source) -> tuple[Floats, Floats]:
    """Return S/N of the bright pixels in bins along X, the dispersion."""
    return smooth_light_snr_along(_pixels(chip))


@report("uves.wavelength")
def wavelength(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Residuals of the lines over wavelength, lines and scatter of each order, resolving power."""
    chips = chips_of(source, "LINE_TABLE_{chip}")

    def over_wavelength(name: str, scale: float = 1.0) -> tuple[Curve, ...]:
        def points(chip: Source) -> tuple[Floats, Floats]:
            lines = _used_lines(chip)
            return column(lines, "Ident") / 10, column(lines, name) * scale

        return curve_of_each(chips, points, Style.DOTS)

    residuals, resolution = over_wavelength("Residual_pix"), over_wavelength("Resol", 0.001)
    counts = curve_of_each(chips, lambda chip: _count_by_order(_used_lines(chip)), Style.CHAIN)
    rms = curve_of_each(chips, lambda chip: _rms_by_order(_used_lines(chip), "Residual_pix"), Style.CHAIN)
    top = Plot("Residuals of the lines used", WAVE, "residual (pix)", residuals,
               y_limits=wide_limits(residuals, 0.02), level=0.0)  # fmt: skip
    below = (
        _by_order("Lines of each order", "absolute order", "lines used", counts),
        _by_order("Scatter of each order", "absolute order", "rms (pix)", rms),
        Plot("Resolving power", WAVE, "R / 1000", resolution, y_limits=limits_from_zero(resolution, 0.2)),
    )
    yield (
        "wavelength",
        calibration_page("Wavelength calibration", chips, card, Row((top,), height=1.2), Row(below)),
    )


def _used_lines(chip: Source) -> Any:
    """Return the lines of the solution of the middle window, extension 4 of a line table."""
    table = chip.products.table(chip.pro_catg, extension=4)
    return table[table["NLinSol"] == 1]


@report("uves.response")
def response(source: Source, card: Scorecard) -> Iterator[tuple[str, Page]]:
    """Response curve with its fit points, its scatter, and the efficiency."""
    chips = chips_of(source, "INSTR_RESPONSE_FINE_{chip}")
    curves = curve_of_each(chips, lambda chip: _response(chip)[:2], Style.LINE)
    fits = curve_of_each(chips, _fit_points, Style.POINTS)
    fits = tuple(
        replace(curve, colour=2, label="" if curve is not fits[-1] else "fit points") for curve in fits
    )
    power = int(np.floor(np.log10(max(float(curve.y.max()) for curve in curves))))
    shown = tuple(replace(curve, y=curve.y / 10.0**power) for curve in (*curves, *fits))
    scatter = curve_of_each(chips, _scatter, Style.FAINT)
    efficiency = curve_of_each(chips, _efficiency, Style.DOTS)
    label = f"response ({power_of_ten(power)} flux per signal)"
    top = Plot("Instrument response", WAVE, label, shown, y_limits=limits_from_zero(shown))
    below = (
        Plot("Raw over smooth response", WAVE, "difference (%)", scatter,
             y_limits=robust_limits(*(curve.y for curve in scatter), tail_percent=1.0), level=0.0),
        Plot("Efficiency, telescope and instrument", WAVE, "efficiency (%)", efficiency,
             y_limits=limits_from_zero(efficiency, 0.2)),
    )  # fmt: skip
    yield "response", calibration_page("Response", chips, card, Row((top,), height=1.2), Row(below))


def _response(chip: Source) -> tuple[Floats, Floats, Floats]:
    """Return wavelength in nm, smooth and raw response, where there are both."""
    smooth, raw = (chip.products.table(chip.pro_catg, extension) for extension in (1, 2))
    wave, level, points = (
        column(smooth, "wavelength"),
        column(smooth, "response_smo"),
        column(raw, "response_raw"),
    )
    good = (level > 0) & (points > 0)
    return wave[good] / 10, level[good], points[good]


def _fit_points(chip: Source) -> tuple[Floats, Floats]:
    table = chip.products.table(chip.pro_catg, 3)
    return column(table, "wavelength") / 10, column(table, "response_fit_pts")


def _scatter(chip: Source) -> tuple[Floats, Floats]:
    wave, smooth, raw = _response(chip)
    return envelope(wave, 100 * (raw / smooth - 1))


def _efficiency(chip: Source) -> tuple[Floats, Floats]:
    table = chip.products.table(chip.sibling("EFFICIENCY_TABLE_{chip}"))
    return column(table, "Wave") / 10, 100 * column(table, "Eff")


def _by_order(title: str, x_label: str, y_label: str, curves: tuple[Curve, ...]) -> Plot:
    return Plot(title, x_label, y_label, curves, y_limits=limits_from_zero(curves), x_whole=True)


def _rms_by_order(table: Any, name: str) -> tuple[Floats, Floats]:
    orders, values = np.unique(table["Order"]), column(table, name)
    rms = [np.sqrt(np.mean(values[table["Order"] == order] ** 2)) for order in orders]
    return orders.astype(np.float64), np.array(rms)


def _count_by_order(table: Any) -> tuple[Floats, Floats]:
    orders, counts = np.unique(table["Order"], return_counts=True)
    return orders.astype(np.float64), counts.astype(np.float64)
