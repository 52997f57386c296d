"""What a batch came to: one value behind the final table, the digest and the pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from phoenix.model.batch import BatchState


@dataclass(frozen=True, slots=True)
class NightLine:
    """One night of the batch in numbers.

    Attributes
    ----------
    outcomes
        Number of ABs by outcome; ``to do`` for those without one, ``excluded`` for pre-selection.
    """

    night: str
    raw_frames: int
    outcomes: Mapping[str, int]
    science_abs: int
    idps_ingested: int


@dataclass(frozen=True, slots=True)
class AbLine:
    """An AB the reader should know about.

    Attributes
    ----------
    reason
        Why it is here, one sentence.
    folder
        Where its log lies; empty when it never ran.
    replay
        The command that runs it again.
    """

    name: str
    night: str
    task: str
    outcome: str
    reason: str
    folder: str = ""
    replay: str = ""


@dataclass(frozen=True, slots=True)
class RedLine:
    """A red score."""

    ab: str
    night: str
    parameter: str
    value: float
    low: float | None
    high: float | None
    unit: str = ""


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch as operators want to see it.

    Attributes
    ----------
    problems
        What went wrong outside any AB: unreadable or unclassifiable frames, a night that could not be associated.
    troubled
        ABs that gave no product: failed, blocked, incomplete.
    excluded
        ABs pre-selection took out, with code and reason.
    held
        IDPs that are not ingested, with the reason.
    recipe_s
        Wall time of all recipes added up, seconds.
    slots
        Recipes that may run at the same time.
    """

    site: str
    release: str
    key: str
    state: BatchState
    opened_at: datetime
    closed_at: datetime | None
    nights: tuple[NightLine, ...]
    outcomes: Mapping[str, Mapping[str, int]]
    problems: tuple[str, ...]
    troubled: tuple[AbLine, ...]
    excluded: tuple[AbLine, ...]
    reds: tuple[RedLine, ...]
    idps_ingested: int
    held: tuple[str, ...]
    recipe_s: float
    slots: int
    links: Mapping[str, str]

    @property
    def wall_s(self) -> float | None:
        """Wall time of the batch in seconds, once it is closed."""
        return (self.closed_at - self.opened_at).total_seconds() if self.closed_at else None

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        content = asdict(self)
        content["opened_at"] = self.opened_at.isoformat()
        content["closed_at"] = self.closed_at.isoformat() if self.closed_at else None
        content["wall_s"] = self.wall_s
        return content
