"""Writes an expression in OCA's own words, for reports."""

from __future__ import annotations

from phoenix.association.oca.tree import (
    INPUT_FILE,
    And,
    Comparison,
    Constant,
    Defined,
    Expression,
    Keyword,
    Not,
    Or,
    Sum,
)
from phoenix.model.frame import Value


def written(expression: Expression) -> str:
    """Return an expression as OCA text; reading it gives the same expression."""
    match expression:
        case Constant(value):
            return written_value(value)
        case Keyword(name, of_input):
            return INPUT_FILE + name if of_input else name
        case Sum(((-1, number),)):
            return f"-{_operand(number)}"
        case Sum(terms):
            text = " ".join(f"{'+' if sign > 0 else '-'} {_operand(term)}" for sign, term in terms)
            return text.removeprefix("+ ")
        case Comparison(left, operator, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case Defined(operand, wanted):
            return f"{_operand(operand)} is {'not ' if wanted else ''}undefined"
        case Not(term):
            return f"not {_condition(term)}"
        case And(terms):
            return " and ".join(map(_condition, terms))
        case Or(terms):
            return " or ".join(map(_condition, terms))


def written_value(value: Value) -> str:
    """Return a header value as OCA text."""
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, str):
        return f"'{value}'" if '"' in value else f'"{value}"'
    return repr(value)


def _operand(expression: Expression) -> str:
    plain = isinstance(expression, (Constant, Keyword))
    return written(expression) if plain else f"({written(expression)})"


def _condition(expression: Expression) -> str:
    plain = isinstance(expression, (Constant, Keyword, Comparison, Defined))
    return written(expression) if plain else f"({written(expression)})"
