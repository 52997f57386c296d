"""Archive names: ``ADP.<time in ms>`` and the suffix of the original file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from phoenix.errors import ArchiveError

_ARCFILE = re.compile(r"ADP\.(\d{4}-\d{2}-\d{2})T\d{2}:\d{2}:\d{2}\.\d{3}(\.[A-Za-z0-9]{1,8}){1,2}")
_SUFFIX = re.compile(r"(\.fits\.fz|\.tar\.gz|\.[A-Za-z0-9]{1,8})\Z")
_STAMP_LENGTH = len("ADP.2026-11-22T18:00:00.123")
_MILLISECOND = timedelta(milliseconds=1)


def suffix(origfile: str) -> str:
    """Return the suffix of a file name, ``.fits``.

    Raises
    ------
    ArchiveError
        If it has no plain one.
    """
    match = _SUFFIX.search(origfile)
    if match is None:
        raise ArchiveError(origfile, "the file name has no suffix", "a name such as UV_SFLX_1.fits")
    return match[1]


def arcfiles(last: str | None, now: datetime, origfiles: Sequence[str]) -> list[str]:
    """Return archive names for the files of a dataset: consecutive milliseconds, each file's own suffix.

    Parameters
    ----------
    last : str or None
        The latest archive name given out; all new ones come after it, and none before `now`.
    """
    first = now.astimezone(UTC)
    if last is not None:
        first = max(first, moment_of(last) + _MILLISECOND)
    stamps = [
        (first + index * _MILLISECOND).replace(tzinfo=None).isoformat(timespec="milliseconds")
        for index in range(len(origfiles))
    ]
    return [f"ADP.{stamp}{suffix(name)}" for stamp, name in zip(stamps, origfiles, strict=True)]


def moment_of(name: str) -> datetime:
    """Return the moment in an archive name."""
    checked(name)
    return datetime.fromisoformat(name[4:_STAMP_LENGTH]).replace(tzinfo=UTC)


def night_folder(name: str) -> str:
    """Return the folder of an archive name: the civil date of its stamp, ``2026-11-22``."""
    return checked(name)[4:14]


def checked(name: str) -> str:
    """Return an archive name that is one, so that it is safe in a path.

    Raises
    ------
    ArchiveError
        If it is something else.
    """
    if not _ARCFILE.fullmatch(name):
        raise ArchiveError(
            repr(name),
            "is not an archive name",
            "a name such as ADP.2026-11-22T18:00:00.123.fits",
            "see `phoenix archive receipts`",
        )
    return name


def is_fits(name: str) -> bool:
    """Return whether a file name says FITS."""
    return name.lower().endswith((".fits", ".fits.fz"))
