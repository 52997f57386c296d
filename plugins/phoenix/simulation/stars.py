"""Simulated stars: spectra in closed form, so that the truth can be computed again at any wavelength."""

from __future__ import annotations

import random
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LIGHT_KMS = 299792.458
#: Air wavelengths of the Balmer lines of the standard stars, nm (H-eta to H-alpha).
BALMER_NM = (383.538, 388.905, 397.007, 410.173, 434.047, 486.133, 656.280)
BALMER_DEPTH = 0.45
BALMER_HWHM_NM = 0.6


@dataclass(frozen=True)
class Continuum:
    """Power law F = flux * (wave / pivot)^index in erg/s/cm2/A."""

    flux: float
    index: float
    pivot_nm: float = 450.0

    def at(self, wave_nm: Floats) -> Floats:
        """Flux density at `wave_nm`, erg/s/cm2/A."""
        return self.flux * (np.asarray(wave_nm, float) / self.pivot_nm) ** self.index


@dataclass(frozen=True)
class AbsorptionLine:
    """Gaussian line: rest wavelength in air, central depth (0 to 1) and sigma."""

    wave_nm: float
    depth: float
    sigma_kms: float


@dataclass(frozen=True)
class Star:
    """A science target: power law times Gaussian absorption lines, sorted and at least 15 sigma apart."""

    name: str
    ra_deg: float
    dec_deg: float
    velocity_kms: float
    continuum: Continuum
    lines: tuple[AbsorptionLine, ...]

    def flux_at(self, wave_nm: Floats, velocity_kms: float) -> Floats:
        """Flux density in erg/s/cm2/A above the atmosphere when all lines are shifted by `velocity_kms`."""
        wave_nm = np.asarray(wave_nm, float)
        centre_nm, depth, sigma_kms = (
            np.array(column) for column in zip(*map(astuple, self.lines), strict=True)
        )
        centre_nm = centre_nm * (1 + velocity_kms / LIGHT_KMS)
        right = np.clip(np.searchsorted(centre_nm, wave_nm), 1, len(centre_nm) - 1)
        transmission = np.ones_like(wave_nm)
        for line in (right - 1, right):
            offset_sigma = (wave_nm / centre_nm[line] - 1) * LIGHT_KMS / sigma_kms[line]
            transmission *= 1 - depth[line] * np.exp(-0.5 * offset_sigma**2)
        return self.continuum.at(wave_nm) * transmission


@dataclass(frozen=True)
class StandardStar:
    """A simulated spectrophotometric standard: power law times broad Lorentzian Balmer lines, at rest."""

    name: str
    ra_deg: float
    dec_deg: float
    continuum: Continuum

    def flux_at(self, wave_nm: Floats) -> Floats:
        """Flux density in erg/s/cm2/A above the atmosphere."""
        wave_nm = np.asarray(wave_nm, float)
        transmission = np.ones_like(wave_nm)
        for centre_nm in BALMER_NM:
            transmission -= BALMER_DEPTH / (1 + ((wave_nm - centre_nm) / BALMER_HWHM_NM) ** 2)
        return self.continuum.at(wave_nm) * transmission


def _star(index: int) -> Star:
    draw = random.Random(f"star {index}")  # noqa: S311 - a catalogue, not a secret
    lines = tuple(
        AbsorptionLine(
            wave_nm=round(float(wave_nm) + draw.uniform(-0.2, 0.2), 4),
            depth=round(draw.uniform(0.35, 0.75), 3),
            sigma_kms=round(draw.uniform(6.0, 10.5), 2),
        )
        for wave_nm in np.arange(306.0, 1020.0, 1.2)
    )
    return Star(
        name=f"PHX-SIM-{index:02d}",
        ra_deg=round(7.5 * index + draw.uniform(-2.0, 2.0), 5) % 360.0,
        dec_deg=round(draw.uniform(-50.0, 0.0), 5),
        velocity_kms=round(draw.uniform(-80.0, 80.0), 3),
        continuum=Continuum(
            flux=round(draw.uniform(5.0, 12.0), 2) * 1e-14, index=round(draw.uniform(-2.0, 0.0), 2)
        ),
        lines=lines,
    )


#: Science targets, one every half hour of right ascension.
STARS = tuple(_star(index) for index in range(48))

#: Standard stars, one every four hours of right ascension.
STANDARDS = tuple(
    StandardStar(
        f"PHX-STD-{index}", 60.0 * index, -30.0 + 2.0 * index, Continuum(3.0e-13, -3.0 + 0.2 * index)
    )
    for index in range(6)
)


def star_near_meridian(lst_deg: float, rank: int) -> Star:
    """Return the target that is number `rank` (from 0) in distance from the meridian."""
    return sorted(STARS, key=lambda star: _hour_angle_deg(star.ra_deg, lst_deg))[rank]


def nearest_standard(lst_deg: float) -> StandardStar:
    """Return the standard star closest to the meridian."""
    return min(STANDARDS, key=lambda star: _hour_angle_deg(star.ra_deg, lst_deg))


def _hour_angle_deg(ra_deg: float, lst_deg: float) -> float:
    return abs((ra_deg - lst_deg + 180.0) % 360.0 - 180.0)
