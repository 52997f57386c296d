"""The KMOS simulator: nights of raw frames, placeholders of static tables, truth."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.contents import contents_of
from phoenix.simulation.detector import frame_generator
from phoenix.simulation.fitsfile import header, write_fits
from phoenix.simulation.folder import SimulationFolder
from phoenix.simulation.kmos.field import Allocation, Field, allocations
from phoenix.simulation.kmos.headers import extension_cards, primary_cards
from phoenix.simulation.kmos.month import nights_of
from phoenix.simulation.kmos.settings import (
    ARC_LINE_E_S,
    ARMS_PER_DETECTOR,
    DARK_E_S,
    DETECTORS,
    FLAT_E_S,
    GAIN_E_ADU,
    INSTRUMENT,
    LINE_EVERY_ROWS,
    READ_NOISE_E,
    SIDE_PX,
    SKY_E_S,
    KmosSetup,
)
from phoenix.simulation.kmos.statics import VALID_FROM, static_files
from phoenix.simulation.kmos.truth import truth_document
from phoenix.simulation.plan import Progress, SimulationPlan
from phoenix.simulation.schedule import Exposure, Night, Template
from phoenix.simulation.stamps import arcfile, second_stamp

Floats = NDArray[np.float64]


class RawFrameSimulator:
    """Writes a simulated month of KMOS (see ``phoenix.simulation.Simulator``)."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night, exposure) for night in nights for exposure in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        folder.write_tables("static", static_files(), VALID_FROM)
        frames = [
            (night.date.isoformat(), arcfile(INSTRUMENT, exposure.start), exposure)
            for night, exposure in exposures
        ]
        folder.write_frames(frames, lambda one, path: _write_frame(plan, one, path), progress)
        contents = contents_of(nights, INSTRUMENT, _told)
        folder.close(truth_document(plan.as_dict(), _fields(nights), contents))


def _write_frame(plan: SimulationPlan, exposure: Exposure[KmosSetup], path: Path) -> None:
    """Simulate one raw frame: an empty primary HDU and an extension for each detector."""
    rng, side = frame_generator(plan.seed, path.name), SIDE_PX[plan.size]
    kind, arms = exposure.template.setup.kind, allocations(exposure)
    hdus = [fits.PrimaryHDU(header=header(primary_cards(exposure, arms)))]
    for detector in range(1, DETECTORS + 1):
        rate = DARK_E_S + _light_e_s(kind.dpr_types[exposure.number - 1], arms, detector, side)
        electrons = rng.poisson(rate * kind.exptime_s, (side, side)) / kind.ndit
        electrons = electrons + rng.normal(0.0, READ_NOISE_E / sqrt(kind.ndit), (side, side))
        counts = (electrons / GAIN_E_ADU).astype(np.float32)
        hdus.append(fits.ImageHDU(counts, header(extension_cards(detector))))
    write_fits(path, hdus, second_stamp(exposure.start))


def _light_e_s(dpr_type: str, arms: dict[int, Allocation], detector: int, side: int) -> Floats:
    """Return what falls on a detector, electrons per second and pixel, shape (side, side)."""
    light = np.zeros((side, side))
    if dpr_type == "FLAT,LAMP":
        light += FLAT_E_S
    elif dpr_type == "WAVE,LAMP":
        light[::LINE_EVERY_ROWS] = ARC_LINE_E_S
    width = side // ARMS_PER_DETECTOR
    for arm, allocation in arms.items():
        on_detector, place = divmod(arm - 1, ARMS_PER_DETECTOR)
        if on_detector == detector - 1:
            object_e_s = allocation.target.light_e_s if allocation.look == "O" else 0.0
            light[:, place * width : (place + 1) * width] = SKY_E_S + object_e_s
    return light


def _fields(nights: list[Night[KmosSetup]]) -> list[Field]:
    targets = (template.block.target for night in nights for template in night.templates)
    return sorted({target for target in targets if isinstance(target, Field)}, key=lambda field: field.index)


def _told(template: Template[KmosSetup]) -> dict[str, Any]:
    """Return what is the instrument's own of a template."""
    setup = template.setup
    field = template.block.target
    return {"kind": setup.kind.name, "field": field.name if isinstance(field, Field) else ""}
