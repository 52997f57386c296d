"""From ABs to groups of a second step: stacks of an OB, combinations, deep cubes of a run."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

from phoenix.association.grouping import Grouping
from phoenix.association.groups import DEFECTIVE_INPUT, SINGLE_OB, TOO_FEW_INPUTS, Group, LeftOut
from phoenix.association.regrouping import Part, Regrouper
from phoenix.association.second_step import Member
from phoenix.association.traits import comparable, shown, value_of
from phoenix.config.rules import Task


class Combining:
    """Groups the ABs whose products a task combines.

    Parameters
    ----------
    task : Task
        The second step.
    grouping : Grouping
        The grouping rules of the instrument; they hold for the primary frames of the ABs.
    aliases : mapping
        Alias -> header keywords, the first one present counts.
    regrouper : Regrouper
        Divides groups further, where the release wants it.
    run : str
        The observing run whose ABs are combined across nights; empty for ABs made night by night.
    """

    def __init__(
        self,
        task: Task,
        grouping: Grouping,
        aliases: Mapping[str, tuple[str, ...]],
        regrouper: Regrouper,
        run: str = "",
    ) -> None:
        self._task, self._grouping, self._aliases = task, grouping, aliases
        self._regrouper, self._run = regrouper, run

    def groups(self, members: Iterable[Member]) -> tuple[list[Group], list[LeftOut]]:
        """Return the groups in order of time, and the ABs that had to be left out.

        A group that was too small from the start, an OB of one exposure, is none and nothing is left out.

        Parameters
        ----------
        members : iterable of Member
            The ABs of the tasks that make the inputs, in any order.
        """
        considered = tuple(sorted(members, key=lambda member: (member.frame.mjd_obs, member.ab.name)))
        groups: list[Group] = []
        left_out: list[LeftOut] = []
        for together in self._alike(considered):
            parts = self._regrouper.parts(self._task.name, [member.frame for member in together])
            by_frame = {member.frame.name: member for member in together}
            for part in parts:
                of_part = [by_frame[frame.name] for frame in part.frames]
                left_out += self._left_out(part, of_part)
                if self._may_combine(of_part):
                    groups.append(self._group(part, of_part, considered, parts))
        return sorted(groups, key=lambda group: (group.first.mjd_obs, group.first.name)), left_out

    def _alike(self, considered: Iterable[Member]) -> list[list[Member]]:
        """Return the ABs that agree in the keys of the task, as far as there can be enough of them."""
        by_key: dict[Hashable, list[Member]] = {}
        for member in considered:
            if member.inputs and self._grouping.wanted(self._task, member.frame):
                key = (self._run or member.frame.night, *self._key(member))
                by_key.setdefault(key, []).append(member)
        parts = [part for together in by_key.values() for part in self._similar(together)]
        # An OB of one exposure is no group; of a run it is told that there is but one OB.
        return parts if self._run else [part for part in parts if len(part) >= self._task.min_raw]

    def _similar(self, together: Sequence[Member]) -> Iterator[list[Member]]:
        by_frame = {member.frame.name: member for member in together}
        for frames in self._grouping.similar(self._task, [member.frame for member in together]):
            yield [by_frame[frame.name] for frame in frames]

    def _key(self, member: Member) -> tuple[Hashable, ...]:
        values = (value_of(member.frame, self._aliases, name) for name in self._task.group_by)
        return tuple(map(comparable, values))

    def _may_combine(self, members: Sequence[Member]) -> bool:
        usable = _usable(members)
        return len(usable) >= self._task.min_raw and (not self._run or len(_blocks(usable)) > 1)

    def _group(
        self, part: Part, members: Sequence[Member], considered: tuple[Member, ...], parts: Sequence[Part]
    ) -> Group:
        usable = _usable(members)
        frames, traits = tuple(member.frame for member in usable), usable[0].traits
        mjd_mod = math.fsum(member.ab.mjd_obs_mod for member in usable) / len(usable)
        exclusion, reason = self._grouping.objection(self._task, frames, traits)
        return Group(
            self._task,
            frames,
            traits,
            round(mjd_mod, 8),
            exclusion,
            reason,
            members=usable,
            refused=tuple(member for member in members if member.defect),
            considered=considered,
            run=self._run,
            remarks=part.remarks,
            elsewhere=tuple(
                (frame.name, other.reason) for other in parts if other is not part for frame in other.frames
            ),
        )

    def _left_out(self, part: Part, members: Sequence[Member]) -> list[LeftOut]:
        """Return the ABs of a part that are in no AB of the second step, each with the reason."""
        if self._run and len(_blocks(members)) < 2:
            if part.code:
                return self._told(members, part.code, part.reason)
            names = zip(self._task.group_by, self._key(members[0]), strict=True)
            target = ", ".join(f"{name} {shown(value)}" for name, value in names)
            (block,) = _blocks(members)
            reason = f"OB {block} is the only one of {target}: its cube is final without a deep one"
            return self._told(members, SINGLE_OB, reason)
        if len(members) < self._task.min_raw:
            return self._told(members, part.code, part.reason)
        return self._defective(members) + self._too_few(members)

    def _defective(self, members: Sequence[Member]) -> list[LeftOut]:
        return [
            entry
            for member in members
            if member.defect
            for entry in self._told(
                [member],
                DEFECTIVE_INPUT,
                f"not in an AB of task {self._task.name}: it is itself {member.defect}",
            )
        ]

    def _too_few(self, members: Sequence[Member]) -> list[LeftOut]:
        """Return the sound ABs of a group that has too few of them."""
        usable = _usable(members)
        if self._may_combine(members):
            return []
        if len(usable) < self._task.min_raw:
            there = f"{len(usable)} of {len(members)} ABs can be processed"
            reason = f"{there}, task {self._task.name} needs at least {self._task.min_raw}"
        else:
            (block,) = _blocks(usable)
            reason = f"of its {len(_blocks(members))} OBs only OB {block} can be combined"
        return self._told(usable, TOO_FEW_INPUTS, reason)

    def _told(self, members: Iterable[Member], code: str, reason: str) -> list[LeftOut]:
        return [LeftOut(member.ab.name, self._run or member.ab.date, code, reason) for member in members]


def _usable(members: Iterable[Member]) -> tuple[Member, ...]:
    return tuple(member for member in members if not member.defect)


def _blocks(members: Iterable[Member]) -> list[str]:
    """Return the OBs of exposures, each once, in order of time."""
    return list(dict.fromkeys(member.ab.obs_id for member in members))
