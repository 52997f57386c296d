"""Holds an OCA file against the rules of an instrument.

Neither side is translated into the other: headers made for the rules of both are classified by both, and each
frame is followed to the group, calibrations and recipe either side would give it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from phoenix.association.oca.classes import Case, cases, differences
from phoenix.association.oca.comparison import Comparison, Finding, Part, line, merged
from phoenix.association.oca.evaluate import Header, holds
from phoenix.association.oca.steps import Step, associations, grouping, recipe
from phoenix.association.oca.tokens import OcaError
from phoenix.association.oca.tree import Oca, Organisation
from phoenix.association.oca.vocabulary import Vocabulary, compared_values
from phoenix.association.traits import Traits, TraitsReader, names_asked
from phoenix.association.words import Words
from phoenix.config.association import Association as OurAssociation
from phoenix.config.instrument import Instrument
from phoenix.config.rules import Rules, Task
from phoenix.errors import AssociationError
from phoenix.headers.classify import FrameClass
from phoenix.model.frame import Frame, Value


def instrument_of(oca: Oca) -> str:
    """Return the instrument whose name the classification rules ask for most.

    Raises
    ------
    OcaError
        If they ask for none.
    """
    names = Counter(
        str(value).replace("%", "")
        for rule in oca.classifications
        for value in compared_values(rule.condition, "INSTRUME")
    )
    if not names:
        raise OcaError(oca.file, "no rule asks for INSTRUME", "the instrument's name", "give --instrument")
    return names.most_common(1)[0][0]


def compare(oca: Oca, rules: Rules, instrument: Instrument | None = None) -> Comparison:
    """Say how an OCA file and our rules differ.

    Parameters
    ----------
    oca : Oca
        The file.
    rules : Rules
        Our rules.
    instrument : Instrument, optional
        Gives the recipes' parameters of the instrument; those of the rules count before them.

    Raises
    ------
    OcaError
        If a condition of the file has thousands of alternatives.
    """
    asked, unasked = cases(oca, rules)
    steps = _steps(oca, rules, instrument, asked)
    vocabulary = Vocabulary(rules)
    findings = [
        *differences(oca, rules, asked),
        *_alone(oca, rules, steps),
        *(found for step in steps for found in grouping(step, vocabulary)),
        *merged(found for step in steps for found in associations(step, vocabulary)),
        *(found for step in steps for found in recipe(step)),
    ]
    return Comparison(
        file=oca.file,
        instrument=rules.instrument,
        rules_version=rules.version,
        classifications=len(oca.classifications),
        organisations=len(oca.organisations),
        actions=len(oca.actions),
        associations=oca.association_count,
        headers=len(asked),
        unasked=unasked,
        pairs=tuple(dict.fromkeys(map(str, steps))),
        findings=tuple(findings),
    )


def _steps(oca: Oca, rules: Rules, instrument: Instrument | None, asked: list[Case]) -> list[Step]:
    """Follow each frame both sides take to its task and its actions; each pair is kept once.

    Where both sides name a class alike, frames they name differently are not followed: that difference is
    told already, and what comes of it would be told as others.
    """
    words = Words(rules)
    alike = {case.oca for case in asked if case.oca == case.our_class}
    steps: dict[tuple[str, str, int], Step] = {}
    for case in asked:
        if case.ours is None or (case.our_class in alike and case.oca != case.our_class):
            continue
        for task in (task for task in rules.tasks if case.ours.name in task.raw):
            for organisation in _selecting(oca, case):
                key = (task.name, case.ours.name, id(organisation))
                action = oca.action(organisation.action)
                if key not in steps and action is not None:
                    calibrations = _calibrations(task, case.header, case.ours, rules, words)
                    parameters = _parameters(task, instrument)
                    steps[key] = Step(task, case.ours.name, calibrations, parameters, organisation, action)
    order = {task.name: number for number, task in enumerate(rules.tasks)}
    return sorted(
        steps.values(), key=lambda step: (order[step.task.name], step.task.raw.index(step.raw_class))
    )


def _selecting(oca: Oca, case: Case) -> Iterator[Organisation]:
    """Yield the OCA groups that take a frame; Gasgano's marks hold, LF. means the template's last frame."""
    values = {**case.header, **case.attributes}
    marked: dict[str, Value] = {"SIG.FRAME": 1, "SIG.TEMPLATE": 1}
    seen = {**values, **{f"LF.{key}": value for key, value in values.items()}, **marked}
    return (organisation for organisation in oca.organisations if holds(organisation.condition, seen))


def _calibrations(
    task: Task, header: Header, given: FrameClass, rules: Rules, words: Words
) -> dict[str, OurAssociation]:
    """Return our associations by category, the words in braces replaced by those of the frame."""
    frame = Frame(
        path="",
        name="",
        kind=given.kind,
        instrument=rules.instrument,
        mjd_obs=0.0,
        exptime_s=0.0,
        keywords=header,
        raw_class=given.name,
        tags=given.tags,
    )
    traits = TraitsReader(rules.aliases, names_asked(rules)).of(frame)
    return {
        catg: association
        for association in _single(task)
        for catg in _expanded(association.catg, traits, words)
    }


def _single(task: Task) -> Iterator[OurAssociation]:
    """Give the associations one by one; of alternatives none is demanded, as OCA has to say it."""
    for association in task.associate:
        for choice in association.any_of:
            yield choice.model_copy(update={"minimum": 0})
        if not association.any_of:
            yield association


def _expanded(template: str, traits: Traits, words: Words) -> tuple[str, ...]:
    try:
        return words.expand(template, traits, "")
    except AssociationError:
        # The header was made with no more keywords than classification needs: take what may be meant.
        return tuple(catg for choice in words.possible(template) for catg in choice)


def _parameters(task: Task, instrument: Instrument | None) -> Mapping[str, Value]:
    known = None if instrument is None else instrument.recipes.get(task.recipe)
    return {**({} if known is None else known.parameters), **task.parameters}


def _alone(oca: Oca, rules: Rules, steps: list[Step]) -> Iterator[Finding]:
    """Yield the groups of OCA that none of our tasks meets, and our classes no group of OCA takes."""
    met = {id(step.organisation) for step in steps}
    for organisation in oca.organisations:
        if id(organisation) not in met:
            action = oca.action(organisation.action)
            name = action.recipe.name if action is not None and action.recipe is not None else "-"
            yield Finding(Part.GROUP, organisation.action, "task", name, "-", line(organisation.position))
    taken = {(step.task.name, step.raw_class) for step in steps}
    for task in rules.tasks:
        for raw_class in task.raw:
            if (task.name, raw_class) not in taken:
                yield Finding(Part.GROUP, f"{task.name} {raw_class}", "task", "-", task.recipe)
