"""Keywords of OCA files: which a condition asks for, and how our rules call them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from phoenix.association.oca.tree import (
    And,
    Comparison,
    Constant,
    Defined,
    Expression,
    Keyword,
    Not,
    Or,
    Organisation,
    Sum,
)
from phoenix.config.rules import Rules
from phoenix.model.frame import Value

#: What Gasgano's marks for "a whole template" and "each frame" group by.
_MARKS = {"SIG.TEMPLATE": "TPL.START", "SIG.FRAME": "ARCFILE"}


class Vocabulary:
    """Names keywords as our rules do: by alias where there is one.

    Parameters
    ----------
    rules : Rules
        The rules with their aliases.
    """

    def __init__(self, rules: Rules) -> None:
        self._names: dict[str, str] = {}
        for alias, keywords in rules.aliases.items():
            for keyword in keywords:
                self._names.setdefault(keyword, alias)

    def names(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the names of keywords; aliases and keywords without one stay as they are."""
        return frozenset(self._names.get(key, key) for key in keys)


def group_keys(organisation: Organisation) -> frozenset[str]:
    """Return the keywords an OCA group is made by, those meant by Gasgano's marks included."""
    named = {part.name for part in _parts(organisation.condition) if isinstance(part, Keyword)}
    return frozenset(organisation.group_by) | {key for mark, key in _MARKS.items() if mark in named}


def compared_values(condition: Expression, keyword: str) -> Iterator[Value]:
    """Yield the values a keyword is compared with, by whatever operator."""
    for part in _parts(condition):
        match part:
            case Comparison(Keyword(name), _, Constant(value)) if name == keyword:
                yield value


def _parts(expression: Expression) -> Iterator[Expression]:
    """Yield an expression and all it is made of."""
    yield expression
    inner: tuple[Expression, ...] = ()
    match expression:
        case And(terms) | Or(terms):
            inner = terms
        case Sum(signed):
            inner = tuple(term for _, term in signed)
        case Comparison(left, _, right):
            inner = (left, right)
        case Defined(term) | Not(term):
            inner = (term,)
    for part in inner:
        yield from _parts(part)
