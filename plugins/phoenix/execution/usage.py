"""What a run cost: CPU time and peak memory, as the container wrote them down when the recipe had ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from phoenix.execution.command import USAGE_FILE

_TIMES = re.compile(r"^(\d+)m(\d+(?:\.\d+)?)s (\d+)m(\d+(?:\.\d+)?)s$", re.MULTILINE)
_MAXRSS = re.compile(r"^maxrss (\d+)$", re.MULTILINE)
_BYTES = re.compile(r"^(\d+)$", re.MULTILINE)
_OOM_KILL = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_KIB = 1024
_MB = 1e6


@dataclass(frozen=True, slots=True)
class Usage:
    """What a recipe took; None where it is not known.

    Attributes
    ----------
    memory_peak_mb
        Peak of the recipe's own memory; without a program that measures it, that of the container, which
        counts the files it read and wrote as well.
    oom_kills
        How many processes the kernel killed for want of memory.
    """

    cpu_s: float | None = None
    memory_peak_mb: float | None = None
    oom_kills: int = 0


def read_usage(output: Path) -> Usage:
    """Return what the container noted; nothing is known after a container was killed as a whole.

    The shell's ``times`` gives two lines of user and system time, its own and its children's: the recipe's.
    """
    try:
        text = (output / USAGE_FILE).read_text(encoding="ascii", errors="replace")
    except OSError:
        return Usage()
    times = _TIMES.findall(text)
    cpu_s = None
    if len(times) == 2:
        minutes_u, seconds_u, minutes_s, seconds_s = map(float, times[1])
        cpu_s = round(60 * (minutes_u + minutes_s) + seconds_u + seconds_s, 3)
    kills = _OOM_KILL.search(text)
    return Usage(cpu_s, _memory_peak_mb(text), int(kills[1]) if kills else 0)


def _memory_peak_mb(text: str) -> float | None:
    if own := _MAXRSS.search(text):
        return int(own[1]) * _KIB / _MB
    cgroup = _BYTES.search(text)
    return int(cgroup[1]) / _MB if cgroup else None
