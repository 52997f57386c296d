"""What the rules ask of a frame; frames are many and settings few, so equal answers are worked out once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from operator import itemgetter

from phoenix.config.rules import Rules
from phoenix.headers.conditions import lookup
from phoenix.model.frame import Frame, Value

#: Values of match keys in the rule's order; None for a value that is missing.
Key = tuple[Hashable, ...]
KeyOf = Callable[[Mapping[str, Hashable]], Key]

_ARCFILE = "ARCFILE"


class Traits:
    """Header values under the names of the rules; frames that agree in all of them share one object.

    Attributes
    ----------
    comparable
        Values by name, made comparable by :func:`comparable`.
    raw_class, tags
        What classification said.
    """

    __slots__ = ("_values", "comparable", "raw_class", "tags")

    def __init__(self, frame: Frame, values: Mapping[str, Value | None]) -> None:
        self._values = values
        self.raw_class, self.tags = frame.raw_class, frame.tags
        self.comparable = {name: comparable(value) for name, value in values.items()}

    def value(self, name: str) -> Value | None:
        """Return the value of an alias, keyword or tag that the rules ask for; None when it is missing."""
        found = self._values[name]
        return self.tags.get(name) if found is None else found


class TraitsReader:
    """Gives frames their traits.

    Parameters
    ----------
    aliases : mapping
        Alias -> header keywords, the first one present counts.
    names : iterable of str
        All aliases and keywords the rules ask for.
    """

    def __init__(self, aliases: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> None:
        self._aliases = aliases
        self._names = tuple(dict.fromkeys(names))
        self._keywords = tuple(dict.fromkeys(k for name in self._names for k in aliases.get(name, (name,))))
        self._each_alone = _ARCFILE in self._keywords
        self._known: dict[Hashable, Traits] = {}

    def of(self, frame: Frame) -> Traits:
        """Return the traits of a frame."""
        values = tuple(map(frame.keywords.get, self._keywords))
        # The logical T is not the number 1, so the types belong to what makes frames alike.
        tags = tuple(frame.tags.items()) if frame.tags else ()
        alike: tuple[Hashable, ...] = (values, tuple(map(type, values)), frame.raw_class, tags)
        if self._each_alone:
            alike = (*alike, frame.name)
        found = self._known.get(alike)
        if found is None:
            found = Traits(frame, {name: value_of(frame, self._aliases, name) for name in self._names})
            self._known[alike] = found
        return found


def names_asked(rules: Rules) -> set[str]:
    """Return all aliases and keywords the rules match or hold conditions on; not those they only group by."""
    names = {split.key for split in rules.splits.values()}
    for preselection in rules.preselection:
        names.update(preselection.when)
    for barrier in rules.breakpoints:
        names.update(barrier.when)
    for task in rules.tasks:
        names.update(task.setting, task.where)
        for association in task.associate:
            for choice in (association, *association.any_of):
                names.update(choice.match_names, choice.when, choice.applies)
    return names


def value_of(frame: Frame, aliases: Mapping[str, tuple[str, ...]], name: str) -> Value | None:
    """Return the header value of an alias or keyword; ARCFILE is the frame's identity."""
    return frame.name if name == _ARCFILE else lookup(frame.keywords, aliases, name)


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
    """Return the function that takes the values of these names out of comparable values."""
    if len(names) > 1:
        return itemgetter(*names)
    return lambda values: tuple(values[name] for name in names)
