"""Reads conditions and values: or, and, not, comparison, sum, operand, in the order of their binding."""

from __future__ import annotations

import re
from collections.abc import Callable

from phoenix.association.oca.cursor import Cursor
from phoenix.association.oca.tokens import Kind, OcaError
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

_COMPARED = ("==", "!=", "<", "<=", ">", ">=")
_STRUCTURE = {"if", "then", "select", "execute", "file", "as", "from", "where", "group", "by"}
_RESERVED = _STRUCTURE | {
    "action",
    "recipe",
    "product",
    "and",
    "or",
    "not",
    "like",
    "regexp",
    "is",
    "undefined",
}
_LOGICAL = {"true": True, "false": False}
#: Deeper nesting than any person writes; it keeps hostile files from exhausting the stack.
_DEEPEST = 100


class ExpressionParser:
    """Reads one expression after the other from a cursor."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._depth = 0

    def parse(self) -> Expression:
        """Return the expression that begins at the cursor.

        Raises
        ------
        OcaError
            If none begins there, or it is nested too deeply.
        """
        self._depth += 1
        if self._depth > _DEEPEST:
            raise OcaError(
                str(self._cursor.position),
                f"more than {_DEEPEST} parentheses, not or signs within each other",
                "a condition people can read",
            )
        try:
            return self._joined("or", lambda: self._joined("and", self._negation, And), Or)
        finally:
            self._depth -= 1

    def _joined(self, word: str, part: Callable[[], Expression], join: type[And] | type[Or]) -> Expression:
        terms = [part()]
        while self._cursor.accept_word(word):
            terms.append(part())
        return terms[0] if len(terms) == 1 else join(tuple(terms))

    def _negation(self) -> Expression:
        negations = 0
        while self._cursor.accept_word("not"):
            negations += 1
        term = self._comparison()
        return Not(term) if negations % 2 else term

    def _comparison(self) -> Expression:
        cursor = self._cursor
        left = self._sum()
        if cursor.at_sign(*_COMPARED):
            return Comparison(left, cursor.take().text, self._sum())
        if cursor.accept_word("like"):
            return Comparison(left, "like", self._pattern())
        if cursor.accept_word("regexp"):
            return Comparison(left, "regexp", self._regular_expression())
        if cursor.accept_word("is"):
            contrary = cursor.accept_word("not")
            if cursor.accept_word("undefined"):
                return Defined(left, wanted=contrary)
            return Comparison(left, "!=" if contrary else "==", self._sum())
        return left

    def _pattern(self) -> Constant:
        if self._cursor.token.kind is not Kind.TEXT:
            self._cursor.fail("a string, % standing for any text")
        return Constant(self._cursor.take().text)

    def _regular_expression(self) -> Constant:
        position, pattern = self._cursor.position, self._pattern()
        try:
            re.compile(str(pattern.value))
        except (re.error, OverflowError, RecursionError) as error:
            raise OcaError(
                str(position), f"{pattern.value!r} is no regular expression: {error}", "one that compiles"
            ) from error
        return pattern

    def _sum(self) -> Expression:
        terms = [(1, self._operand())]
        while self._cursor.at_sign("+", "-"):
            sign = 1 if self._cursor.take().text == "+" else -1
            terms.append((sign, self._operand()))
        return terms[0][1] if len(terms) == 1 else Sum(tuple(terms))

    def _operand(self) -> Expression:
        cursor = self._cursor
        if cursor.accept_sign("("):
            inner = self.parse()
            cursor.sign(")")
            return inner
        if cursor.accept_sign("-"):
            return Sum(((-1, self._number()),))
        token = cursor.token
        if token.kind is Kind.TEXT:
            return Constant(cursor.take().text)
        if token.kind is Kind.NUMBER:
            return self._number()
        word = token.text.lower()
        if token.kind is not Kind.NAME or word in _RESERVED:
            cursor.fail("a keyword, string, number or parenthesis")
        cursor.take()
        if word in _LOGICAL:
            return Constant(_LOGICAL[word])
        of_input = token.text.startswith(INPUT_FILE)
        return Keyword(token.text.removeprefix(INPUT_FILE), of_input)

    def _number(self) -> Constant:
        if self._cursor.token.kind is not Kind.NUMBER:
            self._cursor.fail("a number")
        text = self._cursor.take().text
        # No whole number of a header has more digits than this.
        return Constant(int(text) if text.isdecimal() and len(text) < 20 else float(text))
