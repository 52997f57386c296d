"""Reads calSelector's association files: which files ESO's archive says belong together.

The form is that of ESO's archive (``archive.eso.org/calselector``): a tree of ``<association category=...
complete=...>``, each with ``<mainFiles>``, the files that belong together, and ``<associatedFiles>``, the
associations that calibrate them; a ``<file category=... name=...>`` is named without ``.fits``. In mode
raw2master the nested ones are master calibrations, in mode raw2raw raw ones with calibrations of their
own. ``<message text=...>`` says what is missing. Elements that we do not know are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat  # entities and document types are refused below

from phoenix.errors import AssociationError

#: calSelector's own files have some 10 kB.
MAX_BYTES = 8_000_000
#: A cascade has five steps or so.
MAX_DEPTH = 40
_FLAGS = {"true": True, "false": False}
_REMEDY = "get the file anew from the archive's calSelector"


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file as calSelector names it, with the category it has for the pipeline; ``line`` of the XML."""

    name: str
    category: str
    line: int


@dataclass(frozen=True, slots=True)
class CalAssociation:
    """Files that belong together and what calibrates them.

    Attributes
    ----------
    complete
        False if calSelector could not find all that the calibration plan asks for.
    messages
        What calSelector says about it.
    """

    category: str
    complete: bool
    main: tuple[NamedFile, ...]
    associated: tuple[CalAssociation, ...]
    messages: tuple[str, ...]

    def walk(self) -> Iterator[CalAssociation]:
        """Give the association and all below it."""
        yield self
        for each in self.associated:
            yield from each.walk()


def read(path: Path) -> CalAssociation:
    """Read an association file.

    Raises
    ------
    AssociationError
        If it cannot be read, is not calSelector's XML, or declares a document type or entities.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise AssociationError(
            str(path), f"cannot be read: {error.strerror}", remedy="mend its permissions"
        ) from error
    return parse(content, str(path))


def parse(content: bytes, source: str) -> CalAssociation:
    """Read the content of an association file; raises as :func:`read` does.

    Parameters
    ----------
    source : str
        The file's name, for error messages.
    """
    if len(content) > MAX_BYTES:
        raise AssociationError(source, "is too large", f"at most {MAX_BYTES:,} bytes", _REMEDY)
    return _Reader(source).read(content)


@dataclass
class _Building:
    category: str
    complete: bool
    main: list[NamedFile] = field(default_factory=list)
    associated: list[CalAssociation] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)

    def built(self) -> CalAssociation:
        return CalAssociation(
            self.category, self.complete, tuple(self.main), tuple(self.associated), tuple(self.messages)
        )


class _Reader:
    """Follows the elements one by one; no more of a file is kept than what it says."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[_Building] = []
        self._elements: list[str] = []
        self._root: CalAssociation | None = None
        self._expat = expat.ParserCreate()
        self._expat.StartDoctypeDeclHandler = self._refuse
        self._expat.EntityDeclHandler = self._refuse
        self._expat.ExternalEntityRefHandler = self._refuse
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end

    def read(self, content: bytes) -> CalAssociation:
        try:
            self._expat.Parse(content, True)
        except (expat.ExpatError, ValueError, LookupError) as error:
            self._wrong("the file", f"is not XML: {error}", "calSelector's XML")
        if self._root is None:
            self._wrong("the file", "holds no association", "an element association")
        return self._root

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        if len(self._elements) >= MAX_DEPTH:
            self._wrong(f"element {element[:40]}", "nested too deeply", f"at most {MAX_DEPTH} elements deep")
        parent = self._elements[-1] if self._elements else ""
        self._elements.append(element)
        if element == "association":
            if parent not in ("", "associatedFiles"):
                self._wrong("element association", f"stands in {parent}", "associatedFiles around it")
            self._open.append(
                _Building(self._attribute(element, attributes, "category"), self._flag(attributes))
            )
        elif not self._open:
            self._wrong(f"element {element[:40]}", "is the first one", "an element association")
        elif element == "file" and parent in ("mainFiles", "associatedFiles"):
            self._file(parent, attributes)
        elif element == "message":
            self._open[-1].messages.append(attributes.get("text", "")[:400])

    def _end(self, element: str) -> None:
        self._elements.pop()
        if element == "association":
            done = self._open.pop()
            if not done.main:
                self._wrong(f"association {done.category[:40]!r}", "has no files", "mainFiles with a file")
            if self._open:
                self._open[-1].associated.append(done.built())
            else:
                self._root = done.built()

    def _file(self, parent: str, attributes: dict[str, str]) -> None:
        name, category = (self._attribute("file", attributes, key) for key in ("name", "category"))
        file = NamedFile(name.removesuffix(".fits"), category, self._expat.CurrentLineNumber)
        if parent == "mainFiles":
            self._open[-1].main.append(file)
        else:
            self._open[-1].associated.append(CalAssociation(category, True, (file,), (), ()))

    def _attribute(self, element: str, attributes: dict[str, str], name: str) -> str:
        value = attributes.get(name, "").strip()
        if not value:
            self._wrong(f"element {element}", f"has no {name}", f'{name}="..."')
        return value

    def _flag(self, attributes: dict[str, str]) -> bool:
        word = attributes.get("complete", "true").strip().lower()
        if word not in _FLAGS:
            self._wrong("element association", f"has complete={word[:40]!r}", "true or false")
        return _FLAGS[word]

    def _refuse(self, *_: Any) -> NoReturn:
        self._wrong("the file", "declares a document type or entities", "plain XML without either")

    def _wrong(self, what: str, found: str, expected: str) -> NoReturn:
        place = f"{self._source}, line {self._expat.CurrentLineNumber}"
        raise AssociationError(place, f"{what} {found}", expected, _REMEDY)
