"""Holds QC1 values against thresholds. Pure: the same values and thresholds give the same scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from phoenix.config.qc import Threshold
from phoenix.headers.conditions import first_failure
from phoenix.model.frame import Value
from phoenix.model.score import Score, Verdict
from phoenix.qc.measured import Measured


def score_all(
    measured: Iterable[Measured], setting: Mapping[str, Value], threshold_version: str
) -> tuple[Score, ...]:
    """Score every value whose parameter has thresholds.

    Parameters
    ----------
    measured : iterable of Measured
        Values with the parameters they belong to.
    setting : mapping
        The AB's setting by alias; the words of the value's product are added to it.
    threshold_version : str
        Kept in each score, so that a verdict stays readable after thresholds have changed.
    """
    return tuple(
        score_value(
            one.qc1.parameter,
            one.qc1.value,
            applicable(one.parameter.thresholds, {**setting, **one.words}),
            threshold_version,
        )
        for one in measured
        if one.parameter.thresholds
    )


def applicable(thresholds: Iterable[Threshold], setting: Mapping[str, Value]) -> Threshold | None:
    """Return the first threshold whose conditions hold for the setting."""
    for threshold in thresholds:
        if first_failure(threshold.when, setting.get) is None:
            return threshold
    return None


def score_value(parameter: str, value: float, threshold: Threshold | None, threshold_version: str) -> Score:
    """Return the score of one value: green within the limits; grey without a threshold.

    A value that is not a number is never green.
    """
    if threshold is None:
        return Score(parameter, value, Verdict.GREY, None, None, threshold_version)
    verdict = Verdict.GREEN if threshold.holds(value) else Verdict.RED
    return Score(parameter, value, verdict, threshold.lower, threshold.upper, threshold_version)
