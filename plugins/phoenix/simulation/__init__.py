"""Honest raw-frame simulators with a truth file, for the demo and the tests.

Each instrument has a package of its own (``simulation/uves``); what does not depend on the instrument (sky,
stars, detector, header cards, file writing, truth) lies beside this file. Nothing heavy is imported before a
simulator is asked for.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Protocol

from phoenix.errors import UsageError
from phoenix.simulation.plan import Progress, SimulationPlan

#: Module that holds the class ``RawFrameSimulator`` of each instrument.
_MODULES = {
    "GIRAFFE": "phoenix.simulation.giraffe.simulator",
    "HAWKI": "phoenix.simulation.hawki.simulator",
    "KMOS": "phoenix.simulation.kmos.simulator",
    "MUSE": "phoenix.simulation.muse.simulator",
    "UVES": "phoenix.simulation.uves.simulator",
    "XSHOOTER": "phoenix.simulation.xshooter.simulator",
}


class Simulator(Protocol):
    """Writes the raw frames, static calibrations and truth of some nights of one instrument."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write ``raw/<night>/``, ``static/``, ``truth.json`` and ``simulation.json`` under `out`.

        Raises
        ------
        UsageError
            If `out` already holds something else than this plan.
        """
        ...


def simulator(instrument: str) -> Simulator:
    """Return the simulator of an instrument.

    Raises
    ------
    UsageError
        If there is none; names those there are.
    """
    module = _MODULES.get(instrument.upper())
    if module is None:
        raise UsageError(
            "instrument",
            f"no simulator for {instrument!r}",
            expected=" or ".join(sorted(_MODULES)),
            remedy="choose one of the instruments that can be simulated",
        )
    made: Simulator = import_module(module).RawFrameSimulator()
    return made
