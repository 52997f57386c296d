"""From raw frames to groups: pre-selection, one group per AB, and what speaks against a group."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from phoenix.association.groups import (
    ABORTED_TEMPLATE,
    DUPLICATE,
    MIXED_GROUP,
    NO_GROUP,
    NO_TASK,
    NO_TIME,
    TOO_FEW_RAWS,
    Group,
    LeftOut,
)
from phoenix.association.similar import similar_parts
from phoenix.association.traits import Traits, TraitsReader, comparable, shown, value_of
from phoenix.config.rules import Preselection, Rules, Task
from phoenix.headers.conditions import first_failure
from phoenix.model.frame import Frame, FrameKind

#: Template -> exposure numbers that are there.
_Templates = dict[Hashable, set[Hashable]]


class Grouping:
    """Applies the grouping rules of an instrument to its raw frames.

    Parameters
    ----------
    rules : Rules
        The instrument's rules.
    reader : TraitsReader
        Gives frames their traits.
    """

    def __init__(self, rules: Rules, reader: TraitsReader) -> None:
        self._rules = rules
        self._reader = reader
        self._deciding = {task.name: _deciding(rules, task) for task in rules.tasks}
        self._rejected: dict[Traits, Preselection | None] = {}
        self._known: dict[str, Traits] = {}
        #: Frame -> why a task has no group for it.
        self._spare: dict[str, str] = {}

    def usable(self, frames: Iterable[Frame], nights: Iterable[str]) -> tuple[list[Frame], list[LeftOut]]:
        """Return the raw frames of the nights in order of time, each once, and those that are left out."""
        wanted = set(nights)
        kept: dict[str, Frame] = {}
        left_out: list[LeftOut] = []
        for frame in sorted((f for f in frames if f.kind is FrameKind.RAW), key=lambda f: (f.name, f.path)):
            if not (math.isfinite(frame.mjd_obs) and math.isfinite(frame.exptime_s)):
                left_out.append(LeftOut(frame.path, "", NO_TIME, "MJD-OBS or EXPTIME is not a number"))
            elif frame.night not in wanted:
                continue
            elif frame.name in kept:
                reason = f"the same frame as {kept[frame.name].path}"
                left_out.append(LeftOut(frame.path, frame.night, DUPLICATE, reason))
            elif rule := self._rejecting(traits := self._reader.of(frame)):
                left_out.append(LeftOut(frame.path, frame.night, rule.code, rule.reason))
            else:
                kept[frame.name] = frame
                self._known[frame.name] = traits
        return sorted(kept.values(), key=lambda f: (f.mjd_obs, f.name)), left_out

    def know(self, frames: Iterable[Frame]) -> None:
        """Take the primary frames of ABs of another release, which no pre-selection looks at again."""
        self._known.update((frame.name, self._reader.of(frame)) for frame in frames)

    def groups(self, task: Task, frames: Iterable[Frame]) -> list[Group]:
        """Return the groups of a task, in order of time; `frames` as :meth:`usable` gives them."""
        members = [frame for frame in frames if frame.raw_class in task.raw and self.wanted(task, frame)]
        templates = _templates(members) if task.complete_template else {}
        primary = {raw_class: next(iter(task.set_of(raw_class))) for raw_class in task.raw}
        by_key: dict[Hashable, list[Frame]] = {}
        alone = "ARCFILE" in task.group_by
        for frame in members:
            key: Hashable = frame.name
            if not alone:
                values = (value_of(frame, self._rules.aliases, name) for name in task.group_by)
                key = (frame.night, primary[frame.raw_class], *map(comparable, values))
            by_key.setdefault(key, []).append(frame)
        parts = [part for group in by_key.values() for part in self.similar(task, group)]
        groups = [_ordered(task, part) for part in parts]
        for given, taken in zip(parts, groups, strict=True):
            if len(taken) < len(given):
                self._note_spare(task, given, taken)
        return sorted(
            (self._group(task, group, templates) for group in groups if group),
            key=lambda group: (group.first.mjd_obs, group.first.name),
        )

    def similar(self, task: Task, frames: list[Frame]) -> list[list[Frame]]:
        """Divide frames of one group by the values that may differ only so far; the order is kept."""
        parts = [frames]
        for name, tolerance in task.similar.items():
            parts = [
                [part[index] for index in indices]
                for part in parts
                for indices in similar_parts(
                    [value_of(frame, self._rules.aliases, name) for frame in part], tolerance
                )
            ]
        return parts

    def idle(self, frames: Iterable[Frame], tasks: Iterable[Task]) -> list[LeftOut]:
        """Say of raw frames that are in no AB why not; unclassified ones are told of where frames are.

        Parameters
        ----------
        tasks : iterable of Task
            Those whose ABs are made.
        """
        made = list(tasks)
        using = {
            frame_class: [t for t in made if frame_class in t.raw] for t in made for frame_class in t.raw
        }
        return [
            LeftOut(frame.path, frame.night, *self._why_idle(frame, using.get(frame.raw_class, [])))
            for frame in frames
            if frame.raw_class
        ]

    def _why_idle(self, frame: Frame, tasks: list[Task]) -> tuple[str, str]:
        if frame.name in self._spare:
            return NO_GROUP, self._spare[frame.name]
        for task in tasks:
            if failure := first_failure(task.where, self._known[frame.name].value):
                return NO_GROUP, f"task {task.name} takes no such frame: {failure}"
        joined = (c.raw for t in self._rules.tasks for a in t.associate for c in a.alternatives)
        if frame.raw_class in joined:
            return NO_GROUP, f"no AB takes this frame of class {frame.raw_class} along"
        others = [task.name for task in self._rules.tasks if frame.raw_class in task.raw]
        if others:
            return (
                NO_TASK,
                f"the release leaves out task {others[0]}, to which class {frame.raw_class} belongs",
            )
        return NO_TASK, f"no task takes frames of class {frame.raw_class}"

    def _note_spare(self, task: Task, given: Iterable[Frame], taken: tuple[Frame, ...]) -> None:
        names = {frame.name for frame in taken}
        for frame in given:
            if frame.name not in names:
                members = task.set_of(frame.raw_class)
                reason = f"there is no frame of class {next(iter(members))} to go with it"
                if taken:
                    reason = (
                        f"the AB has its {members[frame.raw_class].maximum} frames of class {frame.raw_class}"
                    )
                self._spare[frame.name] = f"task {task.name}: {reason}"

    def wanted(self, task: Task, frame: Frame) -> bool:
        """Whether a task takes a frame of one of its classes."""
        return not task.where or first_failure(task.where, self._known[frame.name].value) is None

    def _group(self, task: Task, frames: tuple[Frame, ...], templates: _Templates) -> Group:
        traits = self._known[frames[0].name]
        mjd_mod = frames[0].mjd_mid
        if len(frames) > 1:
            mjd_mod = math.fsum(frame.mjd_mid for frame in frames) / len(frames)
        aborted = _aborted(frames[0], templates) if task.complete_template else ""
        if aborted:
            exclusion, reason = ABORTED_TEMPLATE, aborted
        else:
            exclusion, reason = self.objection(task, frames, traits)
        return Group(task, frames, traits, round(mjd_mod, 8), exclusion, reason)

    def objection(self, task: Task, frames: tuple[Frame, ...], traits: Traits) -> tuple[str, str]:
        """Return code and sentence of what speaks against an AB of these frames; empty when nothing does.

        Parameters
        ----------
        frames, traits
            Of a group, the frames and the traits of the first.
        """
        if len(frames) < task.min_raw:
            found = f"{len(frames)} raw frame" + "s" * (len(frames) > 1)
            return TOO_FEW_RAWS, f"{found}, {task.title.lower()} needs at least {task.min_raw}"
        for raw_class, wanted in task.set_of(frames[0].raw_class).items():
            there = [frame.raw_class for frame in frames].count(raw_class)
            if there < wanted.minimum:
                needed = f"{task.title.lower()} needs at least {wanted.minimum}"
                return TOO_FEW_RAWS, f"{there} of class {raw_class}, {needed}"
        for other in frames[1:]:
            values = self._known[other.name].comparable
            for name in self._deciding[task.name]:
                if values[name] != traits.comparable[name]:
                    one, two = shown(traits.comparable[name]), shown(values[name])
                    return MIXED_GROUP, f"{name} is {one} in {frames[0].name} and {two} in {other.name}"
        return "", ""

    def _rejecting(self, traits: Traits) -> Preselection | None:
        """Return the first rule of pre-selection that takes frames of these traits out."""
        if traits not in self._rejected:
            self._rejected[traits] = next(
                (rule for rule in self._rules.preselection if self._applies(rule, traits)), None
            )
        return self._rejected[traits]

    def _applies(self, rule: Preselection, traits: Traits) -> bool:
        tasks = (task for task in self._rules.tasks if task.name in rule.tasks)
        if rule.tasks and not any(traits.raw_class in task.raw for task in tasks):
            return False
        return first_failure(rule.when, traits.value) is None


def _ordered(task: Task, frames: list[Frame]) -> tuple[Frame, ...]:
    """Return the frames an AB takes, the primary class first; none when there is no frame of that class."""
    taken: list[Frame] = []
    for raw_class, wanted in task.set_of(frames[0].raw_class).items():
        of_class = [frame for frame in frames if frame.raw_class == raw_class]
        if not (of_class or taken):
            return ()
        taken += of_class[: wanted.maximum]
    return tuple(taken)


def _deciding(rules: Rules, task: Task) -> tuple[str, ...]:
    """Return the names whose values decide on the calibrations of a group, or on who may use its products."""
    own = [name for each in task.associate for choice in each.alternatives for name in choice.match_names]
    users = [
        name
        for user in rules.tasks
        for each in user.associate
        for choice in each.alternatives
        if choice.made_by == task.name
        for name in choice.match_names
    ]
    return tuple(dict.fromkeys(own + users))


def _aborted(first: Frame, templates: _Templates) -> str:
    """Return how many frames of a template are missing; empty when none is."""
    start, planned = first.keywords.get("TPL.START"), first.keywords.get("TPL.NEXP")
    there = len(templates.get(_template(first), ()))
    if isinstance(planned, (int, float)) and start is not None and there < planned:
        return f"{there} of {planned:g} frames of the template of {start} are there"
    return ""


def _template(frame: Frame) -> Hashable:
    get = frame.keywords.get
    return comparable(get("TPL.START")), comparable(get("TPL.ID")), comparable(get("OBS.ID"))


def _templates(frames: Iterable[Frame]) -> _Templates:
    """Return the exposure numbers of each template; two arms exposed together share theirs."""
    numbers: _Templates = {}
    for frame in frames:
        number = comparable(frame.keywords.get("TPL.EXPNO"))
        numbers.setdefault(_template(frame), set()).add(frame.name if number is None else number)
    return numbers
