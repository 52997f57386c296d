"""Simulated UVES frames small enough for a test: three biases, nights of the blue arm."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from phoenix.headers.reader import read_header
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.uves import month
from phoenix.simulation.uves.month import NightPattern, Visit
from phoenix.simulation.uves.settings import BLUE_437


class _EnoughError(Exception):
    """Ends a simulation early; it could be resumed."""


def three_biases(folder: Path) -> list[Path]:
    """Write three bias frames of the blue arm below a folder; the simulated night begins with them."""

    def three(done: int, total: int, name: str) -> None:
        if done == 3:
            raise _EnoughError

    with pytest.raises(_EnoughError):
        simulator("UVES").simulate(SimulationPlan("UVES", "2019-03", 1, 1, "small"), folder, three)
    frames = sorted(folder.glob("raw/*/*.fits"))
    assert [(read_header(frame)["DPR.TYPE"], read_header(frame)["DET.CHIPS"]) for frame in frames] == [
        ("BIAS", 1)
    ] * 3
    return frames


def blue_nights(folder: Path, visits: Sequence[int]) -> None:
    """Simulate nights of the blue arm alone: so many science exposures each, and all calibrations."""
    pattern = tuple(NightPattern((Visit(BLUE_437, 1, 1),) * number) for number in visits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(month, "PATTERN", pattern)
        plan = SimulationPlan("UVES", "2019-03", len(visits), 1, "small")
        simulator("UVES").simulate(plan, folder, lambda _done, _total, _name: None)
