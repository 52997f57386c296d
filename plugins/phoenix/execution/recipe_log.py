"""Lines of a recipe's log: severity, text, and which of them mean nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from phoenix.config.instrument import Grave, Harmless

#: ``[WARNING] SciRed:   text``; MUSE puts the time before it and a thread id before the text.
_LINE = re.compile(
    r"\s*(?:\d\d:\d\d:\d\d\s*)?\[\s*(ERROR|WARNING|INFO|DEBUG)\s*\]\s*([^:\s]*)\s*:\s*(?:\[tid=\d+\]\s*)?(.*)"
)
#: Messages of CPL and esorex that say only that something failed, or where in their source.
_SAYS_NOTHING = re.compile(
    r"Execution of recipe .* failed.*|Recipe status at \d+|No error\(s\) to dump|Dumping all \d+ error.*"
    r"|\S+\.c:\d+|\W*"
)
#: ``[1/4] 'Data not found: No such frame' (10) at uves_find_frame:uves_utils_wrappers.c:1798``
_DUMPED = re.compile(r"\[\d+/\d+\] '(.*)' \(\d+\) at \S+")
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


class KeptLines:
    """The lines of a log that tell on the recipe: errors, warnings, and what it said before its first error.

    GIRAFFE tells why it gives up as information, before an error that says only that it did.

    Parameters
    ----------
    at_most
        A recipe must not fill our memory; the log file holds all lines.
    """

    def __init__(self, at_most: int = 10_000) -> None:
        self.lines: list[LogLine] = []
        self._at_most = at_most
        self._said: LogLine | None = None
        self._failed = False

    def take(self, line: str) -> None:
        """Take a line of the log."""
        message = parse_line(line)
        if message is None or message.severity is Severity.DEBUG:
            return
        if message.severity is Severity.INFO:
            self._said = message
            return
        if message.severity is Severity.ERROR and not self._failed:
            self._failed = True
            if self._said is not None:
                self.lines.append(self._said)
        if len(self.lines) < self._at_most:
            self.lines.append(message)


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


def grave_lines(lines: Iterable[LogLine], grave: Sequence[Grave]) -> list[tuple[LogLine, str]]:
    """Return the warnings after which products are wrong, each with the reason the instrument gives."""
    patterns = [(re.compile(entry.pattern), entry.reason) for entry in grave]
    found = []
    for line in lines:
        reason = next((reason for pattern, reason in patterns if pattern.search(line.text)), None)
        if line.severity is Severity.WARNING and reason is not None:
            found.append((line, reason))
    return found


def telling(lines: Sequence[LogLine]) -> list[LogLine]:
    """Return the messages that say what went wrong.

    CPL tells an error several times: as it happens, as a dump of what led to it, and that it happened.
    """
    said: list[LogLine] = []
    for line in lines:
        dumped = _DUMPED.fullmatch(line.text)
        text = dumped[1] if dumped else line.text
        repeated = dumped is not None and any(text == earlier.text for earlier in said)
        if not repeated and not _SAYS_NOTHING.fullmatch(text):
            said.append(LogLine(line.severity, line.source, text))
    return said


def summarized(lines: Sequence[LogLine], at_most: int = 5) -> list[str]:
    """Return the first message of each kind with its number; messages that differ in numbers are one kind."""
    kinds = Counter(_NUMBER.sub("#", line.text) for line in lines)
    first: dict[str, str] = {}
    for line in lines:
        first.setdefault(_NUMBER.sub("#", line.text), line.text)
    said = [text if kinds[kind] == 1 else f"{text} ({kinds[kind]} times)" for kind, text in first.items()]
    more = len(said) - at_most
    return said[:at_most] + ([f"{more} more kinds of message, see the log"] if more > 0 else [])
