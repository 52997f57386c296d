"""The words of an OCA file and where they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from phoenix.errors import AssociationError


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class OcaError(AssociationError):
    """An OCA file cannot be read; the subject is file, line and column."""

    code = "OCA"
    exit_code = 2


class Kind(StrEnum):
    """What a token is."""

    TEXT = "a string"
    NUMBER = "a number"
    NAME = "a name"
    SIGN = "a sign"
    DIRECTIVE = "a preprocessor line"
    END = "the end of the file"


@dataclass(frozen=True, slots=True)
class Token:
    """One word: strings without their quotes, directives without their ``#``."""

    kind: Kind
    text: str
    position: Position

    def __str__(self) -> str:
        if self.kind is Kind.END:
            return self.kind.value
        return f'"{self.text}"' if self.kind is Kind.TEXT else f"'{self.text}'"


# A hyphen belongs to a keyword when a letter follows (MJD-OBS); else it is a minus.
_WORD = re.compile(
    r"""
      (?P<blank>(?:\s|\\\r?\n|//[^\n]*|/\*.*?\*/)+)
    | (?P<DIRECTIVE>\#(?:\\\r?\n|[^\n])*)
    | (?P<TEXT>"[^"\n]*"|'[^'\n]*')
    | (?P<NUMBER>\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
    | (?P<NAME>[A-Za-z_]\w*(?:\.\w+|-[A-Za-z]\w*)*)
    | (?P<SIGN>==|!=|<=|>=|[=<>(){},;+-])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_BEYOND = {
    '"': "a string that does not end on its line",
    "'": "a string that does not end on its line",
    "/": "a comment that does not end",
    "#": "a # that does not begin the line",
}


def tokenize(text: str, file: str, line: int = 1) -> Iterator[Token]:
    """Yield the tokens of a text, without comments and without an END.

    Parameters
    ----------
    text : str
        OCA text; strings in single or double quotes, comments as in C++.
    file : str
        Name for messages.
    line : int, optional
        Number of the text's first line.

    Raises
    ------
    OcaError
        At the first character that begins no token.
    """
    at = line_start = 0
    while at < len(text):
        position = Position(file, line, at - line_start + 1)
        found = _WORD.match(text, at)
        kind = found.lastgroup if found else None
        if found is None or (kind == "DIRECTIVE" and text[line_start:at].strip()):
            raise OcaError(
                str(position),
                _BEYOND.get(text[at], f"the character {text[at]!r}"),
                "a string, number, name, operator or comment",
            )
        word = found.group()
        if kind == "DIRECTIVE":
            yield Token(Kind.DIRECTIVE, word[1:], position)
        elif kind == "TEXT":
            yield Token(Kind.TEXT, word[1:-1], position)
        elif kind != "blank" and kind is not None:
            yield Token(Kind[kind], word, position)
        at = found.end()
        breaks = word.count("\n")
        if breaks:
            line += breaks
            line_start = found.start() + word.rfind("\n") + 1
