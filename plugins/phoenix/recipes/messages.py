"""Messages of a recipe in esorex's form: ``[ INFO  ] recipe: text``, in the log with the time before it."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TextIO


def say(line: str) -> None:
    """Write a line to the terminal at once: whoever watches a container reads along."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Messages:
    """Takes the messages of one run.

    Parameters
    ----------
    source : str
        The recipe's name, at the head of every message.
    log : text file, optional
        Receives every message as well.
    """

    def __init__(self, source: str, log: TextIO | None = None) -> None:
        self._source = source
        self._log = log

    def info(self, text: str) -> None:
        """Tell what is done."""
        self._write(" INFO  ", text)

    def warning(self, text: str) -> None:
        """Tell what the reader of the products should know; the run ends with caveats."""
        self._write("WARNING", text)

    def error(self, text: str) -> None:
        """Tell why the run fails."""
        self._write(" ERROR ", text)

    def _write(self, severity: str, text: str) -> None:
        for line in text.splitlines() or [""]:
            say(f"[{severity}] {self._source}: {line}")
            if self._log is not None:
                time = datetime.now(UTC).strftime("%H:%M:%S")
                self._log.write(f"{time} [{severity}] {self._source}: [tid=000] {line}\n")
                self._log.flush()
