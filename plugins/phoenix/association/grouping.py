"""From raw frames to groups: pre-selection, one group per AB, and what speaks against a group."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

from phoenix.association.regrouping import Part, Regrouper
from phoenix.association.second_step import Member
from phoenix.association.similar import similar_parts
from phoenix.association.traits import Traits, TraitsReader, comparable, shown, value_of
from phoenix.config.rules import Preselection, Rules, Task
from phoenix.headers.conditions import first_failure
from phoenix.model.frame import Frame, FrameKind

ABORTED_TEMPLATE = "ABORTED_TEMPLATE"
TOO_FEW_RAWS = "TOO_FEW_RAWS"
MIXED_GROUP = "MIXED_GROUP"
DUPLICATE = "DUPLICATE"
NO_TIME = "NO_TIME"
#: Of ABs that are in no AB of a second step.
DEFECTIVE_INPUT = "DEFECTIVE_INPUT"
TOO_FEW_INPUTS = "TOO_FEW_INPUTS"
#: Of exposures of a target that only one OB observed: their cube is made without a deep AB.
SINGLE_OB = "SINGLE_OB"
#: Of ABs of a run whose header is not known any more.
NO_FRAME = "NO_FRAME"
NO_TASK = "NO_TASK"
NO_GROUP = "NO_GROUP"

#: Template -> exposure numbers that are there.
_Templates = dict[Hashable, set[Hashable]]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A raw frame that is in no AB, with a code for counting and a reason for people.

    Or an AB that a second step had to leave out; its name then stands for the path. Codes are those of
    pre-selection, ``DUPLICATE``, ``NO_TIME``, ``NO_TASK`` (no task takes the class), ``NO_GROUP`` (a task
    does, and has no group for this frame), ``DEFECTIVE_INPUT``, ``TOO_FEW_INPUTS``, ``SINGLE_OB``,
    ``NO_FRAME``, and what a regrouping says.
    """

    path: str
    night: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """The raw frames of one AB, or the ABs whose products a second step combines.

    Attributes
    ----------
    frames
        In order of time, those of the primary class first; the first one names the AB and speaks for the
        group. Of a second step the primary frames of its members.
    traits
        Those of the first frame.
    mjd_mod
        Time for matching: mean over the frames of MJD-OBS + EXPTIME/2, days, rounded to 1e-8 (about 1 ms).
        Of a second step the mean over its members of theirs.
    exclusion, exclusion_reason
        Why it must not be processed, empty when it may.
    members
        Of a second step: the ABs it takes, in order of time. Empty for raw frames.
    refused
        ABs that belong to the group and cannot be processed.
    considered
        All ABs of the tasks it takes products of.
    run
        The observing run that stands in place of the night; empty for ABs made night by night.
    remarks
        What a regrouping decided about the members.
    elsewhere
        (frame, reason) of exposures with the same keys that a regrouping separated from these.
    """

    task: Task
    frames: tuple[Frame, ...]
    traits: Traits
    mjd_mod: float
    exclusion: str = ""
    exclusion_reason: str = ""
    members: tuple[Member, ...] = ()
    refused: tuple[Member, ...] = ()
    considered: tuple[Member, ...] = ()
    run: str = ""
    remarks: tuple[str, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()

    @property
    def first(self) -> Frame:
        """The primary frame."""
        return self.frames[0]

    @property
    def night(self) -> str:
        """The night of the primary frame, or the run."""
        return self.run or self.first.night


class Grouping:
    """Applies the grouping rules of an instrument.

    Parameters
    ----------
    rules : Rules
        The instrument's rules.
    reader : TraitsReader
        Gives frames their traits.
    run : str
        The observing run whose ABs are made across nights; empty for ABs made night by night.
    """

    def __init__(self, rules: Rules, reader: TraitsReader, run: str = "") -> None:
        self._rules = rules
        self._reader = reader
        self._run = run
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
        parts = [part for group in by_key.values() for part in self._similar(task, group)]
        groups = [_ordered(task, part) for part in parts]
        for given, taken in zip(parts, groups, strict=True):
            if len(taken) < len(given):
                self._note_spare(task, given, taken)
        return sorted(
            (self._group(task, group, templates) for group in groups if group),
            key=lambda group: (group.first.mjd_obs, group.first.name),
        )

    def of_abs(
        self, task: Task, considered: tuple[Member, ...], regrouper: Regrouper
    ) -> tuple[list[Group], list[LeftOut]]:
        """Return the groups of a second step in order of time, and the ABs that had to be left out.

        A group that was too small from the start, an OB of one exposure, is none and nothing is left out.

        Parameters
        ----------
        considered : tuple of Member
            The ABs of the tasks that make the inputs, in any order.
        regrouper : Regrouper
            Divides groups further, where the release wants it.
        """
        considered = tuple(sorted(considered, key=lambda member: (member.frame.mjd_obs, member.ab.name)))
        by_key: dict[Hashable, list[Member]] = {}
        for member in considered:
            if member.inputs and self._wanted(task, member.frame):
                values = (value_of(member.frame, self._rules.aliases, name) for name in task.group_by)
                night = self._run or member.frame.night
                by_key.setdefault((night, *map(comparable, values)), []).append(member)
        groups: list[Group] = []
        left_out: list[LeftOut] = []
        for together in by_key.values():
            frames = {member.frame.name: member for member in together}
            for similar in self._similar(task, [member.frame for member in together]):
                # An OB of one exposure is no group; of a run it is told that there is but one OB.
                enough = self._run or len(similar) >= task.min_raw
                parts = regrouper.parts(task.name, similar) if enough else []
                for part in parts:
                    members = [frames[frame.name] for frame in part.frames]
                    left_out += self._not_combined(task, part, members)
                    if self._may_combine(task, members):
                        elsewhere = [
                            (frame.name, other.reason)
                            for other in parts
                            if other is not part
                            for frame in other.frames
                        ]
                        group = self._group_of_abs(task, members, considered)
                        groups.append(replace(group, remarks=part.remarks, elsewhere=tuple(elsewhere)))
        return sorted(groups, key=lambda group: (group.first.mjd_obs, group.first.name)), left_out

    def _may_combine(self, task: Task, members: Sequence[Member]) -> bool:
        usable = [member for member in members if not member.defect]
        return len(usable) >= task.min_raw and (not self._run or len(_blocks(usable)) > 1)

    def _group_of_abs(self, task: Task, members: Sequence[Member], considered: tuple[Member, ...]) -> Group:
        usable = tuple(member for member in members if not member.defect)
        refused = tuple(member for member in members if member.defect)
        frames, traits = tuple(member.frame for member in usable), usable[0].traits
        mjd_mod = math.fsum(member.ab.mjd_obs_mod for member in usable) / len(usable)
        exclusion, reason = self._against(task, frames, traits, {})
        return Group(
            task, frames, traits, round(mjd_mod, 8), exclusion, reason, usable, refused, considered, self._run
        )

    def _not_combined(self, task: Task, part: Part, members: Sequence[Member]) -> list[LeftOut]:
        """Return the ABs of a part that are in no AB of the second step, each with the reason."""
        apart = [LeftOut(m.ab.name, self._run or m.ab.date, part.code, part.reason) for m in members]
        if self._run and len(_blocks(members)) < 2:
            if part.code:
                return apart
            target = ", ".join(
                f"{name} {shown(comparable(value_of(members[0].frame, self._rules.aliases, name)))}"
                for name in task.group_by
            )
            block = next(iter(_blocks(members)))
            reason = f"OB {block} is the only one of {target}: its cube is final without a deep one"
            return [LeftOut(member.ab.name, self._run, SINGLE_OB, reason) for member in members]
        if len(members) < task.min_raw:
            return apart
        found = _left_out_of(task, members, self._run)
        usable = [member for member in members if not member.defect]
        if self._run and len(usable) >= task.min_raw and not self._may_combine(task, members):
            reason = (
                f"of its {len(_blocks(members))} OBs only OB {next(iter(_blocks(usable)))} can be combined"
            )
            found += [LeftOut(member.ab.name, self._run, TOO_FEW_INPUTS, reason) for member in usable]
        return found

    def _similar(self, task: Task, frames: list[Frame]) -> list[list[Frame]]:
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

    def _wanted(self, task: Task, frame: Frame) -> bool:
        return not task.where or first_failure(task.where, self._known[frame.name].value) is None

    def _group(self, task: Task, frames: tuple[Frame, ...], templates: _Templates) -> Group:
        traits = self._known[frames[0].name]
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


def _blocks(members: Iterable[Member]) -> list[str]:
    """Return the OBs of exposures, each once, in order of time."""
    return list(dict.fromkeys(member.ab.obs_id for member in members))


def _left_out_of(task: Task, members: Sequence[Member], run: str) -> list[LeftOut]:
    """Return the ABs of a group that are defective, or too few, each with the reason."""
    usable = [member for member in members if not member.defect]
    found = []
    for member in members:
        if member.defect:
            reason = f"not in an AB of task {task.name}: it is itself {member.defect}"
            found.append(LeftOut(member.ab.name, run or member.ab.date, DEFECTIVE_INPUT, reason))
    if len(usable) < task.min_raw:
        there = f"{len(usable)} of {len(members)} ABs can be processed"
        reason = f"{there}, task {task.name} needs at least {task.min_raw}"
        found += [LeftOut(m.ab.name, run or m.ab.date, TOO_FEW_INPUTS, reason) for m in usable]
    return found


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
