"""Makes the syntax tree of an OCA file by recursive descent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from phoenix.association.oca.cursor import Cursor
from phoenix.association.oca.expressions import ExpressionParser
from phoenix.association.oca.source import preprocess, read_text
from phoenix.association.oca.tokens import Kind, OcaError, Position, Token
from phoenix.association.oca.tree import (
    Action,
    Assignment,
    Association,
    Classification,
    Constant,
    Expression,
    Oca,
    Organisation,
    Product,
    Recipe,
)


def read(path: Path) -> Oca:
    """Read an OCA file with what it includes.

    Raises
    ------
    OcaError
        Names file, line and column of the first mistake.
    """
    return parse(read_text(path), path.name, path.parent)


def parse(text: str, file: str = "(text)", folder: Path = Path()) -> Oca:
    """Read OCA text.

    Parameters
    ----------
    text : str
        The text.
    file : str, optional
        Name for messages.
    folder : Path, optional
        Where its includes are looked for.

    Raises
    ------
    OcaError
        Names file, line and column of the first mistake.
    """
    return _Parser(preprocess(text, file, folder)).file(file)


class _Returned:
    """The ``minRet`` and ``maxRet`` written so far; each holds for the next select only."""

    def __init__(self) -> None:
        self._bounds: dict[str, int] = {}

    def note(self, setting: Assignment, position: Position) -> bool:
        """Keep a setting if it is one of the two."""
        word = setting.keyword.lower()
        if word not in {"minret", "maxret"}:
            return False
        value = setting.value.value if isinstance(setting.value, Constant) else None
        if not isinstance(value, int) or isinstance(value, bool):
            raise OcaError(str(position), f"{setting.keyword} is no whole number", "one such as 0, 1, 3")
        self._bounds[word] = value
        return True

    def take(self) -> tuple[int | None, int | None]:
        """Return minimum and maximum, and forget them."""
        return self._bounds.pop("minret", None), self._bounds.pop("maxret", None)


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self._cursor = Cursor(tokens)
        self._expressions = ExpressionParser(self._cursor)

    def file(self, name: str) -> Oca:
        classifications: list[Classification] = []
        organisations: list[Organisation] = []
        actions: list[Action] = []
        returned = _Returned()
        cursor = self._cursor
        while not cursor.ended:
            position = cursor.position
            if cursor.accept_word("if"):
                classifications.append(self._classification(position))
            elif cursor.accept_word("select"):
                organisations.append(self._organisation(position, returned))
            elif cursor.accept_word("action"):
                actions.append(self._action(position))
            elif cursor.accept_sign(";"):
                continue
            elif cursor.token.kind is not Kind.NAME or not returned.note(self._assignment(), position):
                raise OcaError(
                    str(position), "begins no rule", "if, select execute, action, minRet or maxRet"
                )
        _refuse_twins(actions)
        return Oca(name, tuple(classifications), tuple(organisations), tuple(actions))

    def _classification(self, position: Position) -> Classification:
        condition = self._expression()
        self._cursor.word("then")
        assignments = self._block() if self._cursor.at_sign("{") else (self._assignment(),)
        return Classification(condition, assignments, position)

    def _organisation(self, position: Position, returned: _Returned) -> Organisation:
        cursor = self._cursor
        cursor.word("execute")
        cursor.sign("(")
        action = cursor.name("the name of an action")
        cursor.sign(")")
        source, condition = self._from_where()
        group_by: tuple[str, ...] = ()
        event: tuple[str, ...] = ()
        if cursor.accept_word("group"):
            cursor.word("by")
            group_by = self._names("a keyword to group by")
        if cursor.accept_word("as"):
            cursor.sign("(")
            event = self._names("the name of an event")
            cursor.sign(")")
        cursor.sign(";")
        return Organisation(action, source, condition, group_by, event, *returned.take(), position)

    def _action(self, position: Position) -> Action:
        cursor = self._cursor
        name = cursor.name("the name of an action")
        cursor.sign("{")
        associations: list[Association] = []
        products: list[Product] = []
        settings: list[Assignment] = []
        recipe: Recipe | None = None
        returned = _Returned()
        while not cursor.accept_sign("}"):
            place = cursor.position
            if cursor.accept_word("select"):
                associations.append(self._association(place, returned))
            elif cursor.accept_word("product"):
                products.append(Product(cursor.name("the tag of a product"), self._block(), place))
            elif cursor.accept_word("recipe"):
                if recipe is not None:
                    raise OcaError(
                        str(place), f"a second recipe; the first is at {recipe.position}", "one recipe"
                    )
                recipe = self._recipe(place)
            elif cursor.token.kind is Kind.NAME:
                setting = self._assignment()
                if not returned.note(setting, place):
                    settings.append(setting)
            elif not cursor.accept_sign(";"):
                cursor.fail("select file, recipe, product, minRet, maxRet or '}'")
        return Action(name, tuple(associations), recipe, tuple(products), tuple(settings), position)

    def _association(self, position: Position, returned: _Returned) -> Association:
        cursor = self._cursor
        cursor.word("file")
        cursor.word("as")
        tag = cursor.name("the tag of a calibration")
        source, condition = self._from_where()
        cursor.sign(";")
        return Association(tag, source, condition, *returned.take(), position)

    def _recipe(self, position: Position) -> Recipe:
        cursor = self._cursor
        name = cursor.name("the name of a recipe")
        options: list[str] = []
        if not cursor.accept_sign("{"):
            cursor.sign(";")
            return Recipe(name, (), position)
        while not cursor.accept_sign("}"):
            if cursor.token.kind is Kind.TEXT:
                options.append(cursor.take().text)
            elif not cursor.accept_sign(";"):
                cursor.fail("an option such as \"--name=value\", or '}'")
        return Recipe(name, tuple(options), position)

    def _from_where(self) -> tuple[str, Expression]:
        self._cursor.word("from")
        source = self._cursor.name("inputFiles, calibFiles or rawFiles")
        self._cursor.word("where")
        return source, self._expression()

    def _names(self, what: str) -> tuple[str, ...]:
        names = [self._cursor.name(what)]
        while self._cursor.accept_sign(","):
            names.append(self._cursor.name(what))
        return tuple(names)

    def _block(self) -> tuple[Assignment, ...]:
        cursor = self._cursor
        cursor.sign("{")
        assignments: list[Assignment] = []
        while not cursor.accept_sign("}"):
            if not cursor.accept_sign(";"):
                assignments.append(self._assignment())
        return tuple(assignments)

    def _assignment(self) -> Assignment:
        keyword = self._cursor.name("a keyword or '}'")
        self._cursor.sign("=")
        value = self._expression()
        self._cursor.sign(";")
        return Assignment(keyword, value)

    def _expression(self) -> Expression:
        return self._expressions.parse()


def _refuse_twins(actions: list[Action]) -> None:
    counts = Counter(action.name for action in actions)
    for action in actions:
        if counts[action.name] > 1:
            raise OcaError(
                str(action.position),
                f"the action {action.name} is defined {counts[action.name]} times",
                "once",
            )
