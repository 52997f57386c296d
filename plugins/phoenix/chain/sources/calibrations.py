"""Checks the calibrations of ABs that other than the rules made, and looks again for those that are gone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from phoenix.chain.sources.batch import BatchFrames
from phoenix.model.ab import AssociationBlock, Completeness, Mcalib, McalibStatus, Missing, ProductInput
from phoenix.model.frame import Frame, FrameKind


@dataclass(frozen=True, slots=True)
class Checked:
    """An AB whose calibrations are all there, or that says which are not.

    Attributes
    ----------
    changes
        What became of each calibration that was gone, one sentence each.
    """

    ab: AssociationBlock
    changes: tuple[str, ...]


class CalibrationCheck:
    """Which calibrations there are for the ABs of a batch.

    Parameters
    ----------
    batch : BatchFrames
        The batch.
    frames : iterable of Frame
        What the catalogue has of the files the ABs name.
    there : collection of str
        Names of all ABs of the batch: only they will make masters.
    product : callable
        Gives the file an AB that is not of the batch has left for a PRO.CATG, or nothing.
    """

    def __init__(
        self,
        batch: BatchFrames,
        frames: Iterable[Frame],
        there: Collection[str],
        product: Callable[[str, str], str],
    ) -> None:
        self._batch, self._there, self._product = batch, frozenset(there), product
        known = [frame for frame in frames if frame.kind is not FrameKind.RAW]
        self._paths = {frame.path for frame in known}
        self._by_name: dict[str, list[str]] = {}
        for frame in known:
            for name in {frame.name, Path(frame.path).name}:
                self._by_name.setdefault(name, []).append(frame.path)

    @cached_property
    def _by_rules(self) -> Mapping[str, AssociationBlock]:
        return {block.ab.name: block.ab for block in self._batch.by_rules.blocks}

    def check(self, ab: AssociationBlock) -> Checked:
        """Return the AB with calibrations that are there; one it must have and lacks makes it incomplete."""
        mcalibs: list[Mcalib] = []
        missing: list[Missing] = []
        changes: list[str] = []
        for mcalib in ab.mcalibs:
            problem = self._problem(mcalib)
            if not problem:
                mcalibs.append(mcalib)
                continue
            found = self._again(ab, mcalib)
            mcalibs += found
            if found:
                changes.append(f"{mcalib.tag}: {problem}; now {found[0].source}")
            elif mcalib.mandatory:
                missing.append(Missing(mcalib.tag, f"{problem}, and none is found in its place"))
            else:
                changes.append(f"{mcalib.tag}: {problem}; it is optional and left out")
        for old in ab.missing:
            found = self._others(ab, old.tag)
            mcalibs += found
            if found:
                changes.append(f"{old.tag}: was missing; now {found[0].source}")
            else:
                missing.append(old)
        missing += [
            Missing(entry.tag, f"{entry.ab}, which makes {entry.tag}, is not in the batch")
            for entry in ab.inputs
            if entry.mandatory and not self._makes(entry)
        ]
        completeness = Completeness.INCOMPLETE if missing else Completeness.COMPLETE
        checked = replace(
            ab,
            mcalibs=tuple(mcalibs),
            missing=tuple(dict.fromkeys(missing)),
            completeness=completeness,
            inputs=tuple(entry for entry in ab.inputs if self._makes(entry)),
        )
        return Checked(checked, tuple(changes))

    def _makes(self, entry: ProductInput) -> bool:
        """Whether the AB of an input is in the batch; one of another release is asked when the AB runs."""
        return "/" in entry.ab or entry.ab in self._there

    def _problem(self, mcalib: Mcalib) -> str:
        """Return why a calibration cannot be used, to be read after its PRO.CATG; empty when it can."""
        bad = self._batch.bad.get(mcalib.source)
        if bad:
            return f"{mcalib.source} is {bad}"
        if mcalib.status is McalibStatus.VIRTUAL:
            return (
                ""
                if mcalib.source in self._there
                else f"{mcalib.source}, which makes it, is not in the batch"
            )
        if mcalib.source in self._paths or Path(mcalib.source).is_file():
            return ""
        return f"the file {mcalib.source} is gone"

    def _again(self, ab: AssociationBlock, gone: Mcalib) -> list[Mcalib]:
        """Return what takes the place of a calibration: the same one elsewhere, else what the rules take."""
        bad = self._batch.bad
        if gone.status is not McalibStatus.VIRTUAL:
            for path in self._by_name.get(Path(gone.source).name, ()):
                if path not in bad:
                    return [replace(gone, source=path)]
        elif gone.source not in bad:
            path = self._product(gone.source, gone.tag)
            if path and path not in bad:
                return [replace(gone, status=McalibStatus.REAL, source=path)]
        return self._others(ab, gone.tag)

    def _others(self, ab: AssociationBlock, tag: str) -> list[Mcalib]:
        made = self._by_rules.get(ab.name)
        found = [mcalib for mcalib in made.mcalibs if mcalib.tag == tag] if made else []
        virtual = (mcalib.source for mcalib in found if mcalib.status is McalibStatus.VIRTUAL)
        return found if self._there.issuperset(virtual) else []
