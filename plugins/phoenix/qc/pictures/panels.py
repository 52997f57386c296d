"""What is on a report page, as plain values: a page is rows of panels, a panel is curves or an image.

A page holds what is drawn and no more: the instrument's module thins long spectra to the width of the picture
(``phoenix.qc.pictures.thin``), so that a page is small and drawn quickly. Equal pages give equal pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from matplotlib.figure import Figure

from phoenix.qc.products import Floats
from phoenix.qc.scorecard import Scorecard


class Style(StrEnum):
    """How a curve is drawn."""

    LINE = "line"
    THIN = "thin"
    #: A line in the back, for what is noisy.
    FAINT = "faint"
    POINTS = "points"
    #: Points that stand out.
    CROSSES = "crosses"
    #: Small points, for thousands of them.
    DOTS = "dots"
    #: Open circles, to be told from filled points.
    RINGS = "rings"
    #: Bars of a histogram around x, as wide as the first two are apart.
    BARS = "bars"
    #: Points joined by a thin line.
    CHAIN = "chain"
    #: A filled band between ``y`` and ``upper``.
    BAND = "band"
    STEPS = "steps"


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one kind in a plot.

    Attributes
    ----------
    colour
        Number in the series of colours; -1 is grey.
    upper
        Upper edge of a band.
    """

    x: Floats
    y: Floats
    label: str = ""
    style: Style = Style.LINE
    colour: int = 0
    upper: Floats | None = None


@dataclass(frozen=True, slots=True)
class Plot:
    """A panel with axes; labels name quantity and unit.

    Attributes
    ----------
    level
        A horizontal line to compare with, e.g. zero.
    x_whole, y_whole
        Whether it is a number such as the order, with no ticks between.
    """

    title: str
    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    y_log: bool = False
    level: float | None = None
    x_whole: bool = False
    y_whole: bool = False


@dataclass(frozen=True, slots=True)
class Image:
    """A panel with a picture of a detector.

    Attributes
    ----------
    pixels
        Shape (rows, columns), already shrunk to the size of the panel.
    extent
        Detector coordinates of the edges: left, right, bottom, top.
    limits
        Values shown black and white.
    """

    title: str
    x_label: str
    y_label: str
    unit: str
    pixels: Floats
    extent: tuple[float, float, float, float]
    limits: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Field:
    """A panel with objects on the sky, filled circles coloured by a value; north is up, east is left.

    Attributes
    ----------
    x, y, value
        Shape (n,); equal steps in x and y are drawn equally long.
    others
        What has no value: drawn below, with a legend.
    limits
        Values shown in the first and the last colour.
    """

    title: str
    x_label: str
    y_label: str
    unit: str
    x: Floats
    y: Floats
    value: Floats
    limits: tuple[float, float]
    others: tuple[Curve, ...] = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """A place marked in a picture of the sky; ``colour`` as for curves."""

    x: float
    y: float
    name: str
    colour: int = -1


@dataclass(frozen=True, slots=True)
class SkyImage:
    """A panel with a picture of the sky, dark is bright, with marked places; equal steps are equally long.

    Attributes
    ----------
    pixels
        Shape (rows, columns); what is not finite stays white.
    extent
        Coordinates of the edges: left, right, bottom, top.
    limits
        Values shown white and black; between them the scale is that of asinh, linear below ``linear``.
    radius
        Of the circles around the marked places, unit of the axes.
    """

    title: str
    x_label: str
    y_label: str
    unit: str
    pixels: Floats
    extent: tuple[float, float, float, float]
    limits: tuple[float, float]
    linear: float
    spots: tuple[Spot, ...] = ()
    radius: float = 1.0


@dataclass(frozen=True, slots=True)
class Vectors:
    """A panel with arrows from the origin; north is up, east is left.

    Attributes
    ----------
    x, y
        Where the arrows end, shape (n,).
    names
        Written at their ends.
    """

    title: str
    x_label: str
    y_label: str
    x: Floats
    y: Floats
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A panel with numbers in columns; texts may come from headers and are drawn as they are.

    Attributes
    ----------
    colours
        One for each row, for a dot before it; empty draws no dots.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    colours: tuple[int, ...] = ()


Panel = Plot | Image | Field | SkyImage | Vectors | Table


@dataclass(frozen=True, slots=True)
class Row:
    """Panels side by side; ``widths`` and ``height`` are relative."""

    panels: tuple[Panel, ...]
    height: float = 1.0
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A report: title, facts, panels, scores. Texts may come from headers and are drawn as they are."""

    title: str
    facts: tuple[str, ...]
    rows: tuple[Row, ...]
    card: Scorecard = field(default_factory=Scorecard)
    size_px: tuple[int, int] = (1400, 1000)

    def figure(self) -> Figure:
        """Return the page as a figure."""
        from phoenix.qc.pictures.draw import draw

        return draw(self)

    def png(self) -> bytes:
        """Return the page as a PNG file; pages that differ in their data only are drawn on one figure."""
        from phoenix.qc.pictures.sheet import png_of

        return png_of(self)
