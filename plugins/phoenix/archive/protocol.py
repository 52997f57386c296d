"""What an archive must be able to do, so that others than the local folder can take its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

from phoenix.errors import ArchiveError


class UnfitError(ArchiveError):
    """The content of a file is not fit for the archive; another try would not help."""


@dataclass(frozen=True, slots=True)
class Deposit:
    """A file on its way into the archive.

    Attributes
    ----------
    arcfile
        The name it gets, ``ADP.2026-11-22T18:00:00.123.fits``; unique for ever.
    origfile
        The name the converter gave it.
    sha256
        Hash of the source file as the converter left it.
    renamed
        Archive names of the files of the same dataset by their original names.
    """

    source: Path
    arcfile: str
    origfile: str
    sha256: str
    renamed: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Staged:
    """A file the archive has in full, on disk and checked, but not yet shows."""

    arcfile: str
    path: Path
    size_bytes: int
    sha256: str


class Archive(Protocol):
    """A place that keeps files for ever.

    The order of calls is ``stage``, ``publish``, ``confirm``. The caller notes size and hash between
    ``stage`` and ``publish``; after a crash ``confirm`` with what was noted tells whether the file is there.
    """

    def stage(self, deposit: Deposit) -> Staged:
        """Take a copy in its archive form without showing it.

        Raises
        ------
        UnfitError
            If the source is not what it should be.
        OSError
            If it cannot be read or written; nothing is left behind.
        """
        ...

    def publish(self, staged: Staged) -> None:
        """Show a staged file under its name.

        Raises
        ------
        ArchiveError
            If the name is taken: an archive never overwrites.
        OSError
            If it cannot be done; the file is then not shown.
        """
        ...

    def confirm(self, arcfile: str, size_bytes: int, sha256: str) -> bool:
        """Make the file durable, read back every byte, and say whether it is the one meant.

        Raises
        ------
        OSError
            If it is there and cannot be read.
        """
        ...

    def discard(self, arcfile: str) -> None:
        """Remove whatever an interrupted attempt left under this name; only for files without a receipt."""
        ...

    def location(self, arcfile: str) -> str:
        """Return where the file is, or will be, found."""
        ...

    def open(self, arcfile: str) -> BinaryIO:
        """Open an archived file for reading.

        Raises
        ------
        OSError
            If it is not there or cannot be read.
        """
        ...

    def names(self) -> Iterator[str]:
        """Yield the names of all files the archive shows."""
        ...

    def unfinished(self) -> list[str]:
        """Return what was staged and not published."""
        ...
