"""One step of the cascade on both sides: how frames are grouped, which calibrations, which recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from phoenix.association.oca.comparison import Finding, Part, line, only
from phoenix.association.oca.demands import Demand, demand
from phoenix.association.oca.tree import Action, Association, Organisation
from phoenix.association.oca.vocabulary import Vocabulary, group_keys
from phoenix.association.oca.wording import written_value
from phoenix.config.association import Association as OurAssociation
from phoenix.config.conditions import Condition
from phoenix.config.rules import Task
from phoenix.model.frame import Value

_FRAME_ALONE = "ARCFILE"


@dataclass(frozen=True, slots=True)
class Step:
    """The frames of a class as both sides process them.

    Attributes
    ----------
    raw_class
        Our class.
    calibrations
        Our associations by category, for this class.
    parameters
        Parameters our recipe gets.
    """

    task: Task
    raw_class: str
    calibrations: Mapping[str, OurAssociation]
    parameters: Mapping[str, Value]
    organisation: Organisation
    action: Action

    def __str__(self) -> str:
        return f"{self.task.name} {self.raw_class}: {self.action.name}"

    @property
    def owner(self) -> str:
        """Task and class, as findings name the step."""
        return f"{self.task.name} {self.raw_class}"


def grouping(step: Step, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Yield what differs in how groups are made."""
    theirs = vocabulary.names(group_keys(step.organisation))
    ours = vocabulary.names(step.task.group_by)
    place = line(step.organisation.position)
    # Each frame alone: further keys cannot divide a group of one.
    if not (_FRAME_ALONE in theirs and _FRAME_ALONE in ours) and theirs != ours:
        yield _finding(Part.GROUP, step, "group by", only(theirs, ours), only(ours, theirs), place)
    least = step.organisation.minimum or 1
    if least != step.task.min_raw:
        yield _finding(Part.GROUP, step, "least frames", str(least), str(step.task.min_raw), place)


def associations(step: Step, vocabulary: Vocabulary) -> Iterator[Finding]:
    """Yield what differs in the calibrations: which, how many, and by what they are matched."""
    seen: set[str] = set()
    for association in step.action.associations:
        wanted = demand(association)
        here = [catg for catg in wanted.categories if catg in step.calibrations]
        seen.update(here)
        if not here and wanted.maximum != 0:
            name = " or ".join(wanted.categories)
            yield _calibration(step, name, "number", _number(wanted), "-", association)
        for catg in here:
            yield from _matching(step, catg, wanted, association, vocabulary)
    for catg, ours in step.calibrations.items():
        if catg not in seen:
            yield _calibration(step, catg, "number", "-", _our_number(ours), None)


def _matching(
    step: Step, catg: str, wanted: Demand, association: Association, vocabulary: Vocabulary
) -> Iterator[Finding]:
    ours = step.calibrations[catg]
    if _number(wanted) != _our_number(ours):
        yield _calibration(step, catg, "number", _number(wanted), _our_number(ours), association)
    always, sometimes = vocabulary.names(wanted.keys), vocabulary.names(wanted.sometimes)
    match = vocabulary.names(ours.match)
    asked = always | {f"{name} (with alternatives)" for name in sometimes - match - always}
    if asked - match or match - always - sometimes:
        yield _calibration(
            step, catg, "match", only(asked, match), only(match, always | sometimes), association
        )
    conditions = [text for key, condition in ours.when.items() for text in _conditions(key, condition)]
    if set(wanted.others) != set(conditions):
        yield _calibration(
            step,
            catg,
            "condition",
            only(wanted.others, conditions),
            only(conditions, wanted.others),
            association,
        )


def recipe(step: Step) -> Iterator[Finding]:
    """Yield what differs in recipe and parameters."""
    theirs = step.action.recipe
    place = line((step.action if theirs is None else theirs).position)
    name = "-" if theirs is None else theirs.name
    if name != step.task.recipe:
        yield _finding(Part.RECIPE, step, "recipe", name, step.task.recipe, place)
    options = _options(() if theirs is None else theirs.options)
    parameters = {key: _parameter(value) for key, value in step.parameters.items()}
    if options != parameters:
        words = [{f"{key}={value}" for key, value in side.items()} for side in (options, parameters)]
        yield _finding(Part.RECIPE, step, "parameters", only(*words), only(*reversed(words)), place)


def _options(texts: tuple[str, ...]) -> dict[str, str]:
    """Return parameters by name: ``"--nifu=-1 --merge"`` is nifu and a switch."""
    options: dict[str, str] = {}
    for option in " ".join(texts).split():
        key, _, value = option.lstrip("-").partition("=")
        options[key] = _parameter(value or True)
    return options


def _parameter(value: Value) -> str:
    return str(value).lower() if str(value).lower() in {"true", "false"} else str(value)


def _number(wanted: Demand) -> str:
    return f"{wanted.minimum}..{'any' if wanted.maximum is None else wanted.maximum}"


def _our_number(association: OurAssociation) -> str:
    return f"{association.minimum}..{association.most}"


def _conditions(key: str, condition: Condition) -> Iterator[str]:
    """Give a condition of our rules in OCA's words."""
    if condition.one_of is not None:
        yield " or ".join(f"{key} == {written_value(value)}" for value in condition.one_of)
    if condition.none_of is not None:
        yield " and ".join(f"{key} != {written_value(value)}" for value in condition.none_of)
    if condition.like is not None:
        yield f"{key} like {written_value(condition.like)}"
    if condition.unlike is not None:
        yield f"not ({key} like {written_value(condition.unlike)})"
    bounds = {">=": condition.at_least, "<=": condition.at_most, ">": condition.above, "<": condition.below}
    for sign, bound in bounds.items():
        if bound is not None:
            yield f"{key} {sign} {written_value(bound)}"
    if condition.present is not None:
        yield f"{key} is {'not ' if condition.present else ''}undefined"


def _calibration(
    step: Step, catg: str, aspect: str, oca: str, ours: str, association: Association | None
) -> Finding:
    place = "" if association is None else line(association.position)
    return Finding(Part.ASSOCIATION, f"{step.owner}: {catg}", aspect, oca, ours, place)


def _finding(part: Part, step: Step, aspect: str, oca: str, ours: str, place: str) -> Finding:
    return Finding(part, step.owner, aspect, oca, ours, place)
