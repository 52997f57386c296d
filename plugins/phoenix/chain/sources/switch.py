"""Which source gives the ABs of a night: by the release's dates, or as a person asks for this time."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date
from pathlib import Path

from phoenix.chain.sources.batch import BatchFrames
from phoenix.chain.sources.calselector import CalselectorAbs
from phoenix.chain.sources.created import CreatedAbs
from phoenix.chain.sources.protocol import AssociationSource, Sourced, SourcedBlock, SourceName
from phoenix.chain.sources.stored import StoredAbs
from phoenix.config.release import AbSource, Maker
from phoenix.model.ab import Completeness, McalibStatus, Missing


class Sources:
    """The sources of a batch.

    Parameters
    ----------
    batch : BatchFrames
        The batch.
    only : SourceName, optional
        The source to take for all nights; default: as the release's ``ab_source`` says for each night.
    associations : Path, optional
        The folder of association files; default: the site's.
    """

    def __init__(
        self, batch: BatchFrames, only: SourceName | None = None, associations: Path | None = None
    ) -> None:
        self._batch, self._only = batch, only
        self._folder = associations or batch.configuration.folders.associations

    def of(self, night: str) -> SourceName:
        """Return the source of a night's ABs."""
        return self._only or source_of(self._batch.stream.ab_source, night)

    def blocks(self, nights: Collection[str]) -> Sourced:
        """Return the ABs of some nights, each from its source.

        Raises
        ------
        ConfigError
            If a source is not there: no such tree, no such folder.
        UsageError
            If the release's mode is not made night by night.
        """
        found = Sourced()
        mixed = len({self.of(night) for night in self._batch.nights}) > 1
        there = self._there() if mixed else None
        for name in SourceName:
            its_nights = [night for night in nights if self.of(night) is name]
            if its_nights:
                found += self._source(name, there).blocks(its_nights)
        if there is None:
            return found
        return replace(found, blocks=tuple(_bound(block, there) for block in found.blocks))

    def _source(self, name: SourceName, there: frozenset[str] | None = None) -> AssociationSource:
        if name is SourceName.STORED:
            return StoredAbs(self._batch, there)
        if name is SourceName.CALSELECTOR:
            scope = [night for night in self._batch.nights if self.of(night) is name]
            return CalselectorAbs(self._batch, self._folder, scope)
        return CreatedAbs(self._batch)

    def _there(self) -> frozenset[str]:
        """Return the names of the ABs all nights of the batch will have."""
        names: set[str] = set()
        for name in SourceName:
            nights = [night for night in self._batch.nights if self.of(night) is name]
            if not nights:
                continue
            source = self._source(name)
            if isinstance(source, StoredAbs):
                names |= source.names(nights)
            else:
                names |= {block.ab.name for block in source.blocks(nights).blocks}
        return frozenset(names)


def source_of(configured: AbSource, night: str) -> SourceName:
    """Return where the ABs of a night come from by a release's configuration."""
    if configured.made_of is not None:
        return SourceName.CREATED
    if not configured.creates(date.fromisoformat(night)):
        return SourceName.STORED
    return SourceName.CREATED if configured.created_by is Maker.RULES else SourceName.CALSELECTOR


def _bound(block: SourcedBlock, there: frozenset[str]) -> SourcedBlock:
    """Make an AB incomplete that waits for one no source of the batch gives."""
    ab = block.ab
    lost = [
        mcalib
        for mcalib in ab.mcalibs
        if mcalib.status is McalibStatus.VIRTUAL and mcalib.source not in there
    ]
    if not lost:
        return block
    missing = tuple(
        Missing(mcalib.tag, f"{mcalib.source}, which makes it, is in no tree the batch takes its ABs from")
        for mcalib in lost
        if mcalib.mandatory
    )
    ab = replace(
        ab,
        mcalibs=tuple(mcalib for mcalib in ab.mcalibs if mcalib not in lost),
        missing=(*ab.missing, *missing),
        completeness=Completeness.INCOMPLETE if missing or ab.missing else ab.completeness,
    )
    return replace(block, ab=ab, text="")
