"""Asks OCA rules about header values.

The classification rules are asked from the first to the last; each that holds sets its attributes and
overwrites what earlier ones set, and later conditions see what was set (so says the placeholder rule file
``VLT.oca`` that comes with ESO's Gasgano). A comparison with a missing keyword does not hold, whatever the
operator; ``is undefined`` asks for just that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache

from phoenix.association.oca.tree import (
    And,
    Comparison,
    Constant,
    Defined,
    Expression,
    Keyword,
    Not,
    Oca,
    Or,
    Sum,
)
from phoenix.headers.conditions import same
from phoenix.model.frame import Value

#: Where a rule puts the class, the tag in the SOF: Reflex first, then DFOS, then Gasgano.
CLASS_KEYWORDS = ("REFLEX.CATG", "DO.CLASS", "DO.CATG")

Header = Mapping[str, Value]


def classify(oca: Oca, header: Header) -> dict[str, Value]:
    """Return the attributes the classification rules give to a frame.

    Parameters
    ----------
    oca : Oca
        The rules.
    header : mapping
        Header values by dotted keyword.

    Returns
    -------
    dict
        What was set: ``REFLEX.CATG``, ``DO.CATG``, ``RAW.TYPE``, ``CATG`` ...; empty when no rule holds.
    """
    attributes: dict[str, Value] = {}
    seen = dict(header)
    for rule in oca.classifications:
        if holds(rule.condition, seen):
            for assignment in rule.assignments:
                value = value_of(assignment.value, seen)
                if value is not None:
                    attributes[assignment.keyword] = seen[assignment.keyword] = value
    return attributes


def class_of(attributes: Header) -> str | None:
    """Return the class among the attributes of `classify`, None when there is none."""
    return next((str(attributes[key]) for key in CLASS_KEYWORDS if attributes.get(key)), None)


def holds(condition: Expression, header: Header, input_file: Header | None = None) -> bool:
    """Whether a condition is fulfilled.

    Parameters
    ----------
    condition : Expression
        The condition.
    header : mapping
        Values of the frame asked about; of the candidate, in an association.
    input_file : mapping, optional
        Values of the frame a calibration is looked for; ``inputFile.`` keywords are missing without it.
    """
    return value_of(condition, header, input_file) is True


def value_of(expression: Expression, header: Header, input_file: Header | None = None) -> Value | None:
    """Return the value of an expression, None when it is undefined; parameters as for `holds`."""
    match expression:
        case Constant(value):
            return value
        case Keyword(name, of_input):
            return (input_file or {}).get(name) if of_input else header.get(name)
        case Sum(terms):
            return _sum([(sign, value_of(term, header, input_file)) for sign, term in terms])
        case Comparison(left, operator, right):
            return _compare(value_of(left, header, input_file), operator, value_of(right, header, input_file))
        case Defined(operand, wanted):
            return (value_of(operand, header, input_file) is not None) is wanted
        case Not(term):
            return not holds(term, header, input_file)
        case And(terms):
            return all(holds(term, header, input_file) for term in terms)
        case Or(terms):
            return any(holds(term, header, input_file) for term in terms)


def _sum(terms: list[tuple[int, Value | None]]) -> Value | None:
    total: int | float = 0
    for sign, value in terms:
        number = _number(value)
        if number is None:
            return None
        total += sign * number
    return total


def _number(value: Value | None) -> int | float | None:
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _compare(left: Value | None, operator: str, right: Value | None) -> bool:
    if left is None or right is None:
        return False
    if operator == "==":
        return same(left, right)
    if operator == "!=":
        return not same(left, right)
    if operator in {"like", "regexp"}:
        return isinstance(left, str) and _pattern(operator, str(right)).fullmatch(left) is not None
    order = _order(left, right)
    if operator.startswith("<"):
        return order < 0 or (order == 0 and operator == "<=")
    return order > 0 or (order == 0 and operator == ">=")


def _order(left: Value, right: Value) -> float:
    """Return -1, 0 or 1, or NaN for a text against a number."""
    first, second = _number(left), _number(right)
    if first is not None and second is not None:
        return (first > second) - (first < second) if first == first and second == second else math.nan
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    return math.nan


@lru_cache(maxsize=1024)
def _pattern(operator: str, text: str) -> re.Pattern[str]:
    if operator == "like":
        text = ".*".join(map(re.escape, text.split("%")))
    return re.compile(text, re.DOTALL)
