"""From raw frames to groups: pre-selection, one group per AB, and what speaks against a group."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

from phoenix.association.traits import Traits, TraitsReader, comparable, shown, value_of
from phoenix.config.rules import Preselection, Rules, Task
from phoenix.headers.conditions import first_failure
from phoenix.model.frame import Frame, FrameKind

ABORTED_TEMPLATE = "ABORTED_TEMPLATE"
TOO_FEW_RAWS = "TOO_FEW_RAWS"
MIXED_GROUP = "MIXED_GROUP"
DUPLICATE = "DUPLICATE"
NO_TIME = "NO_TIME"

#: Template -> exposure numbers that are there.
_Templates = dict[Hashable, set[Hashable]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A raw frame that is in no AB, with a code for counting and a reason for people."""

    path: str
    night: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """The raw frames of one AB.

    Attributes
    ----------
    frames
        In order of time, those of the primary class first; the first one names the AB and speaks for the
        group.
    traits
        Those of the first frame.
    mjd_mod
        Time for matching: mean over the frames of MJD-OBS + EXPTIME/2, days, rounded to 1e-8 (about 1 ms).
    exclusion, exclusion_reason
        Why it must not be processed, empty when it may.
    """

    task: Task
    frames: tuple[Frame, ...]
    traits: Traits
    mjd_mod: float
    exclusion: str = ""
    exclusion_reason: str = ""

    @property
    def first(self) -> Frame:
        """The primary frame."""
        return self.frames[0]

    @property
    def night(self) -> str:
        """The night of the primary frame."""
        return self.first.night


class Grouping:
    """Applies the grouping rules of an instrument.

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
            elif rule := self._rejecting(self._reader.of(frame)):
                left_out.append(LeftOut(frame.path, frame.night, rule.code, rule.reason))
            else:
                kept[frame.name] = frame
        return sorted(kept.values(), key=lambda f: (f.mjd_obs, f.name)), left_out

    def groups(self, task: Task, frames: Iterable[Frame]) -> list[Group]:
        """Return the groups of a task, in order of time; `frames` as :meth:`usable` gives them."""
        members = [frame for frame in frames if frame.raw_class in task.raw and self._wanted(task, frame)]
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
        groups = (_ordered(task, group) for group in by_key.values())
        return sorted(
            (self._group(task, group, templates) for group in groups if group),
            key=lambda group: (group.first.mjd_obs, group.first.name),
        )

    def _wanted(self, task: Task, frame: Frame) -> bool:
        return not task.where or first_failure(task.where, self._reader.of(frame).value) is None

    def _group(self, task: Task, frames: tuple[Frame, ...], templates: _Templates) -> Group:
        traits = self._reader.of(frames[0])
        mjd_mod = frames[0].mjd_mid
        if len(frames) > 1:
            mjd_mod = math.fsum(frame.mjd_mid for frame in frames) / len(frames)
        exclusion, reason = self._against(task, frames, traits, templates)
        return Group(task, frames, traits, round(mjd_mod, 8), exclusion, reason)

    def _against(
        self, task: Task, frames: tuple[Frame, ...], traits: Traits, templates: _Templates
    ) -> tuple[str, str]:
        """Return code and sentence of what speaks against processing the group."""
        if task.complete_template:
            keywords = frames[0].keywords
            start, planned = keywords.get("TPL.START"), keywords.get("TPL.NEXP")
            there = len(templates.get(_template(frames[0]), ()))
            if isinstance(planned, (int, float)) and start is not None and there < planned:
                return ABORTED_TEMPLATE, f"{there} of {planned:g} frames of the template of {start} are there"
        if len(frames) < task.min_raw:
            found = f"{len(frames)} raw frame" + "s" * (len(frames) > 1)
            return TOO_FEW_RAWS, f"{found}, {task.title.lower()} needs at least {task.min_raw}"
        for raw_class, wanted in task.set_of(frames[0].raw_class).items():
            there = sum(frame.raw_class == raw_class for frame in frames)
            if there < wanted.minimum:
                needed = f"{task.title.lower()} needs at least {wanted.minimum}"
                return TOO_FEW_RAWS, f"{there} of class {raw_class}, {needed}"
        for other in frames[1:]:
            values = self._reader.of(other).comparable
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
    own = [name for association in task.associate for name in association.match_names]
    users = [
        name
        for user in rules.tasks
        for association in user.associate
        if association.made_by == task.name
        for name in association.match_names
    ]
    return tuple(dict.fromkeys(own + users))


def _template(frame: Frame) -> Hashable:
    return tuple(comparable(frame.keywords.get(key)) for key in ("TPL.START", "TPL.ID", "OBS.ID"))


def _templates(frames: Iterable[Frame]) -> _Templates:
    """Return the exposure numbers of each template; two arms exposed together share theirs."""
    numbers: _Templates = {}
    for frame in frames:
        number = comparable(frame.keywords.get("TPL.EXPNO"))
        numbers.setdefault(_template(frame), set()).add(frame.name if number is None else number)
    return numbers
