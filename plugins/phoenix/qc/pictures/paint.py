"""Paints texts and axes straight into pixels: what costs matplotlib most of the time of a page."""

from __future__ import annotations

from functools import cache
from math import floor, log10

import numpy as np
import numpy.typing as npt
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ticker import MaxNLocator
from PIL import ImageDraw, ImageFont

from phoenix.qc.pictures.look import (
    DPI,
    FACT_LETTERS_PER_PX,
    INK,
    MARGIN_PX,
    PALE,
    VERDICTS,
    MarkPlace,
    clean,
    worst,
)
from phoenix.qc.scorecard import Mark, Scorecard

Pixels = npt.NDArray[np.uint8]
_GRID, _TICK = (0xE2, 0xE2, 0xE2, 255), (0x88, 0x88, 0x88, 255)
_TICK_PX = 3
#: Place one tick needs, pixels.
X_STEP_PX, Y_STEP_PX = 75, 34


@cache
def font(size_pt: float, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return the font of all pictures."""
    path = findfont(FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal"))
    # The basic layout is the same everywhere, whatever libraries Pillow was built with.
    return ImageFont.truetype(path, size_pt * DPI / 72, layout_engine=ImageFont.Layout.BASIC)


def ticks(
    limits: tuple[float, float], length_px: float, step_px: float, *, whole: bool, log: bool
) -> npt.NDArray[np.float64]:
    """Return the values an axis is labelled at, inside its limits."""
    low, high = min(limits), max(limits)
    if log:
        powers = range(floor(log10(low)), floor(log10(high)) + 1)
        values = np.array([digit * 10.0**power for power in powers for digit in (1, 2, 5)])
    else:
        count = max(2, min(9, int(length_px / step_px)))
        values = np.asarray(
            MaxNLocator(count, steps=[1, 2, 2.5, 5, 10], integer=whole).tick_values(low, high)
        )
    return values[(values >= low) & (values <= high)]


def labels(values: npt.NDArray[np.float64], *, log: bool) -> list[str]:
    """Return ticks as texts with no more decimals than they need."""
    if log or len(values) < 2:
        return [f"{value:g}" for value in values]
    step = abs(float(values[1] - values[0]))
    if not 1e-4 <= step <= 1e6:
        return [f"{value:.3g}" for value in values]
    decimals = next((n for n in range(7) if abs(round(step, n) - step) < 1e-6 * step), 7)
    return [f"{value + 0.0:.{decimals}f}".replace("-", "\u2212") for value in values]


class Frame:
    """The box of a panel in pixels, from the upper left corner of the page."""

    def __init__(self, left: float, top: float, right: float, bottom: float) -> None:
        self.left, self.top, self.right, self.bottom = round(left), round(top), round(right), round(bottom)

    def columns(self, values: npt.NDArray[np.float64], limits: tuple[float, float]) -> list[int]:
        """Return where values of x lie."""
        share = (values - limits[0]) / (limits[1] - limits[0])
        return [round(float(self.left + part * (self.right - self.left))) for part in share]

    def rows(self, values: npt.NDArray[np.float64], limits: tuple[float, float], *, log: bool) -> list[int]:
        """Return where values of y lie."""
        low, high = limits
        if log:
            values, low, high = np.log10(values), log10(low), log10(high)
        share = (values - low) / (high - low)
        return [round(float(self.bottom - part * (self.bottom - self.top))) for part in share]


def paint_grid(pixels: Pixels, frame: Frame, columns: list[int], rows: list[int]) -> None:
    """Paint grid lines and ticks."""
    for column in columns:
        pixels[frame.top : frame.bottom, column] = _GRID
        pixels[frame.bottom : frame.bottom + _TICK_PX + 1, column] = _TICK
    for row in rows:
        pixels[row, frame.left : frame.right] = _GRID
        pixels[row, frame.left - _TICK_PX : frame.left] = _TICK


def paint_level(pixels: Pixels, frame: Frame, rows: list[int]) -> None:
    """Paint the line a plot is compared with."""
    for row in rows:
        if frame.top <= row < frame.bottom:
            pixels[row, frame.left : frame.right] = _TICK


def write_ticks(
    pen: ImageDraw.ImageDraw, frame: Frame, columns: list[tuple[int, str]], rows: list[tuple[int, str]]
) -> None:
    """Write the labels of ticks."""
    for column, text in columns:
        pen.text((column, frame.bottom + 6), text, INK, font(9), anchor="mt")
    for row, text in rows:
        pen.text((frame.left - 6, row), text, INK, font(9), anchor="rm")


def write_header(
    pen: ImageDraw.ImageDraw, width: int, title: str, facts: tuple[str, ...], card: Scorecard
) -> None:
    """Write title, facts and the count of reds at the top of a page."""
    pen.text((MARGIN_PX, 30), clean(title, 80), INK, font(17, bold=True), anchor="ls")
    line = clean("   \u00b7   ".join(facts), int(width * FACT_LETTERS_PER_PX))
    pen.text((MARGIN_PX, 56), line, PALE, font(10), anchor="ls")
    if card.marks:
        bold = font(11, bold=True)
        right, length = width - MARGIN_PX, pen.textlength(card.summary, bold)
        box = (right - length - 14, 10, right, 38)
        pen.rounded_rectangle(box, 6, VERDICTS[worst(card)][0])
        pen.text(((box[0] + box[2]) / 2, 24), card.summary, "white", bold, anchor="mm")


def write_mark(pen: ImageDraw.ImageDraw, mark: Mark, place: MarkPlace, strip_top: int) -> None:
    """Write a score: a square of its colour and sign, name and value beside it."""
    colour, sign = VERDICTS[mark.verdict]
    x, y = place.x, strip_top + place.y
    pen.rectangle((x, y + 3, x + 25, y + 28), colour)
    pen.text((x + 13, y + 16), sign, "white", font(13, bold=True), anchor="mm")
    pen.text((x + 34, y + 10), clean(mark.label, 30), INK, font(8.5), anchor="lm")
    pen.text((x + 34, y + 24), clean(mark.value, 30), PALE, font(8.5), anchor="lm")
