"""Fields of stars: what the fibres are put on."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from functools import cache
from math import cos, radians

import numpy as np

from phoenix.simulation.giraffe.fibres import Fibre, Use
from phoenix.simulation.stars import LIGHT_KMS, AbsorptionLine, Continuum, Star

#: Flux density of magnitude zero at 550 nm, erg/s/cm2/A (Vega).
ZERO_MAGNITUDE_FLUX = 3.63e-9
FIELDS = 24
RADIUS_DEG = 0.2
CLUSTER_VELOCITY_KMS, VELOCITY_SPREAD_KMS = 35.0, 25.0
LINES_NM = (430.0, 740.0)
LINE_DISTANCE_NM = 1.7


@dataclass(frozen=True)
class Target:
    """What a fibre sees beside the sky; `star` is None for a sky fibre."""

    name: str
    ra_deg: float
    dec_deg: float
    magnitude: float
    star: Star | None


@dataclass(frozen=True)
class Field:
    """A pointing of the plate: one every hour of right ascension, and as many with a star too bright."""

    number: int

    @property
    def bright(self) -> bool:
        """Whether its first star saturates the detector."""
        return self.number >= FIELDS

    @property
    def name(self) -> str:
        """OBS TARG NAME."""
        return f"PHX-FIELD-{self.number:02d}"

    @property
    def ra_deg(self) -> float:
        """Right ascension of the centre."""
        return 15.0 * (self.number % FIELDS)

    @property
    def dec_deg(self) -> float:
        """Declination of the centre."""
        return -30.0 + 2.0 * (self.number % 5)

    def targets(self, fibres: tuple[Fibre, ...]) -> dict[int, Target]:
        """Return what each fibre to the plate is put on, by FPS: the same in all exposures."""
        return {fibre.fps: _target(self, fibre) for fibre in fibres if fibre.use is not Use.SIMCAL}


def field_near_meridian(lst_deg: float, bright: bool) -> Field:
    """Return the field closest to the meridian."""
    return Field(round(lst_deg / 15.0) % FIELDS + FIELDS * bright)


@cache
def _target(field: Field, fibre: Fibre) -> Target:
    draw = random.Random(f"{field.name} {fibre.fps}")  # noqa: S311 - a catalogue, not a secret
    offset_ra_deg, offset_dec_deg = (draw.uniform(-RADIUS_DEG, RADIUS_DEG) / 2**0.5 for _ in range(2))
    ra_deg = round((field.ra_deg + offset_ra_deg / cos(radians(field.dec_deg))) % 360.0, 6)
    dec_deg = round(field.dec_deg + offset_dec_deg, 6)
    if fibre.use is Use.SKY:
        return Target(f"SKY{field.number:02d}_{fibre.fps:03d}", ra_deg, dec_deg, 0.0, None)
    name = f"PHX-{field.number:02d}-{fibre.fps:03d}"
    magnitude = round(draw.uniform(14.5, 16.5), 2)
    if field.bright and fibre.fps == 1:
        magnitude = 8.5
    star = Star(
        name=name,
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        velocity_kms=round(draw.gauss(CLUSTER_VELOCITY_KMS, VELOCITY_SPREAD_KMS), 3),
        continuum=Continuum(
            ZERO_MAGNITUDE_FLUX * 10 ** (-0.4 * magnitude), round(draw.uniform(-1.5, 0.5), 2), 550.0
        ),
        lines=tuple(
            AbsorptionLine(
                round(float(wave_nm) + draw.uniform(-0.2, 0.2), 4),
                round(draw.uniform(0.3, 0.7), 3),
                round(draw.uniform(15.0, 30.0), 2),
            )
            for wave_nm in np.arange(*LINES_NM, LINE_DISTANCE_NM)
        ),
    )
    return Target(name, ra_deg, dec_deg, magnitude, star)


def broadened(star: Star, sigma_nm: float) -> Star:
    """Return the star with its lines as a spectrograph of Gaussian profile shows them.

    Lines are so far apart that the convolution of each is exact: widths add in squares, areas stay.
    """
    lines = []
    for line in star.lines:
        sigma_kms = (line.sigma_kms**2 + (LIGHT_KMS * sigma_nm / line.wave_nm) ** 2) ** 0.5
        lines.append(AbsorptionLine(line.wave_nm, line.depth * line.sigma_kms / sigma_kms, sigma_kms))
    return replace(star, lines=tuple(lines))
