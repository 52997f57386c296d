"""QC1 parameters and their scores."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


@dataclass(frozen=True, slots=True)
class Qc1Value:
    """A measured number of one AB, e.g. the median S/N of its spectrum."""

    parameter: str
    value: float
    unit: str


class Verdict(IntEnum):
    """Verdict of a score: green and red as ESO counts them, grey when not scored."""

    GREEN = 0
    RED = 1
    GREY = -1


@dataclass(frozen=True, slots=True)
class Score:
    """A QC1 parameter held against its threshold.

    Attributes
    ----------
    low, high
        Limits in the parameter's unit; None means open on that side.
    threshold_version
        Version of the threshold table the verdict rests on; thresholds drift, verdicts must stay readable.
    """

    parameter: str
    value: float
    verdict: Verdict
    low: float | None
    high: float | None
    threshold_version: str
