"""Pages drawn on figures that are used again: a hundred fibres cost little more than one.

Pages of one form differ in their data, limits, texts of the header and scores only. The first page of a form
makes a figure; what is the same on all of them (titles, legends, the empty panels) is kept as pixels. Each
page is then those pixels, with ticks, curves, header and scores drawn over them. A page looks the same
whatever was drawn before, so that equal pages give equal files.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image as Pillow
from PIL.ImageDraw import ImageDraw

from phoenix.qc.pictures.draw import RC, Box, draw_plot, panel_boxes, set_title, show_limits
from phoenix.qc.pictures.look import DPI, MarkPlace, draw_strip, encode, mark_places, png, strip_height_px
from phoenix.qc.pictures.paint import (
    X_STEP_PX,
    Y_STEP_PX,
    Frame,
    Pixels,
    labels,
    paint_grid,
    paint_level,
    ticks,
    write_header,
    write_mark,
    write_ticks,
)
from phoenix.qc.pictures.panels import Page, Plot, Style

#: Forms kept at the same time.
_FORMS = 4
#: Labels of axes stand at places of their own, for the ticks change, pixels.
_X_LABEL_PX, _Y_LABEL_PX = 23, 44

_sheets: OrderedDict[Hashable, Sheet] = OrderedDict()


def png_of(page: Page) -> bytes:
    """Return a page as a PNG file."""
    form = _form(page)
    if form is None:
        return png(page.figure())
    if form not in _sheets:
        _sheets[form] = Sheet(page)
        if len(_sheets) > _FORMS:
            _sheets.popitem(last=False)
    _sheets.move_to_end(form)
    return _sheets[form].png(page)


def _form(page: Page) -> Hashable | None:
    """Return what pages must have in common to share a figure; None when this one cannot share."""
    plots = []
    for row in page.rows:
        for panel in row.panels:
            if not isinstance(panel, Plot) or panel.x_limits is None or panel.y_limits is None:
                return None
            curves = tuple((c.label, c.style, c.colour, c.upper is None) for c in panel.curves)
            if any(curve.style is Style.BARS for curve in panel.curves):
                return None
            scales = (panel.y_log, panel.x_whole, panel.y_whole, panel.level)
            plots.append((panel.title, panel.x_label, panel.y_label, curves, scales))
    shape = tuple((row.height, row.widths, len(row.panels)) for row in page.rows)
    return page.size_px, shape, tuple(plots), len(page.card.marks)


class Sheet:
    """A figure for all pages of one form.

    Parameters
    ----------
    page : Page
        One of them; what is its own is not kept.
    """

    def __init__(self, page: Page) -> None:
        width, height = page.size_px
        with rc_context(RC):
            figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI, facecolor="white")
            self._canvas = FigureCanvasAgg(figure)
            draw_strip(figure, page.card)
            boxes = [box for _, box in panel_boxes(page)]
            self._panels = [_Panel(figure, box, plot) for plot, box in zip(_plots(page), boxes, strict=True)]
            self._canvas.draw()
            self._ground = self._canvas.copy_from_bbox(figure.bbox)
        self._places: list[MarkPlace] = mark_places(page.card, width)
        self._strip_top = height - strip_height_px(page.card)

    def png(self, page: Page) -> bytes:
        """Return a page of this form as a PNG file."""
        self._canvas.restore_region(self._ground)
        renderer = self._canvas.get_renderer()
        pixels: Pixels = np.asarray(self._canvas.buffer_rgba())
        with rc_context(RC):
            for plot, panel in zip(_plots(page), self._panels, strict=True):
                panel.draw(plot, pixels, renderer)
        picture = Pillow.fromarray(pixels)
        pen = ImageDraw(picture)
        for plot, panel in zip(_plots(page), self._panels, strict=True):
            panel.write(plot, pen)
        write_header(pen, page.size_px[0], page.title, page.facts, page.card)
        for mark, place in zip(page.card.marks, self._places, strict=True):
            write_mark(pen, mark, place, self._strip_top)
        return encode(picture)


class _Panel:
    """A plot whose curves and limits can be replaced."""

    def __init__(self, figure: Figure, box: Box, plot: Plot) -> None:
        width, height = figure.bbox.width, figure.bbox.height
        left, bottom, across, high = box
        self._frame = Frame(
            left * width, (1 - bottom - high) * height, (left + across) * width, (1 - bottom) * height
        )
        self._axes = axes = figure.add_axes(box)
        set_title(axes, plot)
        self._curves = draw_plot(axes, plot)
        for artist in (*axes.lines, *self._curves):
            artist.set_animated(True)
        axes.grid(visible=False)
        axes.tick_params(which="both", length=0, labelbottom=False, labelleft=False)
        axes.xaxis.set_label_coords(0.5, -_X_LABEL_PX / (high * height))
        axes.yaxis.set_label_coords(-_Y_LABEL_PX / (across * width), 0.5)

    def draw(self, plot: Plot, pixels: Pixels, renderer: Any) -> None:
        """Draw grid and curves of a plot of the same form."""
        columns, rows = self._ticks(plot)
        paint_grid(pixels, self._frame, [place for place, _ in columns], [place for place, _ in rows])
        if plot.level is not None:
            level = self._frame.rows(np.array([plot.level]), _limits(plot.y_limits), log=plot.y_log)
            paint_level(pixels, self._frame, level)
        show_limits(self._axes, plot)
        for artist, curve in zip(self._curves, plot.curves, strict=True):
            if isinstance(artist, Line2D):
                artist.set_data(curve.x, curve.y)
            else:
                artist.set_data(curve.x, curve.y, curve.upper)
            artist.draw(renderer)

    def write(self, plot: Plot, pen: ImageDraw) -> None:
        """Write the labels of the ticks."""
        write_ticks(pen, self._frame, *self._ticks(plot))

    def _ticks(self, plot: Plot) -> tuple[list[tuple[int, str]], list[tuple[int, str]]]:
        """Return place and text of the ticks of x and of y."""
        frame, x_limits, y_limits = self._frame, _limits(plot.x_limits), _limits(plot.y_limits)
        x = ticks(x_limits, frame.right - frame.left, X_STEP_PX, whole=plot.x_whole, log=False)
        y = ticks(y_limits, frame.bottom - frame.top, Y_STEP_PX, whole=plot.y_whole, log=plot.y_log)
        columns, rows = frame.columns(x, x_limits), frame.rows(y, y_limits, log=plot.y_log)
        return (
            list(zip(columns, labels(x, log=False), strict=True)),
            list(zip(rows, labels(y, log=plot.y_log), strict=True)),
        )


def _limits(limits: tuple[float, float] | None) -> tuple[float, float]:
    """Return limits that are there: pages without are of no form."""
    return limits or (0.0, 1.0)


def _plots(page: Page) -> Iterator[Plot]:
    for row in page.rows:
        for panel in row.panels:
            if isinstance(panel, Plot):
                yield panel
