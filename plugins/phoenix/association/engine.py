"""The association engine: frames and rules in, ABs with their reasons out, without I/O.

The same frames give the same ABs, in whatever order they come.

The tasks of the cascade are worked off in the rules' order, for all nights together. The ABs of a task are
candidates for later tasks at once: their masters are virtual until the recipes have run.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from phoenix.association.assemble import Assembler
from phoenix.association.candidates import Candidate, Pool, sets_of_masters
from phoenix.association.combining import Combining
from phoenix.association.grouping import Grouping
from phoenix.association.groups import NO_FRAME, NO_TIME, Group, LeftOut
from phoenix.association.matching import Barrier, Link, Search, Trace, decide, search_for
from phoenix.association.naming import ab_name
from phoenix.association.regrouping import Regrouper
from phoenix.association.second_step import Member, ObservingRun, products_taken
from phoenix.association.traits import Traits, TraitsReader, names_asked
from phoenix.association.words import Words
from phoenix.config.association import Association
from phoenix.config.instrument import Instrument
from phoenix.config.release import Mode, Release
from phoenix.config.rules import Rules, Task
from phoenix.errors import AssociationError, PhoenixError, UsageError
from phoenix.headers.conditions import first_failure
from phoenix.model.ab import AssociationBlock, Completeness, McalibStatus, raws_of
from phoenix.model.frame import Frame, FrameKind


@dataclass(frozen=True, slots=True)
class AssociatedBlock:
    """An AB with the group it was made of and how each of its associations was decided."""

    ab: AssociationBlock
    group: Group
    traces: tuple[Trace, ...]


@dataclass(frozen=True, slots=True)
class Associations:
    """What the frames gave.

    Attributes
    ----------
    blocks
        In the cascade's order, within a task by time.
    left_out
        Raw frames pre-selection or bad headers keep out of any AB, and ABs no second step can take.
    errors
        (night, error) of groups that could not become an AB; the others are not touched by it.
    """

    blocks: tuple[AssociatedBlock, ...]
    left_out: tuple[LeftOut, ...]
    errors: tuple[tuple[str, PhoenixError], ...]


def associate(
    frames: Iterable[Frame],
    rules: Rules,
    release: Release,
    instrument: Instrument,
    nights: Collection[str],
    bad: Mapping[str, str] | None = None,
    run: ObservingRun | None = None,
) -> Associations:
    """Make the ABs of a batch.

    Parameters
    ----------
    frames : iterable of Frame
        Classified raw frames of the nights, real masters and static tables, in any order.
    rules, release, instrument
        Configuration of the stream.
    nights : collection of str
        The nights of the batch; raw frames of others are ignored, masters of any time are used.
    bad : mapping, optional
        Path of a calibration, or name of the AB that makes it -> why it must not be used.
    run : ObservingRun, optional
        For mode DEEP, whose ABs are made across nights, of ABs of another release.

    Raises
    ------
    UsageError
        If the release's mode is DEEP and no run is given.
    """
    with _collector_at_rest():
        return _Engine(list(frames), rules, release, instrument, nights, bad or {}, run).run()


@contextmanager
def _collector_at_rest() -> Iterator[None]:
    """Keep the garbage collector still while nothing is made that refers to itself in a circle.

    It would go through all frames again and again: half of the time, for years of them.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class _Engine:
    def __init__(
        self,
        frames: list[Frame],
        rules: Rules,
        release: Release,
        instrument: Instrument,
        nights: Collection[str],
        bad: Mapping[str, str],
        run: ObservingRun | None,
    ) -> None:
        if release.mode is Mode.DEEP and run is None:
            raise UsageError(
                f"release {release.release}", "mode DEEP", "a run: ABs of this mode are not made by night"
            )
        self._bad = bad
        self._processed = run.processed if run else ()
        self._rules, self._release, self._instrument = rules, release, instrument
        self._words = Words(rules)
        self._reader = TraitsReader(rules.aliases, sorted(names_asked(rules)))
        self._run = run.key if run else ""
        self._grouping = Grouping(rules, self._reader)
        self._grouping.know(entry.frame for entry in self._processed)
        self._raws, self._left_out = self._grouping.usable(frames, nights)
        self._left_out += _without_frame(run) if run else []
        self._regrouper = Regrouper(release, self._raws)
        self._files: dict[tuple[FrameKind, str], list[Candidate]] = {}
        for frame in frames:
            if frame.kind is not FrameKind.RAW:
                self._add_file(frame)
        #: Raw frames of groups that could not become an AB.
        self._spoilt: set[str] = set()
        self._virtual: dict[str, list[Candidate]] = {}
        self._task_of: dict[str, str] = {}
        self._made: dict[str, dict[str, AssociatedBlock]] = {}
        self._errors: list[tuple[str, PhoenixError]] = []

    def run(self) -> Associations:
        blocks = [block for task in self._tasks() for block in self._blocks(task)]
        taken = self._spoilt.union(raw.path for block in blocks for raw in block.ab.raws)
        idle = [frame for frame in self._raws if frame.path not in taken]
        self._left_out += self._grouping.idle(idle, self._tasks())
        left_out = tuple(dict.fromkeys(self._left_out))  # two steps may say the same of an AB
        return Associations(tuple(blocks), left_out, tuple(self._errors))

    def _tasks(self) -> list[Task]:
        return list(self._rules.tasks_for(self._release))

    def _blocks(self, task: Task) -> Iterator[AssociatedBlock]:
        assembler = Assembler(task, self._words, self._rules, self._release, self._instrument)
        links = [(association, self._links(association)) for association in task.associate]
        searches: dict[Traits, list[tuple[Search, ...]]] = {}
        made = self._virtual.setdefault(task.name, [])
        for group in self._groups(task):
            try:
                name = self._name(group)
                if group.traits not in searches:
                    searches[group.traits] = self._searches(group, links)
                traces = tuple(decide(choices, group.mjd_mod) for choices in searches[group.traits])
                block = AssociatedBlock(assembler.assemble(name, group, traces), group, traces)
            except AssociationError as error:
                self._errors.append((group.night, error))
                self._spoilt.update(frame.path for frame in group.frames)
                continue
            self._task_of[name] = task.name
            self._made.setdefault(task.name, {})[name] = block
            made.append(_as_candidate(block, self._bad.get(name, "")))
            yield block

    def _groups(self, task: Task) -> list[Group]:
        if not task.inputs:
            return self._grouping.groups(task, self._raws)
        combining = Combining(task, self._grouping, self._rules.aliases, self._regrouper, self._run)
        groups, left_out = combining.groups(self._members(task))
        self._left_out += left_out
        return groups

    def _members(self, task: Task) -> Iterator[Member]:
        """Give the ABs whose products a second step can take."""
        abs_ = {name: block.ab for made in self._made.values() for name, block in made.items()}
        makers = dict.fromkeys(entry.made_by for entry in task.inputs)
        for block in (block for maker in makers for block in self._made.get(maker, {}).values()):
            yield Member(
                ab=block.ab,
                frame=block.group.first,
                traits=block.group.traits,
                raws=raws_of(block.ab, abs_),
                inputs=products_taken(task, block.ab, self._words, self._release.release),
                defect=_defect(block.ab, self._bad.get(block.ab.name, "")),
            )
        for entry in self._processed:
            if entry.ab.task in makers:
                yield Member(
                    ab=entry.ab,
                    frame=entry.frame,
                    traits=self._reader.of(entry.frame),
                    raws=entry.raws,
                    inputs=products_taken(task, entry.ab, self._words, self._release.release),
                    defect=entry.defect,
                )

    def _name(self, group: Group) -> str:
        name = ab_name(group.first, group.task.event)
        if name in self._task_of:
            raise AssociationError(
                group.first.path,
                f"is taken by task {group.task.name} and by task {self._task_of[name]}: both make {name}",
                "each raw frame in one task, or tasks with different `event`",
                "give one of the two tasks an `event` in the rules",
            )
        return name

    def _searches(
        self, group: Group, links: list[tuple[Association, list[Link]]]
    ) -> list[tuple[Search, ...]]:
        """Return what the associations that apply look for, for all groups of these traits."""
        traits = group.traits
        searches = [
            tuple(
                search_for(
                    link,
                    self._words.expand(link.rule.catg, traits, group.first.path),
                    link.pool.key_of(traits.comparable),
                    self._barriers(traits, link.rule),
                )
                for link in choices
                if first_failure(link.rule.applies, traits.value) is None
            )
            for association, choices in links
            if first_failure(association.applies, traits.value) is None
        ]
        return [choices for choices in searches if choices]

    def _barriers(self, traits: Traits, rule: Association) -> tuple[Barrier, ...]:
        """Return what an association must not cross; static tables say themselves since when they hold."""
        breakpoints = () if rule.static else self._rules.breakpoints
        barriers = [
            Barrier(each.mjd, "breakpoint", each.reason)
            for each in breakpoints
            if (not each.classes or traits.raw_class in each.classes)
            and (not each.calibrations or rule.catg in each.calibrations)
            and first_failure(each.when, traits.value) is None
        ]
        return tuple(sorted([*barriers, *(Barrier(mjd, "window") for mjd in rule.between)]))

    def _links(self, association: Association) -> list[Link]:
        choices = association.alternatives
        places = [
            f"{number} of {len(choices)}" if association.any_of else ""
            for number in range(1, len(choices) + 1)
        ]
        mandatory = association.minimum > 0
        return [self._link(rule, mandatory, place) for rule, place in zip(choices, places, strict=True)]

    def _link(self, rule: Association, mandatory: bool, place: str) -> Link:
        match = rule.match_names
        expansions = self._words.possible(rule.catg)
        if rule.raw:
            frames = (frame for frame in self._raws if frame.raw_class == rule.raw)
            candidates = [self._candidate(frame, rule.raw) for frame in frames]
            return Link(
                rule, match, Pool(candidates, match, rule.when, expansions), _levels(rule), mandatory, place
            )
        kind = FrameKind.STATIC if rule.static else FrameKind.MASTER
        catgs = dict.fromkeys(tag for tags in expansions for tag in tags)
        files = [file for tag in catgs for file in self._files.get((kind, tag), ())]
        candidates = files if rule.static else sets_of_masters(files, match)
        if rule.made_by is not None:
            candidates = [*candidates, *self._virtual.get(rule.made_by, ())]
        return Link(
            rule, match, Pool(candidates, match, rule.when, expansions), _levels(rule), mandatory, place
        )

    def _add_file(self, frame: Frame) -> None:
        catg = frame.keywords.get("PRO.CATG")
        if not isinstance(catg, str):
            return
        candidate = self._candidate(frame, catg)
        if not math.isfinite(candidate.mjd):
            self._left_out.append(LeftOut(frame.path, "", NO_TIME, "MJD-OBS or EXPTIME is not a number"))
            return
        self._files.setdefault((frame.kind, catg), []).append(candidate)

    def _candidate(self, frame: Frame, tag: str) -> Candidate:
        path, static = frame.path, frame.kind is FrameKind.STATIC
        mjd = round(frame.mjd_obs if static else frame.mjd_mid, 8)
        status = McalibStatus.STATIC if static else McalibStatus.REAL
        traits, defect = self._reader.of(frame), self._bad.get(path, "")
        return Candidate(frame.name, mjd, status, traits, {tag: path}, defect)


def _without_frame(run: ObservingRun) -> list[LeftOut]:
    reason = "its raw frame is not in the catalogue, which tells target and pointing"
    return [LeftOut(name, run.key, NO_FRAME, reason) for name in run.lost]


def _levels(rule: Association) -> tuple[tuple[float, int], ...]:
    return tuple((level.within.total_seconds() / 86400, level.level) for level in rule.levels)


def _as_candidate(block: AssociatedBlock, bad: str) -> Candidate:
    ab, traits = block.ab, block.group.traits
    sources = dict.fromkeys(ab.expected, ab.name)
    return Candidate(ab.name, ab.mjd_obs_mod, McalibStatus.VIRTUAL, traits, sources, _defect(ab, bad))


def _defect(ab: AssociationBlock, bad: str) -> str:
    """Return why nothing may be made of an AB's products; empty when it may."""
    if ab.exclusion:
        return f"excluded, {ab.exclusion}: {ab.exclusion_reason}"
    if ab.completeness is Completeness.INCOMPLETE:
        return f"incomplete: {ab.missing[0].reason}"
    return bad
