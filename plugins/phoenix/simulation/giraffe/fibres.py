"""Fibres of a MEDUSA slit: places, transmissions, and which is for what."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from phoenix.simulation.giraffe.settings import CAMERA_FACTOR, LAYOUTS, PIXEL_MM


class Use(StrEnum):
    """What a fibre is used for; the values of stars and sky are the TYPE of OzPoz."""

    STAR = "M"
    SKY = "S"
    SIMCAL = "CALSIM"


@dataclass(frozen=True)
class Fibre:
    """One fibre of a slit.

    Attributes
    ----------
    fps
        Position in the slit, from 1.
    button
        Number of its magnetic button on the plate; -1 for a fibre to the calibration unit.
    column_px
        Where it falls on the middle row, from 0, without prescan.
    x_mm, y_mm
        Place in the slit: across it and along it.
    transmission
        Relative to the average fibre.
    """

    fps: int
    use: Use
    button: int
    column_px: float
    x_mm: float
    y_mm: float
    transmission: float


@cache
def fibres_of(slit: str, size: str) -> tuple[Fibre, ...]:
    """Return the fibres of a slit in order; the same whatever is simulated, as hardware is."""
    layout = LAYOUTS[size]
    draw = random.Random(f"{slit} {size}")  # noqa: S311 - fibres, not secrets
    buttons = draw.sample(range(1, 2 * layout.fibres), layout.fibres)
    pitch_px = layout.columns / (layout.fibres + 1)
    made = []
    for fps in range(1, layout.fibres + 1):
        use = _use(fps, layout.simcal, layout.sky_every)
        column_px = pitch_px * fps + draw.uniform(-0.5, 0.5)
        y_mm = (column_px - layout.columns / 2) * PIXEL_MM / CAMERA_FACTOR
        # The slit is curved, to undo the curvature of its image; fibres are glued with some scatter. The
        # pipeline fits the rotation of the slit and cannot where x_mm is zero.
        x_mm = 1.0 + 0.4 * (y_mm / 60.0) ** 2 + draw.gauss(0.0, 0.03)
        transmission = min(max(draw.gauss(1.0, 0.12), 0.6), 1.4)
        button = -1 if use is Use.SIMCAL else buttons[fps - 1]
        made.append(
            Fibre(
                fps, use, button, round(column_px, 3), round(x_mm, 4), round(y_mm, 4), round(transmission, 4)
            )
        )
    return tuple(made)


def _use(fps: int, simcal: tuple[int, ...], sky_every: int) -> Use:
    if fps in simcal:
        return Use.SIMCAL
    return Use.SKY if fps % sky_every == 0 else Use.STAR
