"""Measurements of KMOS: what the seven score bits rest on. Limits are in ``qc/kmos.yaml``.

What a bit means is published by ESO; where in a header it shows is our reading. A combination has the values
of the worst of its templates.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from astropy.io import fits

import phoenix.instruments.kmos.qc_report  # noqa: F401 (registers its report)
from phoenix.errors import QcError
from phoenix.instruments.kmos.arms import ARMS, detectors_of
from phoenix.instruments.kmos.qc_exposures import (
    FLAT,
    TELLURIC,
    RawFrame,
    Reduction,
    frames_missing,
    read_reductions,
)
from phoenix.model.frame import night_of
from phoenix.qc.raw_frames import saturated_pixels
from phoenix.qc.registry import Source, measurement
from phoenix.qc.run_record import read_run_record

#: Above this the detectors are not linear any more (ESO: published score bits of KMOS).
NONLINEAR_ADU = 40_000
#: Profile of the atmosphere in the night, as an input of the recipe that models the telluric absorption.
_PROFILE = "GDAS"


@measurement("kmos.flat_days")
def flat_days(source: Source) -> float:
    """Days between science and lamp flat, plus one for each frame the flat's template is short of."""
    return max(_flat_days(reduction) for reduction in read_reductions(source))


def _flat_days(reduction: Reduction) -> float:
    flat = reduction.calibration(FLAT)
    if flat is None:
        raise QcError(str(reduction.record.folder), f"was made without {FLAT}", "a lamp flat")
    apart = max(abs(frame.number("MJD-OBS") - flat.number("MJD-OBS")) for frame in reduction.on_target)
    return apart + frames_missing(flat)


@measurement("kmos.telluric_other_night")
def telluric_other_night(source: Source) -> float:
    """Count templates without a telluric standard of their own night, noon to noon."""
    return float(sum(not _of_the_same_night(reduction) for reduction in read_reductions(source)))


def _of_the_same_night(reduction: Reduction) -> bool:
    star = reduction.calibration(TELLURIC)
    return star is not None and all(
        night_of(star.number("MJD-OBS")) == night_of(frame.number("MJD-OBS")) for frame in reduction.on_target
    )


@measurement("kmos.telluric_detectors")
def telluric_detectors(source: Source) -> float:
    """Count detectors with a telluric standard: of which an arm has a spectrum of it."""
    return float(min(_detectors_with_star(reduction) for reduction in read_reductions(source)))


def _detectors_with_star(reduction: Reduction) -> int:
    star = reduction.calibration(TELLURIC)
    if star is None:
        return 0
    with fits.open(star.path) as hdus:
        lit = {hdu.name for hdu in hdus[1:] if hdu.header.get("NAXIS", 0) > 0}
    return len(detectors_of(arm for arm in range(1, ARMS + 1) if f"IFU.{arm}.DATA" in lit))


@measurement("kmos.telluric_by_user")
def telluric_by_user(source: Source) -> float | None:
    """1 if a telluric standard is of the user's programme, 0 if the observatory took it, None without one."""
    return _worst_telluric(source, _by_user)


def _by_user(reduction: Reduction, star: RawFrame) -> float:
    programme = star.get("OBS.PROG.ID")
    if not programme:
        raise QcError(f"{star.path.name}, OBS.PROG.ID", "is missing", "the programme of the standard star")
    return float(any(frame.get("OBS.PROG.ID") == programme for frame in reduction.frames))


@measurement("kmos.average_profile")
def average_profile(source: Source) -> float | None:
    """1 if the atmosphere was modelled with an average profile, 0 with that of the night.

    Recipes have no network: the profile of the night is an input, tagged GDAS, or it was not there.
    None without a telluric standard.
    """
    return _worst_telluric(source, _without_profile)


def _without_profile(_reduction: Reduction, star: RawFrame) -> float:
    inputs = read_run_record(star.path.parent).inputs
    return float(all(tag != _PROFILE for tag, _ in inputs))


def _worst_telluric(source: Source, judge: Callable[[Reduction, RawFrame], float]) -> float | None:
    found = [
        judge(reduction, star)
        for reduction in read_reductions(source)
        if (star := reduction.calibration(TELLURIC)) is not None
    ]
    return max(found, default=None)


@measurement("kmos.nonlinear_pixels")
def nonlinear_pixels(source: Source) -> float:
    """Pixels above 40000 ADU in the worst frame on target."""
    # The next number a raw frame can hold: 32-bit floats, as means of integrations are.
    above = float(np.nextafter(np.float32(NONLINEAR_ADU), np.float32(np.inf)))
    frames = [frame for reduction in read_reductions(source) for frame in reduction.on_target]
    return float(max(sum(map(len, saturated_pixels(frame.path, above))) for frame in frames))


@measurement("kmos.arms_without_sky")
def arms_without_sky(source: Source) -> float:
    """Arms on an object that were not on sky in another frame of their template."""
    return float(sum(len(reduction.arms_without_sky) for reduction in read_reductions(source)))


@measurement("kmos.frames_on_target")
def frames_on_target(source: Source) -> float:
    """Count raw frames in which an arm is on an object."""
    return float(sum(len(reduction.on_target) for reduction in read_reductions(source)))
