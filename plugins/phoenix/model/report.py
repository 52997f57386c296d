"""What a batch came to: one value behind the final table, the digest and the pages."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from phoenix.model.batch import BatchState
from phoenix.model.outcome import Outcome

_GOOD = frozenset(outcome.value for outcome in Outcome if outcome.succeeded)
#: Entries of one kind a text shows; the rest is counted.
_MOST_ENTRIES = 50


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

    @property
    def limits(self) -> str:
        """The limits in words, with the unit."""
        if self.low is not None and self.high is not None:
            words = f"{self.low:.5g} to {self.high:.5g}"
        elif self.low is not None:
            words = f"at least {self.low:.5g}"
        else:
            words = f"at most {self.high:.5g}"
        return f"{words} {self.unit}".rstrip()


@dataclass(frozen=True, slots=True)
class BatchReport:
    """A batch as operators want to see it.

    Attributes
    ----------
    problems
        What went wrong outside any AB: unreadable or unclassifiable frames, a night that could not be
        associated.
    troubled
        ABs that gave no product: failed, blocked, incomplete.
    excluded
        ABs pre-selection took out, with code and reason.
    held
        IDPs the gate of the archive keeps until a person opens it, with the reason.
    not_ingested
        IDPs that are not in the archive for any other reason, told with it.
    recipe_s
        Wall time of all recipes added up, seconds.
    slots
        Recipes that may run at the same time.
    left_out
        Why exposures of a run are in no AB, with their number.
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
    not_ingested: tuple[str, ...]
    recipe_s: float
    slots: int
    links: Mapping[str, str]
    left_out: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """One line: release, key, state."""
        return f"PHOENIX {self.release} {self.key}: {self.state}"

    @property
    def held_title(self) -> str:
        """Say what to do about what is held."""
        return f"IDPs that wait for a person (phoenix archive release {self.release} '{self.key}')"

    @property
    def needs_alert(self) -> bool:
        """Whether people should be told."""
        return self.state in {BatchState.PARTIAL, BatchState.FAILED}

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

    def text(self) -> str:
        """Return the report as plain text, safe to print on a terminal."""
        return "\n".join(printable(line) for line in self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{self.title} (site {self.site})"
        yield self._times()
        yield ""
        yield from self._night_table()
        yield ""
        yield from _columns("task", self.outcomes)
        for word, lines in self._chapters():
            if lines:
                yield ""
                yield f"{word}: {len(lines)}"
                yield from (f"  {line}" for entry in lines[:_MOST_ENTRIES] for line in entry)
                if len(lines) > _MOST_ENTRIES:
                    yield f"  ... and {len(lines) - _MOST_ENTRIES} more"
        yield ""
        yield from (f"{name}: {place}" for name, place in self.links.items())

    def _times(self) -> str:
        opened = f"opened {self.opened_at:%Y-%m-%d %H:%M} UTC"
        if self.wall_s is None:
            return f"{opened}, still open"
        return f"{opened}, {_minutes(self.wall_s)}; recipes {_minutes(self.recipe_s)} on {self.slots} slots"

    def _night_table(self) -> Iterator[str]:
        head = ("night", "raw frames", "ABs", "with product", "science ABs", "IDPs ingested")
        rows = [
            (
                line.night,
                line.raw_frames,
                sum(line.outcomes.values()),
                sum(number for outcome, number in line.outcomes.items() if outcome in _GOOD),
                line.science_abs,
                line.idps_ingested,
            )
            for line in self.nights
        ]
        total = ("sum", *(sum(column) for column in list(zip(*rows, strict=True))[1:]))
        yield from _aligned([head, *rows, total] if rows else [head])

    def _chapters(self) -> list[tuple[str, list[list[str]]]]:
        reds = [[f"{red.ab}: {red.parameter} = {red.value:.5g}, {red.limits}"] for red in self.reds]
        return [
            ("problems", [[problem] for problem in self.problems]),
            ("ABs without product", [_told(line) for line in self.troubled]),
            ("ABs excluded", [_told(line) for line in self.excluded]),
            ("exposures left out", [[line] for line in self.left_out]),
            ("IDPs not ingested", [[line] for line in self.not_ingested]),
            (self.held_title, [[line] for line in self.held]),
            ("red scores", reds),
        ]


def printable(text: str) -> str:
    """Return text on one line without anything a terminal or a mail program would obey.

    Header values may hold escape sequences, line breaks and marks that turn the direction of writing: each
    character of the Unicode categories C and Z, but the plain space, becomes U+FFFD.
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c)[0] in "CZ" and c != " " else c for c in text
    )


def _told(line: AbLine) -> list[str]:
    told = [f"{line.name} ({line.task}, {line.night}): {line.outcome}: {line.reason}"]
    told += [f"  log: {line.folder}"] if line.folder else []
    told += [f"  replay: {line.replay}"] if line.replay else []
    return told


def _columns(name: str, counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Lay out counts with one line per key and one column per outcome."""
    words = list(dict.fromkeys(word for outcomes in counts.values() for word in outcomes))
    rows = [(key, *(outcomes.get(word, 0) for word in words)) for key, outcomes in counts.items()]
    return _aligned([(name, *words), *rows])


def _aligned(rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Lay out rows in columns: the first to the left, numbers to the right."""
    texts = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(len(cell) for cell in column) for column in zip(*texts, strict=True)]
    for first, *others in texts:
        cells = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        yield "  ".join([first.ljust(widths[0]), *cells]).rstrip()


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"
