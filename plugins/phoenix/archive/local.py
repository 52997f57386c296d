"""The archive in a local folder: ``<root>/<date of stamp>/ADP.<stamp>.fits``, read-only, for ever."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from phoenix.archive.protocol import Deposit, Staged
from phoenix.archive.stamps import checked, night_folder
from phoenix.archive.transfer import Digest, examine, transfer
from phoenix.errors import ArchiveError
from phoenix.store.files import fsync_folder

_INCOMING = ".incoming"
_READ_ONLY = 0o444


class LocalArchive:
    """An archive in a folder of this machine; see :class:`phoenix.archive.protocol.Archive`.

    Files are written in full under ``.incoming`` and get their name by a hard link, which, unlike a rename,
    fails when the name is taken.

    Parameters
    ----------
    root : Path
        The folder; made when the first file comes.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def stage(self, deposit: Deposit) -> Staged:
        """Write the archive form of a file to disk without showing it."""
        name = checked(deposit.arcfile)
        folder = self._root / _INCOMING
        _make(folder)
        path = folder / f"{name}.{uuid.uuid4().hex}.part"
        try:
            with deposit.source.open("rb") as source, path.open("xb") as target:
                digest = transfer(source, target.write, deposit)
                target.flush()
                os.fchmod(target.fileno(), _READ_ONLY)
                os.fsync(target.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Staged(name, path, digest.size_bytes, digest.sha256)

    def publish(self, staged: Staged) -> None:
        """Give a staged file its name."""
        final = self._path(staged.arcfile)
        _make(final.parent)
        try:
            os.link(staged.path, final)
        except FileExistsError as error:
            raise ArchiveError(
                str(final), "is there already", "a free name: archived files are never overwritten"
            ) from error
        staged.path.unlink()

    def confirm(self, arcfile: str, size_bytes: int, sha256: str) -> bool:
        """Bring the name to disk, read back every byte, and say whether it is the file meant."""
        final = self._path(arcfile)
        if not final.exists():
            return False
        fsync_folder(final.parent)
        with final.open("rb") as file:
            # What is read back shall come from the disk, not from memory.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            digest, fault = examine(file, arcfile)
        self._clear_staged(arcfile)
        return digest == Digest(size_bytes, sha256) and not fault

    def discard(self, arcfile: str) -> None:
        """Remove what an interrupted attempt left."""
        self._path(arcfile).unlink(missing_ok=True)
        self._clear_staged(arcfile)

    def location(self, arcfile: str) -> str:
        """Return the path of a file."""
        return str(self._path(arcfile))

    def open(self, arcfile: str) -> BinaryIO:
        """Open an archived file for reading."""
        return self._path(arcfile).open("rb")

    def names(self) -> Iterator[str]:
        """Yield everything that is shown, whether there is a receipt or not, in order of time."""
        for folder in sorted(self._root.glob("*/")):
            if folder.name != _INCOMING:
                yield from sorted(entry.name for entry in folder.iterdir())

    def unfinished(self) -> list[str]:
        """Return the names of staged files that were not published."""
        return sorted(entry.name for entry in (self._root / _INCOMING).glob("*"))

    def _path(self, arcfile: str) -> Path:
        return self._root / night_folder(arcfile) / arcfile

    def _clear_staged(self, arcfile: str) -> None:
        for left_over in (self._root / _INCOMING).glob(f"{checked(arcfile)}.*.part"):
            left_over.unlink(missing_ok=True)


def _make(folder: Path) -> None:
    """Make a folder and those above it, each name brought to disk."""
    if not folder.is_dir():
        _make(folder.parent)
        folder.mkdir(exist_ok=True)
        fsync_folder(folder.parent)
