"""Simulated pixel tables of MUSE, few enough for a test: one OB of a small field."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from phoenix.simulation import simulator
from phoenix.simulation.muse import month
from phoenix.simulation.muse.field import Field, field_at
from phoenix.simulation.muse.month import FIRST_RUN, Visit
from phoenix.simulation.muse.truth import FieldTruth, load_truth
from phoenix.simulation.plan import SimulationPlan

MONTH, NIGHT = "2021-03", "2021-03-04"


def one_ob(folder: Path, posangs_deg: Sequence[float], stars: int | None = None, seed: int = 1) -> FieldTruth:
    """Simulate an OB with an exposure for each position angle, and nothing else; return its truth.

    Parameters
    ----------
    stars : int, optional
        How many the field has; default: as many as all fields have.
    """

    def poor_field(hour: int, band: int) -> Field:
        rich = field_at(hour, band)
        return replace(rich, stars=rich.stars[:stars])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(month, "PATTERN", ((Visit(0, FIRST_RUN, tuple(posangs_deg)),),))
        patch.setattr(month, "field_at", poor_field)
        plan = SimulationPlan("MUSE", MONTH, 1, seed, "small")
        simulator("MUSE").simulate(plan, folder, lambda _done, _total, _name: None)
    return load_truth(folder / "truth.json")
