"""The output folder of a simulation: one plan per folder, files written once, a manifest of all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from phoenix.errors import UsageError
from phoenix.simulation.fitsfile import write_bytes
from phoenix.simulation.plan import SimulationPlan

MANIFEST = "simulation.json"
#: Raised when the simulated frames themselves change, so that an old folder is not taken for a new one.
FORMAT = 1


class SimulationFolder:
    """Folder `out` that belongs to `plan`.

    Raises
    ------
    UsageError
        If the folder holds another plan's simulation, or frames without a manifest.
    """

    def __init__(self, out: Path, plan: SimulationPlan) -> None:
        self._out = out
        self._head: dict[str, Any] = {"format": FORMAT, "plan": plan.as_dict()}
        self._sizes: dict[str, int] = {}
        self._manifest = out / MANIFEST
        if not self._manifest.exists():
            self._claim()
            return
        try:
            found = json.loads(self._manifest.read_text())
            head, self._sizes = {key: found[key] for key in self._head}, dict(found["files"])
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                str(self._manifest),
                f"unreadable ({error})",
                "a simulation's manifest",
                "choose an empty folder",
            ) from error
        if head != self._head:
            raise UsageError(
                str(out),
                f"a simulation of another plan: {head}",
                f"{self._head}",
                "choose another folder for this plan, or remove the old one",
            )

    def _claim(self) -> None:
        if any((self._out / name).exists() for name in ("raw", "static")):
            raise UsageError(
                str(self._out),
                f"raw or static files without {MANIFEST}",
                "an empty folder",
                "choose an empty folder",
            )
        self._save({})

    def _save(self, sizes: dict[str, int]) -> None:
        text = json.dumps(self._head | {"files": sizes}, indent=1, sort_keys=True)
        write_bytes(self._manifest, text.encode())

    def complete(self) -> bool:
        """Whether every file of the manifest is there with its size."""
        return bool(self._sizes) and all(self._has(Path(name), size) for name, size in self._sizes.items())

    def _has(self, name: Path, size: int) -> bool:
        path = self._out / name
        return path.is_file() and path.stat().st_size == size

    def missing(self, path: Path) -> bool:
        """Whether `path` must be written; files appear by rename, so one that is there was whole once."""
        size = self._sizes.get(str(path.relative_to(self._out)))
        return not path.is_file() or (size is not None and path.stat().st_size != size)

    def close(self, paths: list[Path]) -> None:
        """Record the simulation as complete with these files."""
        self._save({str(path.relative_to(self._out)): path.stat().st_size for path in sorted(paths)})
