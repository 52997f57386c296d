"""What a run cost: CPU time and peak memory, as the container wrote them down when the recipe had ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from phoenix.execution.command import USAGE_FILE

_TIMES = re.compile(r"(\d+)m(\d+(?:\.\d+)?)s (\d+)m(\d+(?:\.\d+)?)s")
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU seconds and peak memory of a recipe; None where they are not known."""

    cpu_s: float | None = None
    memory_peak_mb: float | None = None


def read_usage(output: Path) -> Usage:
    """Return what the container noted; nothing is known after a container was killed as a whole.

    The shell's ``times`` gives two lines of user and system time, its own and its children's: the recipe's.
    """
    try:
        lines = (output / USAGE_FILE).read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return Usage()
    times = [match for line in lines if (match := _TIMES.match(line))]
    bytes_ = [int(line) for line in lines if line.isdigit()]
    cpu_s = None
    if len(times) == 2:
        minutes_u, seconds_u, minutes_s, seconds_s = (float(part) for part in times[1].groups())
        cpu_s = round(60 * (minutes_u + minutes_s) + seconds_u + seconds_s, 3)
    return Usage(cpu_s, bytes_[0] / _MB if bytes_ else None)
