"""Draws a page: header on top, rows of panels, score strip at the bottom. No global state of pyplot."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from phoenix.qc.pictures.draw_sky import bar_ticks, draw_sky_image, draw_table, draw_vectors
from phoenix.qc.pictures.look import (
    COLOURS,
    DPI,
    HEADER_PX,
    INK,
    draw_header,
    draw_mark,
    draw_strip,
    mark_places,
    strip_height_px,
)
from phoenix.qc.pictures.panels import (
    Curve,
    Field,
    Image,
    Page,
    Panel,
    Plot,
    SkyImage,
    Style,
    Table,
    Vectors,
)

#: How everything is drawn, whatever the user has configured.
RC = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.labelsize": 9.5,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#888888",
    "axes.linewidth": 0.8,
    "axes.formatter.useoffset": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "path.simplify": True,
    "path.simplify_threshold": 0.5,
    "agg.path.chunksize": 20_000,
}
_STYLES: dict[Style, dict[str, Any]] = {
    Style.LINE: {"linewidth": 1.1},
    Style.THIN: {"linewidth": 0.6},
    Style.FAINT: {"linewidth": 0.6, "alpha": 0.4},
    Style.POINTS: {"linestyle": "none", "marker": "o", "markersize": 4.5, "markeredgewidth": 0},
    Style.CROSSES: {"linestyle": "none", "marker": "X", "markersize": 8, "markeredgewidth": 0},
    Style.DOTS: {"linestyle": "none", "marker": "o", "markersize": 2.4, "markeredgewidth": 0, "alpha": 0.6},
    Style.RINGS: {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6.5,
        "markerfacecolor": "none",
        "markeredgewidth": 1.3,
    },
    Style.CHAIN: {"linewidth": 0.8, "marker": "o", "markersize": 4.5, "markeredgewidth": 0},
    Style.STEPS: {"linewidth": 1.1, "drawstyle": "steps-mid"},
}
#: Pixels around and between panels: tick labels and titles have their place there.
_LEFT_PX, _RIGHT_PX, _BETWEEN_X_PX, _BETWEEN_Y_PX, _BELOW_PX = 78, 28, 84, 66, 48
Box = tuple[float, float, float, float]
#: Place for the bar of values beside an image, part of the image's own width.
_BAR_PX = 50


def draw(page: Page) -> Figure:
    """Return a page as a figure; equal pages give equal figures."""
    width, height = page.size_px
    with rc_context(RC):
        figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
        draw_header(figure, page.title, page.facts, page.card)
        strip = draw_strip(figure, page.card)
        if strip is not None:
            for mark, place in zip(page.card.marks, mark_places(page.card, width), strict=True):
                draw_mark(strip, mark, place)
        for panel, box in panel_boxes(page):
            _draw_panel(figure.add_axes(box), panel)
    return figure


def panel_boxes(page: Page) -> Iterator[tuple[Panel, Box]]:
    """Yield each panel with its place in the figure: laid out in pixels, no label runs into a neighbour."""
    width, height = page.size_px
    top = float(height - HEADER_PX - 18)
    free = top - strip_height_px(page.card) - _BELOW_PX - _BETWEEN_Y_PX * (len(page.rows) - 1)
    unit = free / sum(row.height for row in page.rows)
    for row in page.rows:
        bottom = top - row.height * unit
        shares = row.widths or (1.0,) * len(row.panels)
        across = width - _LEFT_PX - _RIGHT_PX - _BETWEEN_X_PX * (len(row.panels) - 1)
        left = float(_LEFT_PX)
        for panel, share in zip(row.panels, shares, strict=True):
            panel_width = across * share / sum(shares)
            drawn = panel_width - (_BAR_PX if isinstance(panel, Image | Field | SkyImage) else 0)
            yield panel, (left / width, bottom / height, drawn / width, row.height * unit / height)
            left += panel_width + _BETWEEN_X_PX
        top = bottom - _BETWEEN_Y_PX


def _draw_panel(axes: Axes, panel: Panel) -> None:
    if isinstance(panel, Table):
        draw_table(axes, panel)
        return
    set_title(axes, panel)
    if isinstance(panel, Image):
        _draw_image(axes, panel)
    elif isinstance(panel, SkyImage):
        _draw_bar(axes, draw_sky_image(axes, panel), panel.unit, bar_ticks(panel))
    elif isinstance(panel, Vectors):
        _draw_grid(axes)
        draw_vectors(axes, panel)
    elif isinstance(panel, Field):
        _draw_field(axes, panel)
    else:
        draw_plot(axes, panel)


def set_title(axes: Axes, panel: Plot | Image | Field | SkyImage | Vectors) -> None:
    """Write the title of a panel and the labels of its axes."""
    axes.set_title(panel.title, loc="left", size=10, weight="bold", color=INK, pad=5, parse_math=False)
    axes.set(xlabel=panel.x_label, ylabel=panel.y_label)
    axes.tick_params(length=3, color="#888888")


def _draw_image(axes: Axes, image: Image) -> None:
    shown = axes.imshow(
        image.pixels, origin="lower", aspect="auto", cmap="gray", interpolation="nearest",
        extent=image.extent, vmin=image.limits[0], vmax=image.limits[1],
    )  # fmt: skip
    _draw_bar(axes, shown, image.unit)


def _draw_bar(axes: Axes, shown: ScalarMappable, unit: str, values: list[float] | None = None) -> None:
    """Draw the bar of values beside a panel, inside the space panels leave between them."""
    bar = axes.inset_axes((1.01, 0.0, 0.015, 1.0))
    axes.figure.colorbar(
        shown, cax=bar, ticks=values, format=None if values is None else FuncFormatter(_plain)
    )
    bar.tick_params(labelsize=7, length=2, pad=1)
    bar.set_title(unit, size=8, loc="left", pad=4)


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _draw_field(axes: Axes, field: Field) -> None:
    _draw_grid(axes)
    for curve in field.others:
        _draw_curve(axes, curve)
    shown = axes.scatter(
        field.x, field.y, c=field.value, s=34, cmap="viridis", vmin=field.limits[0], vmax=field.limits[1],
        edgecolors="white", linewidths=0.6, zorder=3,
    )  # fmt: skip
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.06)
    axes.invert_xaxis()
    _draw_bar(axes, shown, field.unit)
    _draw_legend(axes, field.others)


def _draw_grid(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#E2E2E2", linewidth=0.6)
    axes.set_axisbelow(True)


def draw_plot(axes: Axes, plot: Plot) -> list[Any]:
    """Draw a plot, and return what was drawn of each curve."""
    _draw_grid(axes)
    if plot.level is not None:
        axes.axhline(plot.level, color="#888888", linewidth=0.9, zorder=1)
    drawn = [_draw_curve(axes, curve) for curve in plot.curves]
    if plot.y_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(FuncFormatter(_plain))
        axes.yaxis.set_minor_formatter(NullFormatter())
    for axis, whole in ((axes.xaxis, plot.x_whole), (axes.yaxis, plot.y_whole)):
        if whole:
            axis.set_major_locator(MaxNLocator(integer=True))
    show_limits(axes, plot)
    _draw_legend(axes, plot.curves)
    return drawn


def show_limits(axes: Axes, plot: Plot) -> None:
    """Set the limits of a plot."""
    if plot.x_limits:
        axes.set_xlim(plot.x_limits)
    else:
        axes.margins(x=0.01)
    if plot.y_limits:
        axes.set_ylim(plot.y_limits)


def _draw_legend(axes: Axes, curves: tuple[Curve, ...]) -> None:
    if any(curve.label for curve in curves):
        # On the title's line, at the right: never over the data.
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.985), ncols=6, frameon=False, fontsize=8.5,
                    handlelength=1.4, columnspacing=1.4, borderaxespad=0.1)  # fmt: skip


def _draw_curve(axes: Axes, curve: Curve) -> Any:
    colour = COLOURS[curve.colour]
    label = curve.label or "_nolegend_"
    if curve.style is Style.BARS:
        width = 0.92 * float(curve.x[1] - curve.x[0])
        return axes.bar(curve.x, curve.y, width=width, color=colour, label=label)
    if curve.upper is not None:
        return axes.fill_between(
            curve.x, curve.y, curve.upper, color=colour, alpha=0.5, linewidth=0, label=label
        )
    return axes.plot(curve.x, curve.y, color=colour, label=label, **_STYLES[curve.style])[0]
