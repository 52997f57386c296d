"""Truth of a simulation: which arm was on which object, and how much light fell on its stripe."""

from __future__ import annotations

import json
from typing import Any

from phoenix.simulation.kmos.field import Field
from phoenix.simulation.kmos.settings import DARK_E_S, FLAT_E_S, GAIN_E_ADU, READ_NOISE_E, SKY_E_S

NOTE = (
    "Simulated frames. An arm's light falls evenly on its stripe of the detector: no slices, no spectrum, no "
    "optics. They show what surrounds a recipe at work, and cannot be reduced to anything. Frames are means "
    "of NDIT integrations of DIT seconds, in ADU."
)


def truth_document(plan: dict[str, Any], fields: list[Field], nights: dict[str, Any]) -> str:
    """JSON text of ``truth.json``."""
    return json.dumps(
        {
            "simulated": True,
            "note": NOTE,
            "plan": plan,
            "gain_e_adu": GAIN_E_ADU,
            "read_noise_e": READ_NOISE_E,
            "dark_e_s": DARK_E_S,
            "flat_e_s": FLAT_E_S,
            "sky_e_s": SKY_E_S,
            "fields": {field.name: _objects(field) for field in fields},
            "nights": nights,
        },
        indent=1,
    )


def _objects(field: Field) -> list[dict[str, Any]]:
    return [
        {
            "arm": arm,
            "name": target.name,
            "ra_deg": target.ra_deg,
            "dec_deg": target.dec_deg,
            "light_e_s": target.light_e_s,
        }
        for arm, target in field.objects.items()
    ]
