"""Simulated fields: stars and a galaxy with one emission line, in closed form."""

from __future__ import annotations

import random
from dataclasses import dataclass
from math import hypot

STARS_PER_FIELD, FAINT_PER_FIELD = 8, 3
#: Stars of all fields stay inside this distance from the centre, and apart from each other.
FIELD_RADIUS_ARCSEC = 5.4
SEPARATION_ARCSEC = 2.2
#: Flux densities above the atmosphere, erg/s/cm2/A.
BRIGHT_FLUX, FAINT_FLUX = (3.0e-15, 8.0e-15), (1.5e-16, 4.0e-16)


@dataclass(frozen=True)
class FieldStar:
    """A star: offset from the field's centre, flux density in erg/s/cm2/A, the same at all wavelengths."""

    east_arcsec: float
    north_arcsec: float
    flux: float


@dataclass(frozen=True)
class Galaxy:
    """A round Gaussian galaxy that shines in one line only.

    Attributes
    ----------
    wave_nm
        Wavelength of the line in air, as seen from the barycentre of the solar system.
    sigma_nm
        Width of the line as the spectrograph shows it.
    flux
        Of the line, erg/s/cm2.
    """

    east_arcsec: float
    north_arcsec: float
    fwhm_arcsec: float
    wave_nm: float
    sigma_nm: float
    flux: float


@dataclass(frozen=True)
class Field:
    """A target: centre and what is to be seen around it."""

    name: str
    ra_deg: float
    dec_deg: float
    stars: tuple[FieldStar, ...]
    galaxy: Galaxy


def field_at(hour: int, band: int) -> Field:
    """Return the field of an hour of right ascension in one of many bands of declination."""
    hour %= 24
    name = f"PHX-FIELD-{hour:02d}{band:02d}"
    draw = random.Random(name)  # noqa: S311 - a catalogue, not a secret
    places: list[tuple[float, float]] = []
    while len(places) < STARS_PER_FIELD + FAINT_PER_FIELD + 1:
        east, north = (round(draw.uniform(-FIELD_RADIUS_ARCSEC, FIELD_RADIUS_ARCSEC), 3) for _ in range(2))
        near = any(hypot(east - x, north - y) < SEPARATION_ARCSEC for x, y in places)
        if hypot(east, north) <= FIELD_RADIUS_ARCSEC and not near:
            places.append((east, north))
        elif draw.random() < 0.01:  # a cramped start: begin anew
            places.clear()
    galaxy, *stars = places
    bounds = [BRIGHT_FLUX] * STARS_PER_FIELD + [FAINT_FLUX] * FAINT_PER_FIELD
    return Field(
        name=name,
        ra_deg=round(15.0 * hour + draw.uniform(-2.0, 2.0), 5) % 360.0,
        dec_deg=round(-50.0 + 3.0 * (band % 16) + draw.uniform(-1.0, 1.0), 5),
        stars=tuple(
            FieldStar(east, north, float(f"{draw.uniform(*bound):.3g}"))
            for (east, north), bound in zip(stars, bounds, strict=True)
        ),
        galaxy=Galaxy(
            *galaxy,
            fwhm_arcsec=1.2,
            wave_nm=round(draw.uniform(700.0, 701.2), 4),
            sigma_nm=0.25,
            flux=float(f"{draw.uniform(4.0e-15, 8.0e-15):.3g}"),
        ),
    )
