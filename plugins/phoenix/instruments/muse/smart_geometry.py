"""Where exposures of MUSE point and how they are turned; pure geometry."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from phoenix.model.frame import Frame, Value

#: Keyword of the position angle on the sky, deg.
POSITION_ANGLE = "INS.DROT.POSANG"


@dataclass(frozen=True, slots=True)
class Pointing:
    """Where an exposure points.

    Attributes
    ----------
    ra_deg, dec_deg
        None where the header has no position.
    offset_arcsec
        Offset along two axes from the first pointing of the OB; None where the header has none.
    angle_deg
        Position angle; None where it is not told.
    """

    ra_deg: float | None = None
    dec_deg: float | None = None
    offset_arcsec: tuple[float, float] | None = None
    angle_deg: float | None = None


def pointing_of(frame: Frame, offsets: tuple[str, str]) -> Pointing:
    """Return where a frame points, by its header.

    Parameters
    ----------
    offsets : tuple
        Keywords of the offsets in arcsec.
    """
    ra, dec, x, y, angle = (
        _number(frame.keywords.get(keyword)) for keyword in ("RA", "DEC", *offsets, POSITION_ANGLE)
    )
    offset = (x, y) if x is not None and y is not None else None
    return Pointing(ra, dec, offset, angle)


def separation_arcsec(one: Pointing, other: Pointing) -> float:
    """Return the distance of two pointings on the sky, else of their offsets; 0 if neither is known.

    Haversine formula: exact for the small angles that matter here, and at the poles.
    """
    if None not in (one.ra_deg, one.dec_deg, other.ra_deg, other.dec_deg):
        ra1, dec1, ra2, dec2 = (
            math.radians(value or 0.0) for value in (one.ra_deg, one.dec_deg, other.ra_deg, other.dec_deg)
        )
        half = math.sin((dec2 - dec1) / 2) ** 2
        half += math.cos(dec1) * math.cos(dec2) * math.sin((ra2 - ra1) / 2) ** 2
        return math.degrees(2 * math.asin(min(1.0, math.sqrt(half)))) * 3600
    if one.offset_arcsec and other.offset_arcsec:
        return math.dist(one.offset_arcsec, other.offset_arcsec)
    return 0.0


def turned_deg(one_deg: float, other_deg: float, step_deg: float) -> float:
    """Return how far the turn from one angle to another is from the nearest multiple of a step, degrees."""
    rest = (other_deg - one_deg) % step_deg
    return min(rest, step_deg - rest)


def divided(indices: Iterable[int], together: Callable[[int, int], bool]) -> list[list[int]]:
    """Put each index to the first group whose first member it goes together with, else into a new group.

    Against the first member, not the nearest: else the fields of a mosaic that overlap would be one chain.
    """
    groups: list[list[int]] = []
    for index in indices:
        group = next((group for group in groups if together(group[0], index)), None)
        if group is None:
            groups.append([index])
        else:
            group.append(index)
    return groups


def _number(value: Value | None) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)
