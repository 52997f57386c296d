"""How reports look: colours everybody can tell apart, header, score strip, small PNG files."""

from __future__ import annotations

import io
import textwrap
from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np
import numpy.typing as npt
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Text
from PIL import Image

from phoenix.model.score import Verdict
from phoenix.qc.scorecard import Mark, Scorecard

Pixels = npt.NDArray[np.uint8]
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
MARGIN_PX = 24
_MARKS_IN_ROW, _MARK_PX = 6, 34
#: So many letters of facts fit beside each other.
FACT_LETTERS_PER_PX = 0.142


def clean(text: str, width: int) -> str:
    """Return a header's text fit to be drawn: printable, on one line, not longer than ``width`` letters."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in text)
    return textwrap.shorten(printable, width, placeholder="\u2026") if len(printable) > width else printable


def strip_height_px(card: Scorecard) -> int:
    """Return the height the score strip of a card needs, pixels."""
    return ceil(len(card.marks) / _MARKS_IN_ROW) * _MARK_PX + 14 if card.marks else 0


def draw_header(figure: Figure, title: str, facts: tuple[str, ...], card: Scorecard) -> list[Text]:
    """Draw title, facts and the count of reds at the top of a page, and return these texts."""
    width, height = figure.get_size_inches() * DPI
    left = MARGIN_PX / width
    # parse_math is off everywhere: an object may well be called "$x".
    line = clean("   \u00b7   ".join(facts), int(width * FACT_LETTERS_PER_PX))
    texts = [
        figure.text(
            left, 1 - 30 / height, clean(title, 80), size=17, weight="bold", color=INK, parse_math=False
        ),
        figure.text(left, 1 - 56 / height, line, size=10, color=PALE, parse_math=False),
    ]
    if not card.marks:
        return texts
    colour = VERDICTS[worst(card)][0]
    box = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"}
    count = figure.text(1 - left, 1 - 28 / height, card.summary, size=11, weight="bold", color="white",
                        ha="right", bbox=box)  # fmt: skip
    return [*texts, count]


def worst(card: Scorecard) -> Verdict:
    """Return the verdict that stands for a card."""
    verdicts = {mark.verdict for mark in card.marks}
    return next((v for v in (Verdict.RED, Verdict.GREEN) if v in verdicts), Verdict.GREY)


@dataclass(frozen=True, slots=True)
class MarkPlace:
    """Where a score is drawn on the strip, pixels from its upper left corner."""

    x: int
    y: int
    width: int
    height: int = _MARK_PX


def mark_places(card: Scorecard, page_width: int) -> list[MarkPlace]:
    """Return the places of the marks of a card, in their order."""
    step = (page_width - 2 * MARGIN_PX) // _MARKS_IN_ROW
    cells = (divmod(number, _MARKS_IN_ROW) for number in range(len(card.marks)))
    return [MarkPlace(MARGIN_PX + column * step, 7 + row * _MARK_PX, step) for row, column in cells]


def draw_strip(figure: Figure, card: Scorecard) -> Axes | None:
    """Draw the ground the scores of a card stand on, at the bottom of a page; None without scores."""
    if not card.marks:
        return None
    width, height = figure.get_size_inches() * DPI
    strip = strip_height_px(card)
    axes = figure.add_axes((0, 0, 1, strip / height))
    axes.set_axis_off()
    axes.set(xlim=(0, width), ylim=(strip, 0))
    axes.add_patch(FancyBboxPatch((0, 0), width, strip, boxstyle="square,pad=0", fc="#F4F4F4", ec="none"))
    return axes


def draw_mark(strip: Axes, mark: Mark, place: MarkPlace) -> list[Artist]:
    """Draw a score: a square of its colour and sign, name and value beside it; return what was drawn."""
    colour, sign = VERDICTS[mark.verdict]
    x, y = place.x, place.y
    square = strip.add_patch(Rectangle((x, y + 3), 26, 26, facecolor=colour, edgecolor="none"))
    return [
        square,
        strip.text(x + 13, y + 16.5, sign, size=13, weight="bold", color="white", ha="center", va="center"),
        strip.text(x + 34, y + 10, clean(mark.label, 30), size=8.5, color=INK, va="center", parse_math=False),
        strip.text(
            x + 34, y + 24, clean(mark.value, 30), size=8.5, color=PALE, va="center", parse_math=False
        ),
    ]


def png(figure: Figure) -> bytes:
    """Return a figure as a PNG file."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return encode(Image.fromarray(np.asarray(canvas.buffer_rgba())))


def encode(picture: Image.Image) -> bytes:
    """Return a drawn page as a PNG file of 256 colours: a third of the size, no visible difference.

    The colours are the same for all pages, and each pixel takes the nearest: ten times faster than to choose
    them anew.
    """
    words = np.asarray(picture).view(np.uint32)[..., 0]
    index = ((words >> 3) & 0x1F) | ((words >> 6) & 0x3E0) | ((words >> 9) & 0x7C00)
    shown = Image.fromarray(np.take(_nearest(), index))
    shown.putpalette(_palette().tobytes())
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", compress_level=4)
    return buffer.getvalue()


@cache
def _palette() -> Pixels:
    """Return the colours of all pages, shape (256, 3): ours in steps to white and black, greys, viridis."""
    ours = np.array([_rgb(colour) for colour in (*COLOURS[:-1], PALE)])
    steps = np.linspace(0, 1, 19)[:-1, np.newaxis, np.newaxis]
    to_white = (ours + (255 - ours) * steps).reshape(-1, 3)
    dark = (ours * np.array([0.5, 0.75])[:, np.newaxis, np.newaxis]).reshape(-1, 3)
    exact = np.array(
        [_rgb(colour) for colour in ("#FFFFFF", "#000000", INK, "#F4F4F4", "#E2E2E2", "#888888", "#9A9A9A")]
    )
    viridis = 255 * colormaps["viridis"](np.linspace(0, 1, 56))[:, :3]
    greys = np.linspace(0, 255, 256 - sum(map(len, (to_white, dark, exact, viridis))))
    return (
        np.concatenate([exact, to_white, dark, viridis, np.repeat(greys[:, np.newaxis], 3, axis=1)])
        .round()
        .astype(np.uint8)
    )


def _rgb(colour: str) -> list[int]:
    return [int(colour[place : place + 2], 16) for place in (1, 3, 5)]


@cache
def _nearest() -> Pixels:
    """Return the number of the nearest colour for each of 32 levels of red, green and blue."""
    colours = _palette().astype(np.int32)
    levels = np.arange(32) * 255 // 31
    blue, green, red = np.meshgrid(levels, levels, levels, indexing="ij")
    asked = np.stack([red.ravel(), green.ravel(), blue.ravel()], axis=1)
    found = np.empty(len(asked), dtype=np.uint8)
    for part in np.array_split(np.arange(len(asked)), 32):
        found[part] = ((asked[part, np.newaxis] - colours) ** 2).sum(axis=2).argmin(axis=1)
    # A colour of ours is itself, wherever its level lies; the first ones count most.
    own = colours >> 3
    for number in reversed(range(len(colours))):
        found[own[number, 0] | own[number, 1] << 5 | own[number, 2] << 10] = number
    return found
