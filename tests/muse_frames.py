"""Simulated pixel tables of MUSE, few enough for a test: one OB of a small field, or a run of two nights."""

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

MONTH, NIGHT, NEXT_NIGHT = "2021-03", "2021-03-04", "2021-03-05"
Pattern = tuple[tuple[Visit, ...], ...]


def one_ob(
    folder: Path,
    posangs_deg: Sequence[float],
    stars: int | None = None,
    seed: int = 1,
    *,
    sky: bool = False,
) -> FieldTruth:
    """Simulate an OB with an exposure for each position angle, and nothing else; return its truth.

    Parameters
    ----------
    stars : int, optional
        How many the field has; default: as many as all fields have.
    sky : bool
        Whether an exposure of blank sky comes after the last one.
    """
    visit = Visit(0, FIRST_RUN, tuple(posangs_deg), sky_after=len(posangs_deg) if sky else 0)
    return _simulated(folder, ((visit,),), stars, seed)


def one_run(folder: Path) -> FieldTruth:
    """Simulate a run of two nights; return its truth.

    A target with an OB of two exposures in each night, and in the second night another one with a single OB.
    """
    first = (Visit(0, FIRST_RUN, (0.0, 90.0)),)
    second = (Visit(0, FIRST_RUN, (180.0, 270.0)), Visit(2, FIRST_RUN, (0.0,)))
    return _simulated(folder, (first, second))


def one_unit(folder: Path) -> list[Path]:
    """Simulate the raw frames of one unit and no pixel table; return them in the order of time."""
    _simulated(folder, ((),), raw=True)
    return sorted((folder / "raw" / NIGHT).glob("*.fits"))


def _simulated(
    folder: Path, pattern: Pattern, stars: int | None = None, seed: int = 1, *, raw: bool = False
) -> FieldTruth:
    def poor_field(hour: int, band: int) -> Field:
        rich = field_at(hour, band)
        return replace(rich, stars=rich.stars[:stars])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(month, "PATTERN", pattern)
        patch.setattr(month, "field_at", poor_field)
        plan = SimulationPlan("MUSE", MONTH, len(pattern), seed, "small", raw)
        simulator("MUSE").simulate(plan, folder, lambda _done, _total, _name: None)
    return load_truth(folder / "truth.json")
