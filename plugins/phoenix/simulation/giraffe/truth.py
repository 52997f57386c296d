"""Truth of a GIRAFFE simulation: what each fibre saw, to compare with what the pipeline finds."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from phoenix.errors import UsageError
from phoenix.simulation.by_arcfile import exposure_called
from phoenix.simulation.stars import AbsorptionLine

NOTE = (
    "Simulated frames. velocity_kms is the apparent (topocentric) shift of the lines in the frame; "
    "barycentric velocity = velocity_kms + barycentric_correction_kms. Line wavelengths are at rest, depths "
    "and widths those of the star: the spectrograph broadens them by a Gaussian with a sigma of "
    "wlen_nm / resolution / 2.3548. star_e and sky_e are electrons per detector row at wlen_nm."
)


@dataclass(frozen=True)
class StarTruth:
    """A star: place, magnitude, velocity in the solar system's frame, lines."""

    name: str
    ra_deg: float
    dec_deg: float
    magnitude: float
    velocity_barycentric_kms: float
    continuum_index: float
    lines: tuple[AbsorptionLine, ...]


@dataclass(frozen=True)
class FibreTruth:
    """What one fibre saw in one exposure.

    Attributes
    ----------
    use
        ``M`` star, ``S`` sky, ``CALSIM`` calibration unit.
    target
        Name as in OzPoz_table; empty for a calibration fibre.
    snr_per_row
        Photon and read noise over the whole width of the fibre; no noise of the calibrations.
    """

    fps: int
    use: str
    target: str
    transmission: float
    velocity_kms: float
    barycentric_correction_kms: float
    star_e: float
    sky_e: float
    snr_per_row: float


@dataclass(frozen=True)
class ExposureTruth:
    """Truth of one science exposure, one entry per fibre of the slit."""

    arcfile: str
    night: str
    slit: str
    setup: str
    wlen_nm: float
    resolution: int
    simcal_lit: bool
    ob_id: int
    tpl_start: str
    tpl_expno: int
    exptime_s: float
    airmass: float
    saturated_pixels: int
    fibres: tuple[FibreTruth, ...]

    def fibre(self, fps: int) -> FibreTruth:
        """Truth of the fibre at a position of the slit."""
        return next(fibre for fibre in self.fibres if fibre.fps == fps)


@dataclass(frozen=True)
class GiraffeTruth:
    """Everything ``truth.json`` says."""

    plan: dict[str, Any]
    stars: dict[str, StarTruth]
    exposures: tuple[ExposureTruth, ...]
    nights: dict[str, Any]

    def exposure(self, arcfile: str) -> ExposureTruth:
        """Truth of the frame called `arcfile`; ``UsageError`` if it is no science frame of it."""
        return exposure_called(arcfile, self.exposures)


def truth_document(truth: GiraffeTruth) -> str:
    """JSON text of ``truth.json``."""
    return json.dumps({"simulated": True, "note": NOTE, **asdict(truth)}, indent=1)


def load_truth(path: Path) -> GiraffeTruth:
    """Read ``truth.json``.

    Raises
    ------
    UsageError
        If the file is not there or not a truth file of GIRAFFE.
    """
    try:
        document = json.loads(path.read_text())
        return GiraffeTruth(
            document["plan"],
            {name: _star(fields) for name, fields in document["stars"].items()},
            tuple(_exposure(fields) for fields in document["exposures"]),
            document["nights"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            str(path), f"{type(error).__name__}: {error}", "the truth.json of a simulation", "simulate again"
        ) from error


def _star(fields: dict[str, Any]) -> StarTruth:
    return StarTruth(**fields | {"lines": tuple(AbsorptionLine(**line) for line in fields["lines"])})


def _exposure(fields: dict[str, Any]) -> ExposureTruth:
    return ExposureTruth(**fields | {"fibres": tuple(FibreTruth(**fibre) for fibre in fields["fibres"])})
