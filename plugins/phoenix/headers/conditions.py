"""Conditions of the rules held against header values; classification and association both ask here.

A missing keyword fulfils nothing that asks for a value (``one_of``, ``like``, ``at_least`` ...), and
everything that only forbids one (``none_of``, ``unlike``): a frame without INS.LAMP1.ST has no lamp on.
Add ``present: true`` where the keyword must be there too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from phoenix.config.conditions import Condition, When
from phoenix.model.frame import Value

#: Gives the value of a keyword or alias, None when it is missing.
Lookup = Callable[[str], Value | None]


@dataclass(frozen=True, slots=True)
class Failure:
    """A condition that does not hold: where, what was found, what was expected.

    Attributes
    ----------
    key
        Keyword or alias, as the rule spells it.
    found
        Value in the header; None when it is missing.
    expected
        The condition in words: ``one of 'OBJECT', 'OBJECT,POINT'``.
    """

    key: str
    found: Value | None
    expected: str

    def __str__(self) -> str:
        found = "missing" if self.found is None else repr(self.found)
        return f"{self.key} is {found}, expected {self.expected}"


def lookup(keywords: Mapping[str, Value], aliases: Mapping[str, tuple[str, ...]], key: str) -> Value | None:
    """Return the value of a keyword, or of the first keyword of an alias that is present; None if missing."""
    for keyword in aliases.get(key, (key,)):
        value = keywords.get(keyword)
        if value is not None:
            return value
    return None


def same(left: Value | None, right: Value | None) -> bool:
    """Whether two header values are equal; the logical T is not the number 1, and NaN equals nothing."""
    return left == right and isinstance(left, bool) == isinstance(right, bool)


def first_failure(when: When, value_of: Lookup) -> Failure | None:
    """Return the first condition of `when`, in the rule's order, that does not hold; None when all hold."""
    for key, condition in when.items():
        found = value_of(key)
        for expected in _unmet(condition, found):
            return Failure(key, found, expected)
    return None


def _unmet(condition: Condition, found: Value | None) -> Iterator[str]:
    """Give in words each part of the condition that the value does not fulfil."""
    if condition.present is not None and condition.present != (found is not None):
        yield "any value" if condition.present else "no such keyword"
    if condition.one_of is not None and not _among(found, condition.one_of):
        yield _listed(condition.one_of)
    if condition.none_of is not None and _among(found, condition.none_of):
        yield f"not {_listed(condition.none_of)}"
    if condition.like is not None and not _like(found, condition.like):
        yield f"like {condition.like!r}"
    if condition.unlike is not None and _like(found, condition.unlike):
        yield f"unlike {condition.unlike!r}"
    number = found if isinstance(found, (int, float)) and not isinstance(found, bool) else None
    if condition.at_least is not None and not (number is not None and number >= condition.at_least):
        yield f"at least {condition.at_least:g}"
    if condition.at_most is not None and not (number is not None and number <= condition.at_most):
        yield f"at most {condition.at_most:g}"
    if condition.above is not None and not (number is not None and number > condition.above):
        yield f"above {condition.above:g}"
    if condition.below is not None and not (number is not None and number < condition.below):
        yield f"below {condition.below:g}"


def _among(found: Value | None, values: tuple[Value, ...]) -> bool:
    return any(same(found, value) for value in values)


def _listed(values: tuple[Value, ...]) -> str:
    words = ", ".join(map(repr, values))
    return words if len(values) == 1 else f"one of {words}"


def _like(found: Value | None, pattern: str) -> bool:
    return isinstance(found, str) and _compiled(pattern).fullmatch(found) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("%"))), re.DOTALL)
