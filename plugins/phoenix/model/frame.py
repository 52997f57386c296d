"""A frame: one FITS file known by its header."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum
from functools import lru_cache

#: A header value as FITS knows it. Keywords are written dotted: ``DPR.CATG``, ``MJD-OBS``.
Value = str | int | float | bool

#: MJD 0 is 1858-11-17.
_MJD_EPOCH = date(1858, 11, 17)


class FrameKind(StrEnum):
    """What a frame is to an association."""

    RAW = "raw"
    MASTER = "master"
    STATIC = "static"


def night_of(mjd: float) -> str:
    """Return the night a moment belongs to, as the civil date of its evening.

    A night runs from noon UT to noon UT, as in ESO's archive.

    Parameters
    ----------
    mjd : float
        Modified Julian Date, UTC, days.
    """
    return _evening(math.floor(mjd - 0.5))


@lru_cache(maxsize=4096)
def _evening(day: int) -> str:
    return (_MJD_EPOCH + timedelta(days=day)).isoformat()


def night_begins(night: str) -> float:
    """Return the MJD at which a night ``2019-03-04`` begins: noon UT of that day."""
    return (date.fromisoformat(night) - _MJD_EPOCH).days + 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """One FITS file known by its header.

    Attributes
    ----------
    name
        Identity of the frame: ARCFILE for raw frames, the file name for others.
    keywords
        Header values by dotted keyword (``DPR.CATG`` is ``HIERARCH ESO DPR CATG``).
    raw_class
        The class the rules gave it (``FLAT_BLUE``); empty when no rule took it.
    tags
        Values the classification rule attached (``type: SCI_POINT``).
    """

    path: str
    name: str
    kind: FrameKind
    instrument: str
    mjd_obs: float
    exptime_s: float
    keywords: Mapping[str, Value] = field(default_factory=dict)
    size_bytes: int = 0
    mtime_ns: int = 0
    raw_class: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def mjd_mid(self) -> float:
        """Middle of the exposure, MJD in days: MJD-OBS + EXPTIME/2."""
        return self.mjd_obs + self.exptime_s / 2 / 86400

    @property
    def night(self) -> str:
        """The night the frame belongs to, ``2019-03-04``."""
        return night_of(self.mjd_obs)


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """What a scan found about a file: the frame, and what is wrong with it.

    Attributes
    ----------
    rules_version
        Version of the classification that was applied; empty when the instrument has none.
    problem
        Why the frame must not be used; empty when it may.
    notes
        What was noticed and does not hinder its use, such as a garbled card nobody needs.
    """

    frame: Frame
    rules_version: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()
