"""Exposures of one spectrum, brought to one grid and combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from phoenix.recipes.combine import Combined, Rejection, combine
from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import Frame
from phoenix.recipes.resample import Floats, Samples, resample, same_grid

if TYPE_CHECKING:
    from astropy.io.fits import Header

_SPEED_OF_LIGHT_KMS = 299792.458
#: Grids that are already at rest with the Sun or the barycentre need no shift.
_AT_REST = ("HELIOCEN", "BARYCENT")
#: The same correction of both exposures must be used: the first that all of them have.
_CORRECTIONS = ("ESO QC VRAD BARYCOR", "ESO QC VRAD HELICOR", "BARYCORR", "HELICORR")


@dataclass(frozen=True, slots=True)
class Exposure:
    """One exposure of a spectrum.

    Attributes
    ----------
    frames
        Files it is read from; the first one gives its header.
    wave
        Bin centres, rising, shape (n,).
    quantities
        Name -> flux with its error, e.g. reduced and calibrated; each of shape (n,).
    """

    frames: tuple[Frame, ...]
    header: Header
    wave: Floats
    quantities: dict[str, Samples]

    @property
    def mjd_obs(self) -> float:
        """Start, days."""
        return float(self.header["MJD-OBS"])

    @property
    def exptime_s(self) -> float:
        """Exposure time."""
        return float(self.header["EXPTIME"])


@dataclass(frozen=True, slots=True)
class Stack:
    """A combined series.

    Attributes
    ----------
    exposures
        In order of time.
    quantities
        Name -> mean of the exposures on the grid of the first one.
    shifts_kms
        How far each exposure was moved, shape (n,).
    resampled
        Exposures that were brought to other bins.
    """

    exposures: tuple[Exposure, ...]
    wave: Floats
    quantities: dict[str, Combined]
    shifts_kms: Floats
    resampled: int


def stack(name: str, exposures: Sequence[Exposure], weights: str, rejection: Rejection | None) -> Stack:
    """Combine the exposures of one spectrum on the grid, and in the rest frame, of the first one.

    Parameters
    ----------
    name : str
        For messages.
    weights : str
        ``equal``, ``exptime`` or ``inverse-variance`` (of the whole exposure).

    Raises
    ------
    ReductionError
        If exposures cannot be aligned.
    """
    ordered = tuple(sorted(exposures, key=lambda exposure: (exposure.mjd_obs, exposure.frames[0].path.name)))
    first = ordered[0]
    shifts = _shifts_kms(name, ordered)
    moved = [
        exposure.wave * (1 + shift / _SPEED_OF_LIGHT_KMS)
        for exposure, shift in zip(ordered, shifts, strict=True)
    ]
    quantities = {}
    for quantity in first.quantities:
        aligned = [
            exposure.quantities[quantity]
            if same_grid(wave, first.wave)
            else resample(wave, exposure.quantities[quantity], first.wave)
            for exposure, wave in zip(ordered, moved, strict=True)
        ]
        quantities[quantity] = combine(
            np.stack([samples.flux for samples in aligned]),
            np.stack([samples.error for samples in aligned]),
            np.stack([samples.good for samples in aligned]),
            _weights(weights, ordered, aligned),
            rejection,
        )
    resampled = sum(not same_grid(wave, first.wave) for wave in moved)
    return Stack(ordered, first.wave, quantities, shifts, resampled)


def _shifts_kms(name: str, exposures: Sequence[Exposure]) -> Floats:
    """Return the velocity that brings each exposure into the rest frame of the first one."""
    systems = {str(exposure.header.get("SPECSYS", "TOPOCENT")) for exposure in exposures}
    if systems <= set(_AT_REST) and len(systems) == 1:
        return np.zeros(len(exposures))
    if len(systems) > 1:
        raise ReductionError(
            CplCode.INCOMPATIBLE_INPUT,
            name,
            f"SPECSYS {', '.join(sorted(systems))}",
            "one rest frame in all inputs",
        )
    for keyword in _CORRECTIONS:
        values = [exposure.header.get(keyword) for exposure in exposures]
        if all(isinstance(value, (int, float)) for value in values):
            velocities = np.array(values, dtype=np.float64)
            shifts: Floats = velocities - velocities[0]
            return shifts
    raise ReductionError(
        CplCode.DATA_NOT_FOUND,
        name,
        "wavelengths as observed and no velocity correction in all inputs",
        f"one of {', '.join(_CORRECTIONS)}, km/s",
    )


def _weights(rule: str, exposures: Sequence[Exposure], aligned: Sequence[Samples]) -> Floats:
    if rule == "exptime":
        return np.array([exposure.exptime_s for exposure in exposures])
    if rule == "inverse-variance":
        return np.array([1 / np.median(samples.error[samples.good] ** 2) for samples in aligned])
    return np.ones(len(exposures))
