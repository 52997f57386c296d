"""What a reader sees of the scores on a picture: one coloured square each, with name and value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from phoenix.config.qc import ITEM, Parameter, words_of
from phoenix.model.score import QcProblem, Score, Verdict
from phoenix.qc.bits import bit_string, score_bits
from phoenix.qc.measured import Measured


@dataclass(frozen=True, slots=True)
class Mark:
    """One score: short name, value with unit, verdict; ``item`` when it is of one order or fibre only."""

    label: str
    value: str
    verdict: Verdict
    item: str = ""


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The scores of an AB as they are drawn, in the order of the configuration.

    Attributes
    ----------
    parameters, scores
        What score bits are made of.
    """

    marks: tuple[Mark, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    scores: tuple[Score, ...] = ()

    def of_item(self, item: str) -> Scorecard:
        """Return what concerns one order or fibre: its own scores and those of the whole AB."""
        return replace(self, marks=tuple(mark for mark in self.marks if mark.item in ("", item)))

    @property
    def common(self) -> Scorecard:
        """What is of the AB as a whole."""
        return self.of_item("")

    def bits(self, item: str) -> str:
        """Return the score bits of one order or fibre."""
        return bit_string(score_bits(self.parameters, self.scores, item))

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
    measured: Iterable[Measured],
    scores: Iterable[Score],
    problems: Iterable[QcProblem],
    parameters: Iterable[Parameter] = (),
) -> Scorecard:
    """Return the scorecard of an AB; scored parameters that could not be measured are grey.

    Parameters
    ----------
    measured, scores : iterable
        Values and their scores, in the order they are drawn.
    problems : iterable of QcProblem
        What could not be measured.
    parameters : iterable of Parameter
        All that were asked for; they tell the score bits.
    """
    scores, parameters = tuple(scores), tuple(parameters)
    places = {parameter.name: place for place, parameter in enumerate(parameters)}
    by_name = {one.qc1.parameter: one for one in measured}
    products = Counter(one.parameter.name for one in by_name.values())
    marks: list[tuple[int, Mark]] = []
    for score in scores:
        one = by_name[score.parameter]
        # The words that tell the products apart, if there are several: "S/N REDL".
        told = words_of(one.parameter.name) - {ITEM} if products[one.parameter.name] > 1 else set()
        words = [word for name, word in one.words.items() if name in told]
        label = " ".join((one.parameter.label or one.parameter.name, *words))
        value = f"{short_number(score.value)} {one.qc1.unit}".strip()
        marks.append((places.get(one.parameter.name, 0), Mark(label, value, score.verdict, one.item)))
    labels = {parameter.name.replace(f"{{{ITEM}}}", "*"): parameter for parameter in parameters}
    for problem in problems:
        if problem.scored:
            known = labels.get(problem.subject)
            label = (known.label if known else "") or problem.subject
            place = places[known.name] if known else len(places)
            marks.append((place, Mark(label, "not measured", Verdict.GREY)))
    marks.sort(key=lambda placed: placed[0])
    return Scorecard(tuple(mark for _, mark in marks), parameters, scores)
