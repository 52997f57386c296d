"""What a reader sees of the scores on a picture: one coloured square each, with name and value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from phoenix.model.score import Score, Verdict


@dataclass(frozen=True, slots=True)
class Mark:
    """One score: short name, value with unit, verdict."""

    label: str
    value: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The scores of an AB as they are drawn, in the order of the configuration."""

    marks: tuple[Mark, ...] = ()

    @property
    def summary(self) -> str:
        """Return the count a reader looks for first: ``1 red of 14``."""
        reds = sum(mark.verdict is Verdict.RED for mark in self.marks)
        scored = sum(mark.verdict is not Verdict.GREY for mark in self.marks)
        return f"{reds} red of {scored} scored" if scored else "not scored"


def short_number(value: float) -> str:
    """Return a number as short as a picture needs it: three digits, no needless exponent."""
    if value == 0:
        return "0"
    if 0.001 <= abs(value) < 100_000:
        return f"{value:,.0f}".replace(",", " ") if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:.2e}"


def scorecard(
    scores: Iterable[Score], labels: dict[str, tuple[str, str]], missing: Sequence[str]
) -> Scorecard:
    """Return the scorecard of an AB.

    Parameters
    ----------
    scores : iterable of Score
        In the order they are to be drawn.
    labels : mapping
        Parameter -> (short name, unit).
    missing : sequence of str
        Short names of scored parameters that could not be measured; shown grey.
    """
    marks = []
    for score in scores:
        label, unit = labels[score.parameter]
        marks.append(Mark(label, f"{short_number(score.value)} {unit}".strip(), score.verdict))
    marks += [Mark(label, "not measured", Verdict.GREY) for label in missing]
    return Scorecard(tuple(marks))
