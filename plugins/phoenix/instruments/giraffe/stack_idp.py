"""Stacks of the fibres of an OB: which exposures are in each, and what its header tells."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.job import ConversionJob
from phoenix.idp.sdp import Ancillary, Observation, combined
from phoenix.instruments.giraffe.fibre import Fibre
from phoenix.instruments.giraffe.reduced import (
    FIBRE,
    ReducedExposure,
    encode_fibre,
    pipeline_of,
    read_fibres,
    title_of,
)

_STACKED = f"STACK_{FIBRE}"


@dataclass(frozen=True)
class StackedFibre:
    """The stack of one fibre and the exposures in it, in order of time."""

    job: ConversionJob
    fibre: Fibre
    exposures: tuple[ReducedExposure, ...]

    @property
    def fps(self) -> int:
        """Place of the fibre in the slit."""
        return self.fibre.fps

    @property
    def first(self) -> ReducedExposure:
        """The first exposure; its name and setup are those of the stack."""
        return self.exposures[0]

    def name(self, prefix: str) -> str:
        """File name."""
        return f"{self.first.exposure.stem(prefix, 'SOBS', self.fps)}.fits"

    @property
    def title(self) -> str:
        """TITLE, unique in the collection."""
        exposure = self.first.exposure
        return title_of(
            self.observation.target, Path(exposure.arcfile).stem, exposure.setup, self.fps, "_stack"
        )

    @cached_property
    def observation(self) -> Observation:
        """What was observed through the fibre, over all exposures."""
        procsoft = pipeline_of(self.job, self.fibre.primary)
        return combined([one.exposure.observation(self.fibre.primary, procsoft) for one in self.exposures])

    def encode(self, category: str, ancillaries: Sequence[Ancillary]) -> bytes:
        """Return the file."""
        return encode_fibre(
            self.first, self.job, self.fibre, self.observation, self.title, category, ancillaries
        )


def stacked_fibres(job: ConversionJob, exposures: Sequence[ReducedExposure]) -> list[StackedFibre]:
    """Return the stacks of a job with the exposures each was made of.

    Raises
    ------
    IdpError
        If a stack names an exposure that is not there, or that lacks its fibre.
    """
    by_name = {one.exposure.arcfile: one for one in exposures}
    stacks = []
    for fps, fibre in sorted(read_fibres(job, _STACKED).items()):
        names = list(_exposures_in(fibre))
        lacking = [name for name in names if name not in by_name or fps not in by_name[name].fibres]
        if lacking or len(names) < 2:
            raise IdpError(
                f"{job.ab.name}, {fibre.name}",
                f"is made of {', '.join(names) or 'nothing'}",
                f"exposures of the stack with fibre {fps}: {', '.join(by_name)}",
                f"run the stack again: phoenix ab run {job.ab.release} {job.ab.name}",
            )
        used = sorted((by_name[name] for name in names), key=lambda one: one.exposure.start)
        stacks.append(StackedFibre(job, fibre, tuple(used)))
    return stacks


def _exposures_in(fibre: Fibre) -> Iterator[str]:
    for number in range(1, (fibre.primary.integer("QC.STACK.NCOMB") or 0) + 1):
        yield fibre.primary.text(f"QC.STACK.EXP{number}.NAME")
