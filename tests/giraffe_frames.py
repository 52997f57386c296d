"""Simulated GIRAFFE nights for tests."""

from __future__ import annotations

from pathlib import Path

from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan

#: In this month ABs of GIRAF_STACK are made, not taken from a stored tree.
MONTH, NIGHT = "2021-03", "2021-03-04"


def giraffe_night(folder: Path, seed: int = 1) -> None:
    """Simulate a night of 12 fibres: blocks of three, of one with a star too bright, of two and one."""
    plan = SimulationPlan("GIRAFFE", MONTH, 1, seed, "small")
    simulator("GIRAFFE").simulate(plan, folder, lambda _done, _total, _name: None)
