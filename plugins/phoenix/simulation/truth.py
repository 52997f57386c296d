"""Truth of a simulation: what went into each science exposure, to compare with what the pipeline finds."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from phoenix.errors import UsageError
from phoenix.simulation.by_arcfile import exposure_called
from phoenix.simulation.stars import AbsorptionLine, Continuum, Star

Floats = NDArray[np.float64]

NOTE = (
    "Simulated frames. velocity_kms is the apparent (topocentric) shift of the lines in the frame; "
    "barycentric velocity = velocity_kms + barycentric_correction_kms. Wavelengths are in air. "
    "Flux density in erg/s/cm2/A above the atmosphere."
)


@dataclass(frozen=True)
class OrderNoise:
    """Expected signal-to-noise per detector column at the centre of an echelle order."""

    chip: str
    order: int
    wave_nm: float
    snr_per_column: float


@dataclass(frozen=True)
class ScienceTruth:
    """Truth of one science exposure."""

    arcfile: str
    night: str
    setting: str
    ob_id: int
    ob_name: str
    tpl_start: str
    tpl_nexp: int
    tpl_expno: int
    exptime_s: float
    airmass: float
    velocity_kms: float
    barycentric_correction_kms: float
    snr: tuple[OrderNoise, ...]
    star: Star

    @property
    def lines(self) -> tuple[AbsorptionLine, ...]:
        """Absorption lines: rest wavelength in air, depth, sigma."""
        return self.star.lines

    def science_flux(self, wave_nm: Floats) -> Floats:
        """Flux density in erg/s/cm2/A at air wavelengths `wave_nm`, before any instrument broadening."""
        return self.star.flux_at(wave_nm, self.velocity_kms)


@dataclass(frozen=True)
class Truth:
    """Everything ``truth.json`` says."""

    instrument: str
    plan: dict[str, Any]
    exposures: tuple[ScienceTruth, ...]
    nights: dict[str, Any]

    def exposure(self, arcfile: str) -> ScienceTruth:
        """Truth of the frame called `arcfile`; ``UsageError`` if it is no science frame of it."""
        return exposure_called(arcfile, self.exposures)


def truth_document(plan: dict[str, Any], exposures: list[ScienceTruth], nights: dict[str, Any]) -> str:
    """JSON text of ``truth.json``."""
    stars = {exposure.star.name: exposure.star for exposure in exposures}
    return json.dumps(
        {
            "simulated": True,
            "note": NOTE,
            "plan": plan,
            "targets": {name: _star_fields(star) for name, star in sorted(stars.items())},
            "exposures": [_exposure_fields(exposure) for exposure in exposures],
            "nights": nights,
        },
        indent=1,
    )


def _star_fields(star: Star) -> dict[str, Any]:
    return {
        "ra_deg": star.ra_deg,
        "dec_deg": star.dec_deg,
        "velocity_barycentric_kms": star.velocity_kms,
        "continuum": {
            "law": "flux * (wave_nm / pivot_nm) ** index",
            "flux": star.continuum.flux,
            "index": star.continuum.index,
            "pivot_nm": star.continuum.pivot_nm,
        },
        "lines": [[line.wave_nm, line.depth, line.sigma_kms] for line in star.lines],
        "line_columns": ["wave_nm", "depth", "sigma_kms"],
    }


def _exposure_fields(exposure: ScienceTruth) -> dict[str, Any]:
    fields = {key: value for key, value in vars(exposure).items() if key not in ("snr", "star")}
    return fields | {
        "target": exposure.star.name,
        "snr": [[noise.chip, noise.order, noise.wave_nm, noise.snr_per_column] for noise in exposure.snr],
        "snr_columns": ["chip", "order", "wave_nm", "snr_per_column"],
    }


def load_truth(path: Path) -> Truth:
    """Read ``truth.json``.

    Raises
    ------
    UsageError
        If the file is not there or not a truth file.
    """
    try:
        document = json.loads(path.read_text())
        stars = {name: _star(name, fields) for name, fields in document["targets"].items()}
        return Truth(
            instrument=document["plan"]["instrument"],
            plan=document["plan"],
            exposures=tuple(_exposure(fields, stars) for fields in document["exposures"]),
            nights=document["nights"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            str(path), f"{type(error).__name__}: {error}", "the truth.json of a simulation", "simulate again"
        ) from error


def _star(name: str, fields: dict[str, Any]) -> Star:
    continuum = fields["continuum"]
    return Star(
        name=name,
        ra_deg=fields["ra_deg"],
        dec_deg=fields["dec_deg"],
        velocity_kms=fields["velocity_barycentric_kms"],
        continuum=Continuum(continuum["flux"], continuum["index"], continuum["pivot_nm"]),
        lines=tuple(AbsorptionLine(*line) for line in fields["lines"]),
    )


def _exposure(fields: dict[str, Any], stars: dict[str, Star]) -> ScienceTruth:
    own = {key: value for key, value in fields.items() if key not in ("target", "snr", "snr_columns")}
    return ScienceTruth(
        **own, star=stars[fields["target"]], snr=tuple(OrderNoise(*noise) for noise in fields["snr"])
    )
