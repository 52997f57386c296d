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


@dataclass(frozen=True, slots=True)
class QcProblem:
    """A parameter or picture of an AB that could not be made, and why.

    Attributes
    ----------
    trace
        Traceback of an unforeseen error; empty when the reason says all.
    scored
        Whether a score is missing because of it.
    """

    subject: str
    reason: str
    trace: str = ""
    scored: bool = False


@dataclass(frozen=True, slots=True)
class QcResult:
    """What the QC of one AB found.

    Attributes
    ----------
    reports
        (kind, path) of each picture.
    problems
        What could not be measured or drawn; the rest is good all the same.
    failure
        Why there is no QC at all; empty normally.
    """

    values: tuple[Qc1Value, ...] = ()
    scores: tuple[Score, ...] = ()
    reports: tuple[tuple[str, str], ...] = ()
    problems: tuple[QcProblem, ...] = ()
    wall_s: float = 0.0
    failure: str = ""
