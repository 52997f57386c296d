"""Draws the panels of cubes: a picture of the sky with its sources, offsets as arrows, a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

from phoenix.qc.pictures.look import COLOURS, INK, PALE, clean
from phoenix.qc.pictures.panels import SkyImage, Table, Vectors

_HALO = [withStroke(linewidth=2.2, foreground="white")]
_ROW_PX, _DOT_PX = 19, 16


def draw_sky_image(axes: Axes, image: SkyImage) -> ScalarMappable:
    """Draw a picture of the sky with its marked places; return what its bar of values shows."""
    colours = colormaps["gray_r"].with_extremes(bad="white")
    scale = AsinhNorm(image.linear, *image.limits)
    shown = axes.imshow(
        image.pixels, origin="lower", cmap=colours, interpolation="nearest", extent=image.extent,
        norm=scale, aspect="equal",
    )  # fmt: skip
    axes.set_anchor("NW")
    for spot in image.spots:
        colour = COLOURS[spot.colour]
        width = 1.8 if spot.colour >= 0 else 0.9
        axes.add_patch(Circle((spot.x, spot.y), image.radius, fill=False, ec=colour, lw=width))
        axes.text(
            spot.x, spot.y + 1.15 * image.radius, clean(spot.name, 12), color=colour, size=8, weight="bold",
            ha="center", va="bottom", path_effects=_HALO, clip_on=True, parse_math=False,
        )  # fmt: skip
    return shown


def bar_ticks(image: SkyImage) -> list[float]:
    """Return the values told beside a picture of the sky: zero and powers of ten."""
    high = image.limits[1]
    if high <= image.linear:
        return [0.0, high]
    powers = range(int(np.ceil(np.log10(image.linear))), int(np.floor(np.log10(high))) + 1)
    return [0.0, *(10.0**power for power in powers)]


def draw_vectors(axes: Axes, vectors: Vectors) -> None:
    """Draw arrows from the origin with names at their ends."""
    x, y = (np.append(values, 0.0) for values in (vectors.x, vectors.y))
    half = 0.65 * max(float(np.ptp(x)), float(np.ptp(y)), 0.1)
    middle_x, middle_y = (x.max() + x.min()) / 2, (y.max() + y.min()) / 2
    axes.set(xlim=(middle_x + half, middle_x - half), ylim=(middle_y - half, middle_y + half))
    axes.set_box_aspect(1)
    axes.set_anchor("NW")
    axes.axhline(0, color="#888888", linewidth=0.8, zorder=1)
    axes.axvline(0, color="#888888", linewidth=0.8, zorder=1)
    for end, name in zip(zip(vectors.x, vectors.y, strict=True), vectors.names, strict=True):
        arrow = {"arrowstyle": "-|>", "color": COLOURS[0], "lw": 1.4, "shrinkA": 0, "shrinkB": 0}
        if np.hypot(*end) > 0:
            axes.annotate("", xy=end, xytext=(0, 0), arrowprops=arrow)
        axes.plot(*end, "o", ms=3.5, color=COLOURS[0])
        axes.annotate(
            clean(name, 24), end, xytext=(5, 5), textcoords="offset points", size=9, color=INK,
            path_effects=_HALO, parse_math=False,
        )  # fmt: skip


def draw_table(axes: Axes, table: Table) -> None:
    """Draw columns of texts, right-aligned; rows that find no place are told by their number."""
    axes.set_axis_off()
    axes.set_title(table.title, loc="left", size=10, weight="bold", color=INK, pad=5, parse_math=False)
    box = axes.get_window_extent()
    axes.set(xlim=(0, box.width), ylim=(box.height, 0))
    rights = np.linspace(0, box.width, len(table.columns) + 1)[1:].tolist()
    _write_row(axes, rights, 10, table.columns, PALE)
    axes.plot([0, box.width], [21, 21], color="#888888", linewidth=0.8)
    room = max(int((box.height - 30) // _ROW_PX), 1)
    shown = table.rows if len(table.rows) <= room else table.rows[: room - 1]
    for number, row in enumerate(shown):
        y = 33 + number * _ROW_PX
        if table.colours:
            axes.plot(_DOT_PX / 2, y, "o", ms=6, mew=0, color=COLOURS[table.colours[number]])
        _write_row(axes, rights, y, row, INK)
    if len(shown) < len(table.rows):
        rest = f"and {len(table.rows) - len(shown)} more"
        axes.text(_DOT_PX, 33 + len(shown) * _ROW_PX, rest, size=8.5, color=PALE, va="center")


def _write_row(axes: Axes, rights: Sequence[float], y: float, texts: tuple[str, ...], colour: str) -> None:
    for right, text in zip(rights, texts, strict=True):
        axes.text(
            right, y, clean(text, 24), size=8.5, color=colour, ha="right", va="center", parse_math=False
        )
