"""Lines of a recipe's log: severity, text, and which of them mean nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from phoenix.config.instrument import Harmless

#: ``[WARNING] SciRed:   text`` on the terminal; colours and a thread id may stand around it.
_LINE = re.compile(r"\s*\[\s*(ERROR|WARNING|INFO|DEBUG)\s*\]\s*([^:\s]*)\s*:\s*(?:\[tid=\d+\]\s*)?(.*)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


class Severity(StrEnum):
    """Severity of a log line, as CPL names it."""

    ERROR = "ERROR"
    WARNING = "WARNING"
    INFO = "INFO"
    DEBUG = "DEBUG"


@dataclass(frozen=True, slots=True)
class LogLine:
    """One message of the recipe; ``source`` is the recipe or function that wrote it."""

    severity: Severity
    source: str
    text: str


def parse_line(line: str) -> LogLine | None:
    """Return the message in a line; None when it holds none: a table the recipe printed, a banner."""
    match = _LINE.match(line)
    return LogLine(Severity(match[1]), match[2], match[3].strip()) if match else None


def outside_harmless(
    lines: Iterable[LogLine], severity: Severity, harmless: Sequence[Harmless]
) -> list[LogLine]:
    """Return the lines of a severity that no harmless pattern explains."""
    patterns = [re.compile(entry.pattern) for entry in harmless]
    return [
        line
        for line in lines
        if line.severity is severity and not any(pattern.search(line.text) for pattern in patterns)
    ]


def summarized(lines: Sequence[LogLine], at_most: int = 5) -> list[str]:
    """Return the first message of each kind with its number; messages that differ in numbers are one kind."""
    kinds = Counter(_NUMBER.sub("#", line.text) for line in lines)
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(_NUMBER.sub("#", line.text), line.text)
    said = [text if kinds[kind] == 1 else f"{text} ({kinds[kind]} times)" for kind, text in first.items()]
    more = len(said) - at_most
    return said[:at_most] + ([f"{more} more kinds of message, see the log"] if more > 0 else [])
