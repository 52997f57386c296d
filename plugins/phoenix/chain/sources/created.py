"""ABs made by the rules, from the frames of the catalogue."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

from phoenix.association.engine import AssociatedBlock
from phoenix.association.explain import explanation
from phoenix.chain.sources.batch import BatchFrames
from phoenix.chain.sources.protocol import Sourced, SourcedBlock, SourceName
from phoenix.config.rules import Rules


class CreatedAbs:
    """The rules as a source.

    All nights of the batch are associated, so that a night can take masters its neighbours will make.
    """

    name = SourceName.CREATED

    def __init__(self, batch: BatchFrames) -> None:
        self._batch = batch

    def blocks(self, nights: Collection[str]) -> Sourced:
        """Return the ABs of some nights."""
        found = self._batch.by_rules
        return Sourced(
            blocks=tuple(
                SourcedBlock(
                    replace(block.ab, origin=self.name.value),
                    block.ab.date,
                    partial(_explanation, block, self._batch.rules),
                )
                for block in found.blocks
                if block.ab.date in nights
            ),
            left_out=tuple(out for out in found.left_out if out.night in nights),
            errors=tuple((night, error) for night, error in found.errors if night in nights),
        )


def _explanation(block: AssociatedBlock, rules: Rules) -> dict[str, Any]:
    told = explanation(block.ab, block.group, block.traces, rules)
    return told | {"source": SourceName.CREATED.value}
