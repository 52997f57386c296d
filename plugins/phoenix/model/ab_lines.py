r"""Lines of DFOS text: ``KEY value ... # comment``; how values are quoted, and nothing of what keys mean.

A value stands bare when it is made of printable ASCII without blank, ``"``, ``#`` or backslash. Any other
value, the empty one too, is written as a JSON string: ``"two words"``, ``"a \" quote"``, ``"line\nbreak"``.
So header text, however hostile, can neither end its line nor begin another one. A comment begins at a ``#``
that starts a word outside quotes. Only a line feed ends a line; a carriage return before it belongs to it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from phoenix.errors import AssociationError

_BARE = re.compile(r"[!$-\[\]-~]+")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"#]\S*', re.ASCII)
_BLANK = re.compile(r"[ \t\r]*")


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was read or shall be written.

    Attributes
    ----------
    text
        The line with its end, exactly.
    key, values
        Empty for blank and comment lines.
    comment
        From ``#`` to the end of the line, without the line's end.
    """

    text: str
    key: str = ""
    values: tuple[str, ...] = ()
    comment: str = ""
    number: int = 0


def quote(value: str) -> str:
    """Return a value as it stands in a line."""
    return value if _BARE.fullmatch(value) else json.dumps(value)


def compose(key: str, values: tuple[str, ...], comment: str = "") -> Line:
    """Return a new line of that content."""
    text = f"{key:<15} {' '.join(quote(value) for value in values)}".rstrip()
    return Line(f"{text} {comment}\n" if comment else f"{text}\n", key, values, comment)


def remark(text: str = "") -> Line:
    """Return a comment line, or a blank one."""
    return Line(f"# {text}\n" if text else "\n", comment=f"# {text}" if text else "")


def read_line(text: str, number: int, source: str) -> Line:
    """Take a line apart.

    Raises
    ------
    AssociationError
        If a quoted value does not end, or holds an unknown escape; names source and line.
    """
    words: list[str] = []
    position, comment = 0, ""
    while True:
        blank = _BLANK.match(text, position)
        position = blank.end() if blank else position
        if position >= len(text) or text[position] == "\n":
            break
        if text[position] == "#":
            comment = text[position:].rstrip("\r\n")
            break
        token = _TOKEN.match(text, position)
        if token is None or (token[0][0] == '"' and text[token.end() : token.end() + 1].strip()):
            raise _bad_line(source, number, text[position:])
        words.append(_unquote(token[0], source, number))
        position = token.end()
    key, *values = words or [""]
    return Line(text, key, tuple(values), comment, number)


def _unquote(token: str, source: str, number: int) -> str:
    if token[0] != '"':
        return token
    try:
        return str(json.loads(token))
    except ValueError as error:
        raise _bad_line(source, number, token) from error


def _bad_line(source: str, number: int, found: str) -> AssociationError:
    return AssociationError(
        f"{source}, line {number}",
        f"a value that cannot be read: {found.strip()[:80]!r}",
        'a word without blanks and quotes, or a JSON string such as "two words"',
        "mend the line",
    )
