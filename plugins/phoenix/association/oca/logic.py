"""Conditions taken apart: into alternatives, each a list of terms that must all hold."""

from __future__ import annotations

from itertools import product

from phoenix.association.oca.evaluate import Header, holds
from phoenix.association.oca.tokens import OcaError, Position
from phoenix.association.oca.tree import And, Comparison, Constant, Expression, Not, Or

#: A condition of a rule file has a few; more come from a mistake or malice.
_MOST_ALTERNATIVES = 5000
_CONTRARY = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}

#: Terms that must all hold.
Terms = tuple[Expression, ...]


def alternatives(condition: Expression, position: Position) -> tuple[Terms, ...]:
    """Return the condition as alternatives, none twice, in the order it is written.

    What always holds, as ``A < B or A >= B``, is left out; a condition that always holds gives one
    alternative without terms.

    Raises
    ------
    OcaError
        If there are thousands; `position` tells the reader where.
    """
    return tuple(dict.fromkeys(_spread(condition, True, position)))


def _spread(condition: Expression, wanted: bool, position: Position) -> list[Terms]:
    match condition:
        case Not(term):
            return _spread(term, not wanted, position)
        case And(terms) if wanted:
            return _all(terms, wanted, position)
        case Or(terms) if not wanted:
            return _all(terms, wanted, position)
        case And(terms) | Or(terms):
            return _any(terms, wanted, position)
        case Constant(value) if value is wanted:
            return [()]
    return [(condition if wanted else Not(condition),)]


def _all(terms: Terms, wanted: bool, position: Position) -> list[Terms]:
    parts = [_spread(term, wanted, position) for term in terms]
    count = 1
    for part in parts:
        count *= len(part)
    if count > _MOST_ALTERNATIVES:
        raise OcaError(
            str(position), f"a condition with {count} alternatives", f"at most {_MOST_ALTERNATIVES}"
        )
    return [tuple(dict.fromkeys(term for part in choice for term in part)) for choice in product(*parts)]


def _any(terms: Terms, wanted: bool, position: Position) -> list[Terms]:
    spread = [choice for term in terms for choice in _spread(term, wanted, position)]
    single = {choice[0] for choice in spread if len(choice) == 1}
    always = () in spread or any(_contrary(term) in single for term in single)
    return [()] if always else spread


def _contrary(term: Expression) -> Expression | None:
    """Return the term that holds when this one does not; the contrary is only seen when written as such."""
    if isinstance(term, Comparison) and term.operator in _CONTRARY:
        return Comparison(term.left, _CONTRARY[term.operator], term.right)
    return None


def unmet(terms: Terms, header: Header) -> Terms:
    """Return the terms that do not hold for a header."""
    return tuple(term for term in terms if not holds(term, header))
