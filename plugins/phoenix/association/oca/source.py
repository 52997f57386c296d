"""What the C preprocessor does to an OCA file: ``#include``, ``#define`` of names, line markers.

The files of an instrument are often kept in parts with macros and joined by ``gcc -E``. Parts, plain macros
and the result of ``gcc -E`` are all read; conditional lines and macros with arguments are left to ``gcc -E``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from phoenix.association.oca.tokens import Kind, OcaError, Position, Token, tokenize

#: A file that grows beyond this by macros or includes is a mistake; ESO's largest has 20,000.
_MOST_TOKENS = 300_000
_DEEPEST_INCLUDE = 50
_INCLUDE = re.compile(r'include\s*["<](?P<name>[^">\n]+)[">]\s*(?://.*)?')
_DEFINE = re.compile(r"define\s+(?P<name>[A-Za-z_]\w*)(?P<open>\()?(?P<body>.*)", re.DOTALL)
_UNDEF = re.compile(r"undef\s+(?P<name>[A-Za-z_]\w*)\s*")
_MARKER = re.compile(r'(?:line\s+)?(?P<line>\d{1,9})(?:\s+"(?P<file>[^"]*)")?[\s\d]*')
_PREPROCESS = "run the preprocessor first: gcc -E -x c FILE > FILE.RLS"


def read_text(path: Path) -> str:
    """Return the text of a rule file.

    Raises
    ------
    OcaError
        If it cannot be read.
    """
    try:
        # Latin-1 takes every byte: comments of old files hold accented names in more than one encoding.
        return path.read_text(encoding="latin-1")
    except OSError as error:
        raise OcaError(str(path), f"cannot be read: {error.strerror}", "an OCA file") from error


def preprocess(text: str, file: str, folder: Path) -> list[Token]:
    """Return the tokens of a text with its includes and macros put in, ending with an END.

    Parameters
    ----------
    text : str
        OCA text.
    file : str
        Name for messages.
    folder : Path
        Where its includes are looked for.

    Raises
    ------
    OcaError
        For a word that is none, a missing or circular include, or what only ``gcc -E`` can do.
    """
    tokens = list(_Preprocessor().run(text, file, folder, ((folder / file).resolve(),)))
    last = tokens[-1].position if tokens else Position(file, 1, 1)
    return [*tokens, Token(Kind.END, "", last)]


class _Preprocessor:
    def __init__(self) -> None:
        self._macros: dict[str, tuple[Token, ...]] = {}
        self._given = 0

    def run(self, text: str, file: str, folder: Path, within: tuple[Path, ...]) -> Iterator[Token]:
        shift, shown = 0, file
        for token in tokenize(text, file):
            if shift or shown != file:
                token = replace(token, position=_moved(token.position, shown, shift))
            if token.kind is not Kind.DIRECTIVE:
                yield from self._expand(token, token.position, frozenset())
                continue
            line = token.text.strip()
            if marker := _MARKER.fullmatch(line):
                shift += int(marker["line"]) - token.position.line - 1
                shown = marker["file"] or shown
            elif include := _INCLUDE.fullmatch(line):
                yield from self._include(include["name"], token.position, folder, within)
            else:
                self._define(line, token.position)

    def _include(
        self, name: str, position: Position, folder: Path, within: tuple[Path, ...]
    ) -> Iterator[Token]:
        path = (folder / name).resolve()
        if path in within or len(within) >= _DEEPEST_INCLUDE:
            raise OcaError(
                str(position),
                f"includes {name}, which includes this file",
                "files that do not include each other",
            )
        if not path.is_file():
            raise OcaError(str(position), f"includes {name}, which is not there", f"a file {path}")
        yield from self.run(read_text(path), path.name, path.parent, (*within, path))

    def _define(self, line: str, position: Position) -> None:
        if define := _DEFINE.fullmatch(line):
            if define["open"]:
                raise OcaError(
                    str(position), f"the macro {define['name']} has arguments", "a plain name", _PREPROCESS
                )
            self._macros[define["name"]] = tuple(tokenize(define["body"], position.file, position.line))
        elif undef := _UNDEF.fullmatch(line):
            self._macros.pop(undef["name"], None)
        else:
            raise OcaError(str(position), f"#{line[:40]}", "#include, #define or #undef", _PREPROCESS)

    def _expand(self, token: Token, place: Position, hidden: frozenset[str]) -> Iterator[Token]:
        """Yield a token, or what its macro stands for; as in C a macro does not expand within itself."""
        body = self._macros.get(token.text) if token.kind is Kind.NAME and token.text not in hidden else None
        if body is None:
            self._given += 1
            if self._given > _MOST_TOKENS:
                raise OcaError(str(place), f"more than {_MOST_TOKENS} words", "a rule file")
            yield replace(token, position=place)
            return
        for part in body:
            yield from self._expand(part, place, hidden | {token.text})


def _moved(position: Position, file: str, shift: int) -> Position:
    return Position(file, position.line + shift, position.column)
