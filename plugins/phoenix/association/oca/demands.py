"""What an OCA association asks of a calibration, in our rules' terms: category, match keys, the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from phoenix.association.oca.evaluate import CLASS_KEYWORDS
from phoenix.association.oca.logic import Terms, alternatives
from phoenix.association.oca.tokens import Position
from phoenix.association.oca.tree import (
    And,
    Association,
    Comparison,
    Constant,
    Expression,
    Keyword,
)
from phoenix.association.oca.wording import written

_CATEGORY_KEYWORDS = frozenset({"PRO.CATG", *CLASS_KEYWORDS})
#: Reflex marks products made in the same workflow, so that no older file of that category is taken.
_WORKFLOW_MARK = re.compile(r"_WKFS?$")


@dataclass(frozen=True, slots=True)
class Demand:
    """One association, taken apart.

    Attributes
    ----------
    categories
        PRO.CATG, without Reflex's mark for products of the workflow.
    keys
        Keywords that must be equal in calibration and input file, whatever alternative holds.
    sometimes
        Keywords that must be equal in some alternatives only.
    others
        All other terms, as OCA text; what has an alternative, with its alternatives.
    minimum, maximum
        How many are taken; a `maximum` of None is no limit.
    """

    categories: tuple[str, ...]
    keys: frozenset[str]
    sometimes: frozenset[str]
    others: tuple[str, ...]
    minimum: int
    maximum: int | None


def demand(association: Association) -> Demand:
    """Take an association apart; INSTRUME is left out, for our rules are those of one instrument."""
    choices = alternatives(association.condition, association.position)
    keys = [_keys(choice) for choice in choices]
    always = frozenset.intersection(*keys)
    categories = dict.fromkeys(name for choice in choices for name in _categories(choice))
    return Demand(
        tuple(categories) or (_category(association.tag),),
        always,
        frozenset.union(*keys) - always,
        tuple(_others(association.condition, association.position)),
        1 if association.minimum is None else association.minimum,
        association.maximum,
    )


def _category(name: str) -> str:
    return _WORKFLOW_MARK.sub("", name)


def _categories(terms: Terms) -> list[str]:
    return [_category(name) for term in terms if (name := _named(term)) is not None]


def _named(term: Expression) -> str | None:
    """Return the category a term asks for, None when it asks for something else."""
    match term:
        case Comparison(Keyword(name, False), "==", Constant(value)) if name in _CATEGORY_KEYWORDS:
            return str(value)
    return None


def _keys(terms: Terms) -> frozenset[str]:
    return frozenset(key for term in terms if (key := _matched(term)) and key != "INSTRUME")


def _matched(term: Expression) -> str | None:
    """Return the keyword a term asks to be equal in both files, None when it asks for something else."""
    match term:
        case Comparison(Keyword(name, first), "==", Keyword(other, second)) if (
            name == other and first != second
        ):
            return name
    return None


def _others(condition: Expression, position: Position) -> Iterator[str]:
    if isinstance(condition, And):
        for term in condition.terms:
            yield from _others(term, position)
        return
    choices = alternatives(condition, position)
    terms = {term for choice in choices for term in choice}
    if () not in choices and any(_named(term) is None and _matched(term) is None for term in terms):
        yield written(condition)
