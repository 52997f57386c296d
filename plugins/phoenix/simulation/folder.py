"""The output folder of a simulation: one plan per folder, files written once, a manifest of all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from phoenix.errors import UsageError
from phoenix.simulation.fitsfile import write_bytes, write_fits
from phoenix.simulation.plan import Progress, SimulationPlan

if TYPE_CHECKING:
    from astropy.io import fits

MANIFEST, TRUTH = "simulation.json", "truth.json"
#: Raised when the simulated frames themselves change, so that an old folder is not taken for a new one.
FORMAT = 2

_Exposure = TypeVar("_Exposure")


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
        self._written: list[Path] = []
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

    def write_tables(
        self, place: str, files: Iterable[tuple[str, Sequence[fits.PrimaryHDU]]], valid_from: str
    ) -> None:
        """Write the tables that are missing into a folder: names and HDUs."""
        for name, hdus in files:
            path = self._out / place / name
            if self._missing(path):
                write_fits(path, hdus, valid_from)
            self._written.append(path)

    def write_frames(
        self,
        frames: Sequence[tuple[str, str, _Exposure]],
        write: Callable[[_Exposure, Path], None],
        progress: Progress,
    ) -> None:
        """Write the raw frames that are missing.

        Parameters
        ----------
        frames : sequence of (night, file name, exposure)
        write : callable
            Writes an exposure to a path.
        progress : callable
            Told after each frame.
        """
        for done, (night, name, exposure) in enumerate(frames, start=1):
            path = self._out / "raw" / night / name
            if self._missing(path):
                write(exposure, path)
            self._written.append(path)
            progress(done, len(frames), name)

    def _missing(self, path: Path) -> bool:
        """Whether `path` must be written; files appear by rename, so one that is there was whole once."""
        size = self._sizes.get(str(path.relative_to(self._out)))
        return not path.is_file() or (size is not None and path.stat().st_size != size)

    def close(self, truth: str) -> None:
        """Write the truth, and record the simulation as complete with all files written to it."""
        path = self._out / TRUTH
        write_bytes(path, truth.encode())
        paths = sorted([*self._written, path])
        self._save({str(path.relative_to(self._out)): path.stat().st_size for path in paths})
