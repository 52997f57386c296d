"""The HAWK-I simulator: nights of raw frames, static tables, historical masters, truth."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.simulation.contents import contents_of
from phoenix.simulation.detector import frame_generator
from phoenix.simulation.fitsfile import Card, header, write_fits
from phoenix.simulation.folder import SimulationFolder
from phoenix.simulation.hawki.field import Field, stars_of
from phoenix.simulation.hawki.frames import Detectors, Floats, add_stars
from phoenix.simulation.hawki.geometry import wcs_cards
from phoenix.simulation.hawki.headers import extension_cards, primary_cards
from phoenix.simulation.hawki.month import nights_of
from phoenix.simulation.hawki.settings import (
    CHIPS,
    EXTINCTION_MAG,
    FILTER,
    FLAT,
    FLAT_LEVELS_ADU,
    FLAT_PAIR,
    INSTRUMENT,
    PAIR_LEVEL_ADU,
    SCIENCE,
    SKY_ADU_S,
    HawkiSetup,
)
from phoenix.simulation.hawki.statics import VALID_FROM, master_files, static_files
from phoenix.simulation.hawki.truth import BlockTruth, truth_document
from phoenix.simulation.plan import Progress, SimulationPlan
from phoenix.simulation.schedule import Exposure, Night, Template
from phoenix.simulation.sky import pointing
from phoenix.simulation.stamps import arcfile, mjd, second_stamp

HawkiExposure = Exposure[HawkiSetup]

#: RA and DEC of the axis in raw headers minus the true ones: the recipe has to find it.
POINTING_ERROR_ARCSEC = (1.2, -0.8)
#: Largest jitter, part of a detector's side.
_JITTER = 0.10
_DRIFT = 0.01  # of the sky, from exposure to exposure


class RawFrameSimulator:
    """Writes a simulated month of HAWK-I (see ``phoenix.simulation.Simulator``)."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night, exposure) for night in nights for exposure in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        detectors = Detectors(plan.size, plan.seed)
        fields = _fields(nights)
        folder.write_tables("static", static_files(fields, plan.size), VALID_FROM)
        if plan.size == "small":
            evening = mjd(nights[0].templates[0].start - timedelta(days=1))
            folder.write_tables("masters", master_files(detectors, evening), VALID_FROM)
        frames = [
            (night.date.isoformat(), arcfile(INSTRUMENT, exposure.start), exposure)
            for night, exposure in exposures
        ]
        folder.write_frames(frames, lambda one, path: _write_frame(plan, one, detectors, path), progress)
        truths = [_truth(plan, night, template) for night in nights for template in _science(night)]
        contents = contents_of(nights, INSTRUMENT, _told)
        folder.close(truth_document(plan.as_dict(), truths, fields, contents))


def _science(night: Night[HawkiSetup]) -> list[Template[HawkiSetup]]:
    return [template for template in night.templates if template.setup.kind is SCIENCE]


def _field(template: Template[HawkiSetup]) -> Field:
    field = template.block.target
    if not isinstance(field, Field):
        raise TypeError(f"{template.block.name} has no field")
    return field


def _fields(nights: Iterable[Night[HawkiSetup]]) -> list[Field]:
    found = {_field(template) for night in nights for template in _science(night)}
    return sorted(found, key=lambda field: field.index)


def offsets_px(plan: SimulationPlan, template: Template[HawkiSetup], side: int) -> list[tuple[float, float]]:
    """Jitter of a template's exposures; the first one is where the block points."""
    draw = random.Random(f"{plan.seed} jitter {template.block.ob_id}")  # noqa: S311 - offsets, not secrets
    reach = _JITTER * side
    drawn = [
        (round(draw.uniform(-reach, reach), 2), round(draw.uniform(-reach, reach), 2))
        for _ in template.starts
    ]
    return [(0.0, 0.0), *drawn[1:]]


def _airmass(exposure: HawkiExposure) -> float:
    field = _field(exposure.template)
    kind = exposure.template.setup.kind
    middle = exposure.start + timedelta(seconds=kind.dit_s * kind.ndit / 2)
    return pointing(field.ra_deg, field.dec_deg, middle).airmass


def _write_frame(plan: SimulationPlan, exposure: HawkiExposure, detectors: Detectors, path: Path) -> None:
    """Simulate one raw frame: an empty primary HDU and an extension for each detector."""
    template, rng = exposure.template, frame_generator(plan.seed, path.name)
    kind, offset, place = template.setup.kind, (0.0, 0.0), None
    if kind is SCIENCE:
        offset = offsets_px(plan, template, detectors.side)[exposure.number - 1]
        place = _field(template).moved(*offset)
    hdus = [fits.PrimaryHDU(header=header(primary_cards(exposure, offset)))]
    for chip in range(CHIPS):
        light = _light(plan, exposure, detectors, chip, place)
        counts = np.rint(detectors.expose(light, chip, kind, rng)).astype(np.int32)
        wcs: list[Card] = [] if place is None else wcs_cards(chip, _as_told(place))
        hdus.append(fits.ImageHDU(counts, header(extension_cards(chip, wcs))))
    write_fits(path, hdus, second_stamp(exposure.start))


def _light(
    plan: SimulationPlan,
    exposure: HawkiExposure,
    detectors: Detectors,
    chip: int,
    axis_deg: tuple[float, float] | None,
) -> Floats | float:
    """Return what falls on a detector, ADU/s, its sensitivity included."""
    kind = exposure.template.setup.kind
    if kind is FLAT:
        return FLAT_LEVELS_ADU[exposure.number - 1] / kind.dit_s * detectors.flats[chip]
    if kind is FLAT_PAIR:
        return PAIR_LEVEL_ADU / kind.dit_s * detectors.flats[chip]
    if axis_deg is None:
        return 0.0
    image = np.full((detectors.side, detectors.side), SKY_ADU_S * (1 + _DRIFT * (exposure.number - 1)))
    stars = stars_of(_field(exposure.template), plan.size)
    dimming = 10 ** (-0.4 * EXTINCTION_MAG[FILTER] * _airmass(exposure))
    add_stars(image, chip, axis_deg, stars, stars.rate_adu_s * dimming)
    return image * detectors.flats[chip]


def _as_told(axis_deg: tuple[float, float]) -> tuple[float, float]:
    """Return the axis as the headers have it."""
    return axis_deg[0] + POINTING_ERROR_ARCSEC[0] / 3600, axis_deg[1] + POINTING_ERROR_ARCSEC[1] / 3600


def _truth(plan: SimulationPlan, night: Night[HawkiSetup], template: Template[HawkiSetup]) -> BlockTruth:
    exposures = [exposure for exposure in night.exposures() if exposure.template is template]
    return BlockTruth(
        ob_id=template.block.ob_id,
        night=night.date.isoformat(),
        field=_field(template).name,
        arcfiles=tuple(arcfile(INSTRUMENT, start) for start in template.starts),
        airmass=tuple(round(_airmass(exposure), 4) for exposure in exposures),
        pointing_error_arcsec=POINTING_ERROR_ARCSEC,
        offsets_px=tuple(offsets_px(plan, template, Detectors(plan.size, plan.seed).side)),
    )


def _told(template: Template[HawkiSetup]) -> dict[str, Any]:
    """Return what is the instrument's own of a template."""
    setup = template.setup
    return {"kind": setup.kind.name}
