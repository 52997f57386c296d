"""The batch: one unit of a release, known by a key that Airflow calls the partition key."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from phoenix.errors import UsageError


class BatchKind(StrEnum):
    """What the key of a batch means."""

    NIGHT = "night"
    MONTH = "month"
    RUN = "run"

    @property
    def example(self) -> str:
        """A key of this kind."""
        return {"night": "2019-03-04", "month": "2019-03", "run": "099.A-0023(B)"}[self.value]


class BatchState(StrEnum):
    """How a batch stands; PARTIAL means that something is missing and the report says what.

    DUE is a run that is complete and was announced, and that nobody has opened yet.
    """

    DUE = "DUE"
    RUNNING = "RUNNING"
    DONE = "DONE"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"


_PATTERNS = {
    BatchKind.NIGHT: re.compile(r"\d{4}-\d{2}-\d{2}"),
    BatchKind.MONTH: re.compile(r"\d{4}-\d{2}"),
    BatchKind.RUN: re.compile(r"\d{2,3}\.[A-Z]-\d{4}\([A-Z]\)|\d{3}\.[0-9A-Z]{4}\.\d{3}"),
}


@dataclass(frozen=True, slots=True)
class BatchKey:
    """A night ``2019-03-04``, a month ``2019-03`` or a run ``099.A-0023(B)``.

    Raises
    ------
    UsageError
        If the text does not fit the kind, or names a day that does not exist.
    """

    kind: BatchKind
    text: str

    def __post_init__(self) -> None:
        if not _PATTERNS[self.kind].fullmatch(self.text) or not self._exists():
            raise UsageError(
                f"batch key {self.text!r}",
                f"not a {self.kind}",
                f"a {self.kind} such as {self.kind.example}",
                "call again with a key of that form",
            )

    def _exists(self) -> bool:
        if self.kind is BatchKind.RUN:
            return True
        try:
            date.fromisoformat(self.text if self.kind is BatchKind.NIGHT else f"{self.text}-01")
        except ValueError:
            return False
        return True

    def nights(self) -> tuple[str, ...]:
        """Return the nights of the batch in order; a run has none of its own, see `dates`."""
        if self.kind is BatchKind.RUN:
            return ()
        if self.kind is BatchKind.NIGHT:
            return (self.text,)
        year, month = (int(part) for part in self.text.split("-"))
        first = date(year, month, 1)
        return tuple(
            (first + timedelta(days=day)).isoformat() for day in range(calendar.monthrange(year, month)[1])
        )

    def dates(self) -> tuple[str, ...]:
        """Return what ABs of the batch have as their date: its nights, or the run as a pseudo date."""
        return (self.text,) if self.kind is BatchKind.RUN else self.nights()
