"""Header values of one frame under the names of the rules: aliases, keywords, and values made comparable."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import itemgetter

from phoenix.headers.conditions import lookup
from phoenix.model.frame import Frame, Value

#: Values of the match keys in the rule's order; None for a value that is missing.
Key = tuple[Hashable, ...]
KeyOf = Callable[[Mapping[str, Hashable]], Key]


class Subject:
    """What the rules ask of a frame that stands for a group or is a calibration.

    Parameters
    ----------
    frame : Frame
        The frame.
    aliases : mapping
        Alias -> header keywords, the first one present counts.
    names : iterable of str
        Aliases and keywords that are matched somewhere; their comparable values are kept.
    """

    __slots__ = ("_aliases", "comparable", "frame")

    def __init__(self, frame: Frame, aliases: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> None:
        self.frame = frame
        self._aliases = aliases
        self.comparable = {name: comparable(self.value(name)) for name in names}

    def value(self, name: str) -> Value | None:
        """Return the value of an alias, keyword or tag of the classification; None when it is missing."""
        if name == "ARCFILE":
            return self.frame.name
        found = lookup(self.frame.keywords, self._aliases, name)
        return self.frame.tags.get(name) if found is None else found


def comparable(value: Value | None) -> Hashable:
    """Return what equality of header values means: 437 is 437.0, T is not 1, NaN and blanks are missing."""
    if value is None or isinstance(value, int):
        return (value,) if isinstance(value, bool) else value
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value.strip() or None


def shown(value: Hashable) -> str:
    """Return a comparable value as people and AB texts write it: ``437``, ``FREE``, ``T``."""
    if isinstance(value, tuple):
        return "T" if value[0] else "F"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return repr(value) if isinstance(value, float) else str(value)


def key_of(names: tuple[str, ...]) -> KeyOf:
    """Return the function that takes the values of these names out of a subject's comparable values."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)
