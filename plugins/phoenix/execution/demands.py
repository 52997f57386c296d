"""What an AB must hold before its recipe starts, whoever edited it: recipes do without in silence.

The rules make complete ABs. A PGI, or a person with an editor, may take away what recipes never miss: UVES
reduces without a bias, XSHOOTER makes a master of two biases, GIRAFFE averages two exposures, all with exit
code 0.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

from phoenix.config.association import Association
from phoenix.config.rules import Rules, Task
from phoenix.execution.sanity import product_pattern
from phoenix.execution.staging import Input
from phoenix.headers.conditions import first_failure
from phoenix.headers.reader import read_header
from phoenix.model.ab import AssociationBlock

#: Grouping by it makes one AB of each frame.
_SINGLE = "ARCFILE"
_WORD = re.compile(r"\{(\w+)\}")


def unmet_demands(ab: AssociationBlock, rules: Rules) -> tuple[str, ...]:
    """Return what the rules ask of an AB of this task and the AB does not hold, one sentence each."""
    try:
        task = rules.task(ab.task)
    except KeyError:
        return (f"the rules have no task {ab.task}",)
    return (*_raw_frames(ab, task), *_calibrations(ab, task, rules))


def lacking_keywords(inputs: Iterable[Input], keywords: Collection[str]) -> tuple[str, ...]:
    """Name raw frames without keywords their recipe cannot do without, and does not miss aloud.

    Parameters
    ----------
    inputs
        Files that were found whole.
    keywords
        Dotted, of the primary header.

    Raises
    ------
    HeaderError
        If a file can no longer be read.
    """
    if not keywords:
        return ()
    raws = [entry for entry in inputs if entry.raw]
    lacking = ((entry, sorted({*keywords} - {*read_header(entry.path, keywords)})) for entry in raws)
    return tuple(
        f"{entry.path}: its header lacks {', '.join(names)}; the recipe would crash, or be silently wrong"
        for entry, names in lacking
        if names
    )


def _raw_frames(ab: AssociationBlock, task: Task) -> Iterator[str]:
    found = Counter(raw.tag for raw in ab.raws)
    for tag in [choice.raw for each in task.associate for choice in each.alternatives if choice.raw]:
        found.pop(tag, None)
    for tag in found.keys() - set(task.raw):
        yield f"raw frames {tag} are none of those {task.recipe} is given: {', '.join(task.raw)}"
    if not found:
        return
    members = task.set_of(ab.raw_type)
    for tag, count in members.items():
        number = found[tag]
        if number < count.minimum:
            yield f"{number} raw frames {tag}; {task.title.lower()} needs at least {count.minimum}"
        if count.maximum is not None and number > count.maximum:
            yield f"{number} raw frames {tag}; {task.title.lower()} takes {count.maximum}"
    total = sum(found.values())
    if total < task.min_raw:
        yield f"{total} raw frames; {task.title.lower()} needs at least {task.min_raw}"
    if total > 1 and _SINGLE in task.group_by:
        yield (
            f"{total} raw frames; {task.title.lower()} takes one: "
            f"{task.recipe} would leave the others aside, or average them, without a word"
        )


def _calibrations(ab: AssociationBlock, task: Task, rules: Rules) -> Iterator[str]:
    """Name mandatory calibrations that the AB does not even list as missing."""
    tags = (
        {calib.tag for calib in ab.mcalibs} | {gap.tag for gap in ab.missing} | {raw.tag for raw in ab.raws}
    )
    setting = {"INSTRUME": ab.instrument, **dict(ab.match_keys)}
    for association in task.associate:
        if not (association.minimum and _applies(association, ab)):
            continue
        lacking = [
            [catg for catg in _categories(choice.catg, setting, rules) if not _among(tags, catg, rules)]
            for choice in association.alternatives
        ]
        if all(lacking):
            for catg in [" or ".join(catgs[0] for catgs in lacking)] if association.any_of else lacking[0]:
                yield f"mandatory calibration {catg} is not among those of the AB"


def _among(tags: Collection[str], catg: str, rules: Rules) -> bool:
    pattern = product_pattern(catg, rules.splits)
    return any(pattern.fullmatch(tag) for tag in tags)


def _applies(association: Association, ab: AssociationBlock) -> bool:
    """Tell whether an association is for this setting; a name the AB does not keep speaks for nothing."""
    setting = {"INSTRUME": ab.instrument, **ab.setting}
    return association.applies.keys() <= setting.keys() and (
        first_failure(association.applies, setting.get) is None
    )


def _categories(template: str, setting: Mapping[str, str], rules: Rules) -> list[str]:
    """Fill in the {split} words whose keys the AB keeps; others stay, and fit any of their values."""
    filled = [template]
    for word in _WORD.findall(template):
        split = rules.splits.get(word)
        if split is None or split.key not in setting:
            continue
        values = next(
            (names for value, names in split.values.items() if str(value) == setting[split.key]),
            (f"{{{word}}}",),
        )
        filled = [text.replace(f"{{{word}}}", name) for text in filled for name in values]
    return filled
