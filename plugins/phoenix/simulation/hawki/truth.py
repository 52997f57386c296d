"""Truth of a simulation: stars, pointing error and zero point of each science block."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from phoenix.simulation.hawki.field import Field, stars_of
from phoenix.simulation.hawki.settings import (
    EXTINCTION_MAG,
    FILTER,
    GAIN_E_ADU,
    READ_NOISE_ADU,
    SEEING_ARCSEC,
    ZERO_POINT_MAG,
)

NOTE = (
    "Simulated frames. Magnitudes above the atmosphere; rate_adu_s = 10^(-0.4 (mag - zero_point_mag)) on a "
    "detector of response 1. Frames are means of NDIT integrations of DIT seconds."
)


@dataclass(frozen=True)
class BlockTruth:
    """Truth of one science block.

    Attributes
    ----------
    pointing_error_arcsec
        RA and DEC of the axis in the headers minus the true ones.
    offsets_px
        Jitter of each exposure.
    """

    ob_id: int
    night: str
    field: str
    arcfiles: tuple[str, ...]
    airmass: tuple[float, ...]
    pointing_error_arcsec: tuple[float, float]
    offsets_px: tuple[tuple[float, float], ...]


def truth_document(
    plan: dict[str, Any], blocks: list[BlockTruth], fields: list[Field], nights: dict[str, Any]
) -> str:
    """JSON text of ``truth.json``."""
    return json.dumps(
        {
            "simulated": True,
            "note": NOTE,
            "plan": plan,
            "zero_point_mag": ZERO_POINT_MAG,
            "extinction_mag_per_airmass": EXTINCTION_MAG[FILTER],
            "gain_e_adu": GAIN_E_ADU,
            "read_noise_adu": READ_NOISE_ADU,
            "seeing_fwhm_arcsec": SEEING_ARCSEC,
            "fields": {field.name: _stars(field, plan["size"]) for field in fields},
            "blocks": [asdict(block) for block in blocks],
            "nights": nights,
        },
        indent=1,
    )


def _stars(field: Field, size: str) -> dict[str, Any]:
    stars = stars_of(field, size)
    return {
        "ra_deg": field.ra_deg,
        "dec_deg": field.dec_deg,
        "star_columns": ["ra_deg", "dec_deg", "mag"],
        "stars": [
            [round(float(ra), 7), round(float(dec), 7), round(float(mag), 4)]
            for ra, dec, mag in zip(stars.ra_deg, stars.dec_deg, stars.mag, strict=True)
        ],
    }
