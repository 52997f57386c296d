"""Truth of simulated fields: what went into each exposure, to hold the cubes against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phoenix.errors import UsageError
from phoenix.simulation.muse.field import Field, FieldStar, Galaxy

NOTE = (
    "Simulated pixel tables; they stand for the output of muse_scibasic. Offsets in arcsec east and north of "
    "the field's centre, also those of blank sky; pointing_error_arcsec: what the header tells minus where "
    "the exposure points. Flux in erg/s/cm2/A above the atmosphere, of lines in erg/s/cm2. Wavelengths in "
    "air, seen from the barycentre."
)


@dataclass(frozen=True)
class ExposureTruth:
    """Truth of one exposure."""

    arcfile: str
    file: str
    night: str
    run: str
    ob_id: int
    field: str
    exptime_s: float
    airmass: float
    sky: bool
    posang_deg: float
    dither_arcsec: tuple[float, float]
    pointing_error_arcsec: tuple[float, float]
    barycentric_correction_kms: float


@dataclass(frozen=True)
class FieldTruth:
    """Everything ``truth.json`` says."""

    plan: dict[str, Any]
    fields: dict[str, Field]
    exposures: tuple[ExposureTruth, ...]

    def of_ob(self, ob_id: int) -> tuple[ExposureTruth, ...]:
        """Return the exposures of an observation block in the order of time."""
        return tuple(exposure for exposure in self.exposures if exposure.ob_id == ob_id)


def truth_document(truth: FieldTruth) -> str:
    """JSON text of ``truth.json``."""
    content = {
        "simulated": True,
        "note": NOTE,
        "plan": truth.plan,
        "targets": {name: asdict(field) for name, field in sorted(truth.fields.items())},
        "exposures": [asdict(exposure) for exposure in truth.exposures],
    }
    return json.dumps(content, indent=1)


def load_truth(path: Path) -> FieldTruth:
    """Read ``truth.json`` of a simulation of MUSE.

    Raises
    ------
    UsageError
        If the file is not there or not such a truth file.
    """
    try:
        document = json.loads(path.read_text())
        return FieldTruth(
            plan=document["plan"],
            fields={name: _field(entry) for name, entry in document["targets"].items()},
            exposures=tuple(_exposure(entry) for entry in document["exposures"]),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        expected = "the truth.json of a simulation of MUSE"
        raise UsageError(str(path), f"{type(error).__name__}: {error}", expected, "simulate again") from error


def _field(entry: dict[str, Any]) -> Field:
    stars = tuple(FieldStar(**star) for star in entry["stars"])
    return Field(**(entry | {"stars": stars, "galaxy": Galaxy(**entry["galaxy"])}))


def _exposure(entry: dict[str, Any]) -> ExposureTruth:
    pairs = {name: tuple(entry[name]) for name in ("dither_arcsec", "pointing_error_arcsec")}
    return ExposureTruth(**(entry | pairs))
