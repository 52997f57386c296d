"""Simulated UVES bias frames small enough for a test: the cheapest input a real recipe takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix.headers.reader import read_header
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan


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
