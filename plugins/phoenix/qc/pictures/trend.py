"""The page of a trend: one QC1 parameter over time, with its limits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from phoenix.model.score import Verdict
from phoenix.qc.pictures.panels import Curve, Page, Plot, Row, Style
from phoenix.qc.pictures.thin import robust_limits
from phoenix.qc.scorecard import short_number
from phoenix.store.qc import TrendPoint

#: Verdicts differ in colour and in shape; reds are drawn last, on top.
_SERIES = (
    (Verdict.GREEN, Style.POINTS, 3, "green"),
    (Verdict.GREY, Style.POINTS, -1, "not scored"),
    (Verdict.RED, Style.CROSSES, 4, "red"),
)


def trend_page(instrument: str, parameter: str, points: Sequence[TrendPoint]) -> Page:
    """Return the page of a parameter's values over time.

    Parameters
    ----------
    points : sequence of TrendPoint
        At least one, earliest first.
    """
    mjd = np.array([point.mjd_obs for point in points])
    value = np.array([point.value for point in points])
    verdicts = np.array([point.verdict for point in points])
    curves = [
        Curve(mjd[verdicts == verdict], value[verdicts == verdict], name, style, colour)
        for verdict, style, colour, name in _SERIES
        if (verdicts == verdict).any()
    ]
    shown = [value]
    for limit, name in (("low", "lower limit"), ("high", "upper limit")):
        level = np.array([np.nan if (at := getattr(point, limit)) is None else at for point in points])
        if np.isfinite(level).any():
            curves.append(Curve(mjd, level, name, Style.STEPS, 0))
            shown.append(level)
    unit = f" ({points[0].unit})" if points[0].unit else ""
    median = f"median {short_number(float(np.median(value)))} {points[0].unit}".rstrip()
    plot = Plot("Trend", "MJD (days)", f"{parameter}{unit}", tuple(curves), y_limits=_limits(shown))
    facts = (f"{len(points)} values", median)
    return Page(f"{parameter}   {instrument}", facts, (Row((plot,)),), size_px=(1400, 620))


def _limits(shown: list[np.ndarray]) -> tuple[float, float]:
    return robust_limits(*shown, tail_percent=0.0)
