"""Pages: readable axes with units, hostile texts drawn as they are, equal pages give equal pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from phoenix.chain.qc_jobs import words_of_rules
from phoenix.config.loader import Configuration
from phoenix.instruments import load
from phoenix.model.score import Verdict
from phoenix.qc.pictures.look import clean, png
from phoenix.qc.pictures.panels import Curve, Image, Page, Plot, Row, Style
from phoenix.qc.pictures.thin import envelope, liveliest_window, medians, robust_limits, shrink
from phoenix.qc.pictures.trend import trend_page
from phoenix.qc.products import Products
from phoenix.qc.registry import Source, find_report
from phoenix.qc.scorecard import Mark, Scorecard, short_number
from phoenix.store.qc import TrendPoint
from qc_products import WRITERS, ProductFolder, ab_of

load("UVES", "qc")
X = np.linspace(0.0, 10.0, 50)
CARD = Scorecard(
    (Mark("S/N", "55", Verdict.GREEN), Mark("lines", "3", Verdict.RED), Mark("x", "1", Verdict.GREY))
)
#: What has no unit: counts and ratios say so by their name.
UNITLESS = {"order (1 = bluest)", "absolute order", "lines used", "number of pixels", "R / 1000"}


def page(**changes: object) -> Page:
    plot = Plot("Title", "x (pix)", "y (ADU)", (Curve(X, np.sin(X), "curve"),))
    return replace(Page("SIMSTAR", ("OB 1", "600 s"), (Row((plot,)),), CARD, (700, 500)), **changes)


def panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def pages_of(configuration: Configuration, folder: Path, task: str) -> list[Page]:
    products = ProductFolder(folder)
    for chip in ("REDL", "REDU"):
        WRITERS[task](products, chip)
    words = words_of_rules(configuration.rules("UVES"))
    opened = Products(tuple(products.products), words)
    name = configuration.qc("UVES").tasks[task].report
    assert name is not None
    pages = [drawn for _, drawn in find_report(name)(Source(ab_of(task), opened), CARD)]
    opened.close()
    return pages


@pytest.mark.parametrize("task", WRITERS)
def test_all_axes_name_quantity_and_unit(configuration: Configuration, tmp_path: Path, task: str) -> None:
    (drawn,) = pages_of(configuration, tmp_path, task)
    axes = panels(drawn.figure())
    assert len(axes) >= 3
    for one in axes:
        for label in (one.get_xlabel(), one.get_ylabel()):
            assert label in UNITLESS or ("(" in label and label.endswith(")")), label


@pytest.mark.parametrize("task", WRITERS)
def test_no_text_runs_into_another(configuration: Configuration, tmp_path: Path, task: str) -> None:
    (drawn,) = pages_of(configuration, tmp_path, task)
    figure = drawn.figure()
    figure.draw_without_rendering()
    boxes = [
        (text.get_text(), text.get_window_extent())
        for axes in figure.axes
        for text in (axes.xaxis.label, axes.yaxis.label, axes._left_title, *axes.texts)
        if text.get_text().strip()
    ]
    assert len(boxes) > 10
    for index, (name, box) in enumerate(boxes):
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.width, name
        for other_name, other in boxes[index + 1 :]:
            assert not box.overlaps(other), (name, other_name)


def test_the_science_page_has_the_panels_a_scientist_looks_at(
    configuration: Configuration, tmp_path: Path
) -> None:
    (drawn,) = pages_of(configuration, tmp_path, "science")
    titles = [axes.get_title(loc="left") for axes in panels(drawn.figure())]
    assert titles == [
        "Merged spectrum, flux calibrated", "Signal to noise", "Zoom on lines", "Object on slit",
        "Object width",
    ]  # fmt: skip
    assert drawn.title == "SIMSTAR   UVES BLUE 437 nm"
    assert {"OB 100001 SIM_OB", "600 s", "airmass 1.15", "slit 1 arcsec", "calibration level 0"} <= set(
        drawn.facts
    )


def test_scores_are_told_by_colour_and_by_sign() -> None:
    figure = page().figure()
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert {"\u2713", "\u2715", "\u2013", "S/N", "55"} <= set(texts)
    assert "1 red of 2 scored" in [text.get_text() for text in figure.texts]


def test_equal_pages_give_equal_pictures_whatever_was_drawn_before() -> None:
    first = png(page().figure())
    png(page(title="another", card=Scorecard()).figure())
    assert png(page().figure()) == first


@pytest.mark.parametrize("hostile", ["$x^{", "a\nb\x00c", "\\frac{", "_" * 500, "<b>", "", "{0}"])
def test_texts_from_headers_are_drawn_as_they_are(hostile: str) -> None:
    card = Scorecard((Mark(hostile, hostile, Verdict.RED),))
    data = png(page(title=hostile, facts=(hostile, hostile), card=card).figure())
    assert data.startswith(b"\x89PNG")


@given(text=st.text(), width=st.integers(2, 40))
def test_cleaned_text_is_printable_and_short(text: str, width: int) -> None:
    cleaned = clean(text, width)
    assert cleaned.isprintable()
    assert len(cleaned) <= max(width, 1)


def test_every_style_and_an_image_can_be_drawn() -> None:
    curves = tuple(
        Curve(X, X, style.value, style, upper=X + 1 if style is Style.BAND else None) for style in Style
    )
    image = Image("I", "x (pix)", "y (pix)", "ADU", np.eye(9), (0.5, 9.5, 0.5, 9.5), (0.0, 1.0))
    figure = page(rows=(Row((Plot("A", "x (s)", "y (s)", curves), image)),)).figure()
    assert [axes.get_title(loc="left") for axes in panels(figure)] == ["A", "I"]
    assert png(figure)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400), st.integers(1, 30))
def test_the_envelope_keeps_every_extreme(values: list[float], bins: int) -> None:
    y = np.array(values)
    x = np.arange(float(len(y)))
    thin_x, thin_y = envelope(x, y, bins)
    assert (thin_y.min(), thin_y.max()) == (y.min(), y.max())
    assert len(thin_x) == len(thin_y) <= max(2 * bins, 1)
    assert (np.diff(thin_x) >= 0).all()


def test_medians_follow_the_curve_and_ignore_spikes() -> None:
    y = np.full(1000, 5.0)
    y[::100] = 1e6
    x, middle = medians(np.arange(1000.0), y, 10)
    assert len(x) == 10
    assert (middle == 5.0).all()


def test_limits_are_not_blown_up_by_a_few_cosmics() -> None:
    y = np.linspace(10.0, 20.0, 5000)
    y[:4] = 1e9
    low, high = robust_limits(y)
    assert 8 < low < 10
    assert 20 < high < 23
    assert robust_limits(y, with_zero=True)[0] == 0.0


def test_limits_exist_for_constants_and_for_nothing() -> None:
    assert robust_limits(np.full(5, 3.0))[0] < 3.0 < robust_limits(np.full(5, 3.0))[1]
    assert robust_limits(np.array([np.nan])) == (0.0, 1.0)


def test_a_shrunk_image_keeps_its_mean() -> None:
    image = np.arange(400.0 * 600).reshape(400, 600)
    small = shrink(image, rows=100, columns=100)
    assert small.shape == (100, 100)
    assert small.mean() == pytest.approx(image.mean())


def test_the_zoom_is_centred_on_the_strongest_line_and_not_on_a_cosmic() -> None:
    x = np.linspace(400.0, 450.0, 20_000)
    noise = np.random.default_rng(5).normal(0, 0.01, len(x))
    y = 1 - 0.6 * np.exp(-0.5 * ((x - 431.0) / 0.03) ** 2) + noise
    y[5000] = 50.0
    low, high = liveliest_window(x, y, np.full(len(x), 0.01), width=3.0)
    assert high - low == pytest.approx(3.0)
    assert abs((low + high) / 2 - 431.0) < 0.5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (55.27, "55.3"),
        (0.024136, "0.0241"),
        (40146.5, "40 146"),
        (1.2e-16, "1.20e-16"),
        (-17.2, "-17.2"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


def test_a_trend_shows_each_verdict_and_the_limits() -> None:
    verdicts = (Verdict.GREEN, Verdict.RED, Verdict.GREY)
    points = [
        TrendPoint(58000.0 + day, 2.0 + day, "ADU", verdicts[day % 3], 1.0, 5.0, "UVES_R3", f"{day}.ab")
        for day in range(9)
    ]
    drawn = trend_page("UVES", "bias_ron_raw_BLUE", points)
    (axes,) = panels(drawn.figure())
    assert axes.get_ylabel() == "bias_ron_raw_BLUE (ADU)"
    legend = axes.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {
        "green", "red", "not scored", "lower limit", "upper limit",
    }  # fmt: skip
    assert drawn.facts == ("9 values", "median 6 ADU")
