"""Which files of some folders are candidates for the frame catalogue, with size and time of change."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

_FRAMES = (".fits", ".hdr")
_COMPRESSED = (".fits.z", ".fits.gz", ".fits.fz")


@dataclass(slots=True)
class Listing:
    """What lies in the folders.

    Attributes
    ----------
    files
        Path -> (size in bytes, time of change in ns), each folder's in order of name.
    roots
        The folders asked for that are there.
    unread
        Folders that could not be listed, with the reason; nothing is known about what lies below them.
    notes
        Files passed over, one sentence for each folder.
    """

    files: dict[str, tuple[int, int]] = field(default_factory=dict)
    roots: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def vanished(self, known: Iterable[str]) -> list[str]:
        """Return those of the known paths that should have been found and were not."""
        roots = tuple(f"{folder}/" for folder in self.roots)
        unread = tuple(f"{folder}/" for folder in self.unread)
        return [
            path
            for path in known
            if path not in self.files and path.startswith(roots) and not path.startswith(unread)
        ]


def list_frames(folders: Iterable[Path]) -> Listing:
    """List the ``.fits`` and ``.hdr`` files below the folders, links followed, each folder once.

    Hidden files are passed over: a file being written bears such a name until it is whole.
    """
    listing = Listing()
    seen: set[tuple[int, int]] = set()
    roots = sorted({os.path.abspath(folder) for folder in folders})  # noqa: PTH100 (links stay)
    waiting = roots[::-1]
    while waiting:
        folder = waiting.pop()
        try:
            stat = os.stat(folder)  # noqa: PTH116 (plain strings are several times faster than Path here)
            if (stat.st_dev, stat.st_ino) in seen:
                continue
            seen.add((stat.st_dev, stat.st_ino))
            waiting.extend(reversed(_list_folder(folder, listing)))
        except OSError as error:
            listing.unread[folder] = error.strerror or str(error)
    listing.roots = [folder for folder in roots if folder not in listing.unread]
    return listing


def _list_folder(folder: str, listing: Listing) -> list[str]:
    """Add the frames of one folder to the listing; return its sub-folders."""
    below: list[str] = []
    compressed = 0
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            name = entry.name.lower()
            if name.startswith("."):
                continue
            if entry.is_dir():
                below.append(entry.path)
            elif name.endswith(_COMPRESSED):
                compressed += 1
            elif name.endswith(_FRAMES) and entry.is_file():
                stat = entry.stat()
                listing.files[entry.path] = (stat.st_size, stat.st_mtime_ns)
    if compressed:
        listing.notes.append(
            f"{folder}: {compressed} compressed file(s) passed over; uncompress them to use them"
        )
    return below
