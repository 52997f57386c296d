"""How reports look: colours everybody can tell apart, header, score strip, small PNG files."""

from __future__ import annotations

import io
import textwrap
from math import ceil

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from PIL import Image

from phoenix.model.score import Verdict
from phoenix.qc.scorecard import Mark, Scorecard

#: Colours of Okabe and Ito, distinct in all kinds of colour vision; -1, the last, is grey.
COLOURS = ("#0072B2", "#AA4499", "#E69F00", "#009E73", "#D55E00", "#6E6E6E")
INK, PALE = "#222222", "#5A5A5A"
#: Verdicts differ in colour and in sign.
VERDICTS = {
    Verdict.GREEN: ("#009E73", "\u2713"),
    Verdict.RED: ("#D55E00", "\u2715"),
    Verdict.GREY: ("#9A9A9A", "\u2013"),
}

DPI = 100
HEADER_PX = 78
_MARGIN_PX = 24
_MARKS_IN_ROW, _MARK_PX = 6, 34


def clean(text: str, width: int) -> str:
    """Return a header's text fit to be drawn: printable, on one line, not longer than ``width`` letters."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.shorten(printable, width, placeholder="\u2026") if len(printable) > width else printable


def strip_height_px(card: Scorecard) -> int:
    """Return the height the score strip of a card needs, pixels."""
    return ceil(len(card.marks) / _MARKS_IN_ROW) * _MARK_PX + 14 if card.marks else 0


def draw_header(figure: Figure, title: str, facts: tuple[str, ...], card: Scorecard) -> None:
    """Draw title, facts and the count of reds at the top of a page."""
    width, height = figure.get_size_inches() * DPI
    left = _MARGIN_PX / width
    # parse_math is off everywhere: an object may well be called "$x".
    figure.text(left, 1 - 30 / height, clean(title, 80), size=17, weight="bold", color=INK, parse_math=False)
    line = clean("   \u00b7   ".join(facts), 210)
    figure.text(left, 1 - 56 / height, line, size=10, color=PALE, parse_math=False)
    if not card.marks:
        return
    colour = VERDICTS[_worst(card)][0]
    box = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"}
    figure.text(1 - left, 1 - 28 / height, card.summary, size=11, weight="bold", color="white",
                ha="right", bbox=box)  # fmt: skip


def _worst(card: Scorecard) -> Verdict:
    verdicts = {mark.verdict for mark in card.marks}
    return next((v for v in (Verdict.RED, Verdict.GREEN) if v in verdicts), Verdict.GREY)


def draw_strip(figure: Figure, card: Scorecard) -> None:
    """Draw one square with name and value for each score at the bottom of a page."""
    if not card.marks:
        return
    width, height = figure.get_size_inches() * DPI
    strip = strip_height_px(card)
    axes = figure.add_axes((0, 0, 1, strip / height))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(strip, 0))
    axes.add_patch(FancyBboxPatch((0, 0), width, strip, boxstyle="square,pad=0", fc="#F4F4F4", ec="none"))
    step = (width - 2 * _MARGIN_PX) / _MARKS_IN_ROW
    for number, mark in enumerate(card.marks):
        row, column = divmod(number, _MARKS_IN_ROW)
        _draw_mark(axes, mark, _MARGIN_PX + column * step, 7 + row * _MARK_PX)


def _draw_mark(axes: object, mark: Mark, x: float, y: float) -> None:
    colour, sign = VERDICTS[mark.verdict]
    axes.add_patch(Rectangle((x, y + 3), 26, 26, facecolor=colour, edgecolor="none"))  # type: ignore[attr-defined]
    text = axes.text  # type: ignore[attr-defined]
    text(x + 13, y + 16.5, sign, size=13, weight="bold", color="white", ha="center", va="center")
    text(x + 34, y + 10, clean(mark.label, 30), size=8.5, color=INK, va="center", parse_math=False)
    text(x + 34, y + 24, clean(mark.value, 30), size=8.5, color=PALE, va="center", parse_math=False)


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file of at most 256 colours: a third of the size, no visible difference."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    width, height = canvas.get_width_height()
    picture = Image.frombuffer("RGBA", (width, height), canvas.buffer_rgba(), "raw", "RGBA", 0, 1)
    buffer = io.BytesIO()
    picture.convert("RGB").quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
        buffer, "PNG", compress_level=6
    )
    return buffer.getvalue()
