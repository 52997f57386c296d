"""Where grouping by keys is not enough: an instrument's function divides the groups of a second step.

Keys put together what has equal header values. Which exposures of an OB really lie on each other is geometry,
and no key tells it. A release names such a function, and the tasks it is for, in its YAML.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from phoenix.config.release import Release
from phoenix.errors import AssociationError, ConfigError
from phoenix.model.frame import Frame


@dataclass(frozen=True, slots=True)
class Part:
    """Exposures of a group that one AB combines.

    Attributes
    ----------
    frames
        Primary frames of the exposures, in the order of the group.
    remarks
        What was decided about them, one sentence each; kept with the reasons of the AB.
    code, reason
        What separates them from the rest of the group: told of those that are too few for an AB. The reason
        is read after the name of an AB. Empty when the group was not divided.
    """

    frames: tuple[Frame, ...]
    remarks: tuple[str, ...] = ()
    code: str = ""
    reason: str = ""


#: Takes the primary frames of a group in order of time, the raw frames of the batch, its configuration, and
#: the file and field that comes from; gives parts that hold each frame of the group once.
Divide = Callable[[Sequence[Frame], Sequence[Frame], Any, str], list[Part]]


@dataclass(slots=True)
class _Registry:
    by_name: dict[str, Divide] = field(default_factory=dict)


_registry = _Registry()


def regrouping(name: str) -> Callable[[Divide], Divide]:
    """Register a function under the name releases call it by.

    Raises
    ------
    ValueError
        If another function has that name.
    """

    def register(divide: Divide) -> Divide:
        if _registry.by_name.setdefault(name, divide) is not divide:
            raise ValueError(f"regrouping {name} is registered twice")
        return divide

    return register


class Regrouper:
    """Divides groups as a release says.

    Parameters
    ----------
    release : Release
        The stream.
    raws : sequence of Frame
        The raw frames of the batch, in order of time.

    Raises
    ------
    ConfigError
        If the release names a function that is not there.
    """

    def __init__(self, release: Release, raws: Sequence[Frame]) -> None:
        self._raws = raws
        self._configured = release.regrouping
        self._origin = f"releases/{release.release}.yaml, field regrouping"
        self._divide = self._find(release.regrouping.name) if release.regrouping else None

    def parts(self, task: str, frames: Sequence[Frame]) -> list[Part]:
        """Return the parts of a group of a task, in order of time.

        Raises
        ------
        AssociationError
            If the function lost a frame or took one twice.
        """
        if self._divide is None or self._configured is None or task not in self._configured.tasks:
            return [Part(tuple(frames))]
        parts = self._divide(frames, self._raws, self._configured.config, self._origin)
        if sorted(f.name for part in parts for f in part.frames) != sorted(f.name for f in frames):
            raise AssociationError(
                f"regrouping {self._configured.name}", "did not give back each frame of a group once"
            )
        return sorted(parts, key=lambda part: (part.frames[0].mjd_obs, part.frames[0].name))

    def _find(self, name: str) -> Divide:
        known = sorted(_registry.by_name)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                f"{self._origin}.name",
                f"there is no regrouping {name}",
                f"one of {', '.join(known) or '(none)'}",
                f"did you mean {near[0]}?" if near else "mend it, or write instruments/<instrument>/smart.py",
            )
        return _registry.by_name[name]
