"""Fields of objects with known places and light, and which arm is put on which."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi, radians, sin

from phoenix.simulation.kmos.settings import SCIENCE, STANDARD, STANDARD_ARMS, STANDARD_E_S, KmosSetup
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stars import STANDARDS, STARS

#: Arms that are put on objects, two of each detector; one more looks at the sky always.
OBJECT_ARMS = (1, 6, 9, 14, 17, 22)
SKY_ARM = 24
_RADIUS_ARCSEC = 150.0
_FAINTEST_E_S, _STEP_E_S = 20.0, 10.0


@dataclass(frozen=True)
class Target:
    """What an arm looks at.

    Attributes
    ----------
    light_e_s
        Electrons per second and pixel in the arm's stripe, sky not included.
    """

    name: str
    ra_deg: float
    dec_deg: float
    light_e_s: float


@dataclass(frozen=True)
class Field:
    """Six objects on a circle around a place of the sky."""

    index: int

    @property
    def name(self) -> str:
        """OBS TARG NAME."""
        return f"PHX-KFIELD-{self.index:02d}"

    @property
    def ra_deg(self) -> float:
        """Right ascension of the centre."""
        return STARS[self.index].ra_deg

    @property
    def dec_deg(self) -> float:
        """Declination of the centre."""
        return STARS[self.index].dec_deg

    @property
    def objects(self) -> dict[int, Target]:
        """Objects by arm."""
        return {arm: self._object(number, arm) for number, arm in enumerate(OBJECT_ARMS)}

    def _object(self, number: int, arm: int) -> Target:
        angle = 2 * pi * number / len(OBJECT_ARMS)
        across, up = _RADIUS_ARCSEC * sin(angle) / 3600, _RADIUS_ARCSEC * cos(angle) / 3600
        return Target(
            f"PHX-K{self.index:02d}-{arm:02d}",
            round(self.ra_deg + across / cos(radians(self.dec_deg)), 6),
            round(self.dec_deg + up, 6),
            _FAINTEST_E_S + number * _STEP_E_S,
        )


@dataclass(frozen=True)
class Allocation:
    """What an arm does in one exposure: ``O`` on its target, ``S`` on sky beside it."""

    target: Target
    look: str


def allocations(exposure: Exposure[KmosSetup]) -> dict[int, Allocation]:
    """Return what each arm in use does; empty for calibrations of the day."""
    kind, target = exposure.template.setup.kind, exposure.template.block.target
    if target is None:
        return {}
    look = kind.looks[exposure.number - 1]
    if kind is SCIENCE and isinstance(target, Field):
        found = {arm: Allocation(each, look) for arm, each in target.objects.items()}
        blank = Target("SKY", target.ra_deg, target.dec_deg, 0.0)
        return {**found, SKY_ARM: Allocation(blank, "S")}
    if kind is STANDARD:
        star = Target(target.name, target.ra_deg, target.dec_deg, STANDARD_E_S)
        on = STANDARD_ARMS[exposure.number - 1]
        return {arm: Allocation(star, "O" if arm == on else "S") for arm in STANDARD_ARMS}
    raise TypeError(f"{exposure.template.block.name} has no field")


def standard_near(lst_deg: float) -> Target:
    """Return the standard star closest to the meridian."""
    star = min(STANDARDS, key=lambda each: abs((each.ra_deg - lst_deg + 180.0) % 360.0 - 180.0))
    return Target(star.name, star.ra_deg, star.dec_deg, STANDARD_E_S)
