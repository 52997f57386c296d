"""Scores: limits belong to green, the first threshold that applies counts, what is not scored is grey."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from phoenix.config.qc import Parameter, Threshold
from phoenix.model.score import Qc1Value, Verdict
from phoenix.qc.measured import Measured
from phoenix.qc.score import applicable, score_all, score_value

FINITE = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(low=FINITE, high=FINITE, value=FINITE)
def test_green_exactly_within_the_limits(low: float, high: float, value: float) -> None:
    low, high = min(low, high), max(low, high)
    score = score_value("p", value, Threshold(low=low, high=high, origin="test"), "v1")
    assert (score.verdict is Verdict.GREEN) == (low <= value <= high)
    assert (score.low, score.high, score.threshold_version) == (low, high, "v1")


@pytest.mark.parametrize(
    ("value", "verdict"),
    [
        (3.0, Verdict.GREEN),
        (math.nextafter(3.0, 0), Verdict.RED),
        (5.0, Verdict.GREEN),
        (math.nextafter(5.0, 9), Verdict.RED),
        (math.nan, Verdict.RED),
        (math.inf, Verdict.RED),
    ],
)
def test_limits_are_green_and_what_is_no_number_is_red(value: float, verdict: Verdict) -> None:
    assert score_value("p", value, Threshold(low=3, high=5, origin="test"), "v").verdict is verdict


def test_one_sided_thresholds_are_open_on_the_other_side() -> None:
    assert score_value("p", -1e30, Threshold(high=5, origin="test"), "v").verdict is Verdict.GREEN
    assert score_value("p", 1e30, Threshold(low=5, origin="test"), "v").verdict is Verdict.GREEN


def test_without_a_threshold_for_the_setting_the_verdict_is_grey() -> None:
    score = score_value("p", 1.0, None, "v")
    assert (score.verdict, score.low, score.high) == (Verdict.GREY, None, None)


def test_the_first_threshold_that_applies_counts() -> None:
    blue = Threshold(when={"wlen": 437}, low=1, origin="test")
    any_setting = Threshold(low=2, origin="test")
    assert applicable([blue, any_setting], {"wlen": 437.0}) is blue
    assert applicable([blue, any_setting], {"wlen": 580}) is any_setting
    assert applicable([blue], {"wlen": 580}) is None


def test_the_words_of_the_product_are_part_of_the_setting() -> None:
    parameter = Parameter(
        name="n_{chip}", description="d", product="T_{chip}", keyword="QC.N",
        thresholds=({"when": {"chip": "REDL"}, "low": 5, "origin": "test"},),
    )  # fmt: skip
    measured = [
        Measured(Qc1Value(f"n_{chip}", 3.0, ""), parameter, {"chip": chip}) for chip in ("REDL", "REDU")
    ]
    assert [score.verdict for score in score_all(measured, {}, "v")] == [Verdict.RED, Verdict.GREY]


def test_parameters_without_thresholds_have_no_score() -> None:
    parameter = Parameter(name="n", description="d", measure="m")
    assert score_all([Measured(Qc1Value("n", 3.0, ""), parameter, {})], {}, "v") == ()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"name": "a", "measure": "m", "keyword": "QC.A", "product": "P"}, "either keyword"),
        ({"name": "a"}, "either keyword"),
        ({"name": "a", "keyword": "QC.A"}, "needs the product"),
        ({"name": "a_{chip}", "keyword": "QC.A", "product": "P"}, "{chip}"),
        ({"name": "a_{item}", "keyword": "QC.A", "product": "P"}, "{item}"),
        (
            {"name": "a", "measure": "m", "thresholds": [{"low": 2, "high": 1, "origin": "o"}]},
            "above the upper",
        ),
        ({"name": "a", "measure": "m", "thresholds": [{"origin": "o"}]}, "low or above, high or below"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_reason(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Parameter.model_validate({"description": "d", **fields})
