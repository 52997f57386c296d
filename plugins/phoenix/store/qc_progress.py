"""How far the QC jobs of a batch have come: one small file for each who works on it, for pages to read.

``<reports>/<release>/qc_<key>/<part>.json``; a part is the batch, a night or a shard. Files and not rows:
they are of no worth once the work is done, and written too often for a table.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from phoenix.config.folders import DataFolders
from phoenix.store.files import write_atomically

#: The part that is a batch as a whole.
WHOLE = "batch"


@dataclass(frozen=True, slots=True)
class QcProgress:
    """How far one part of a batch has come, in jobs.

    Attributes
    ----------
    ab
        The AB whose job ended last.
    eta_s
        Expected time to the end, seconds; None when nothing is known yet.
    ended
        Nobody works on it any more. A file that says False and is old was left by a process that died.
    """

    part: str
    done: int
    total: int
    failed: int
    ab: str
    eta_s: float | None
    started_at: datetime
    updated_at: datetime
    ended: bool = False

    def __str__(self) -> str:
        failed = f", {self.failed} of them failed" if self.failed else ""
        left = f", about {in_words(self.eta_s)} left" if self.eta_s is not None and not self.ended else ""
        return f"{self.done} of {self.total} QC jobs done{failed}{left}"


def in_words(seconds: float) -> str:
    """Return a time as people say it: ``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def write_progress(folders: DataFolders, release: str, key: str, progress: QcProgress) -> None:
    """Store how far a part has come.

    Raises
    ------
    InfrastructureError
        If the file cannot be written.
    """
    path = _folder(folders, release, key) / f"{progress.part}.json"
    write_atomically(path, json.dumps(asdict(progress), default=datetime.isoformat) + "\n")


def read_progress(folders: DataFolders, release: str, key: str) -> list[QcProgress]:
    """Return how far each part of a batch has come, by name of the part; none if its QC never began."""
    found = []
    for path in sorted(_folder(folders, release, key).glob("*.json")):
        content = json.loads(path.read_text())
        moments = {name: datetime.fromisoformat(content[name]) for name in ("started_at", "updated_at")}
        found.append(QcProgress(**{**content, **moments}))
    return found


def forget_progress(folders: DataFolders, release: str, key: str) -> None:
    """Remove what earlier runs of a batch left, for its parts may be others now."""
    for path in _folder(folders, release, key).glob("*.json"):
        path.unlink(missing_ok=True)


def _folder(folders: DataFolders, release: str, key: str) -> Path:
    return folders.reports / release / f"qc_{key}"
