"""The MUSE simulator: nights of pixel tables, calibration tables, truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from phoenix.simulation.fitsfile import write_fits
from phoenix.simulation.folder import SimulationFolder
from phoenix.simulation.muse.headers import aim_of, category
from phoenix.simulation.muse.month import MuseSetup, nights_of
from phoenix.simulation.muse.pixtable import airmass, correction_kms, pixel_table
from phoenix.simulation.muse.settings import INSTRUMENT, SIZES
from phoenix.simulation.muse.statics import VALID_FROM, static_files
from phoenix.simulation.muse.truth import ExposureTruth, FieldTruth, truth_document
from phoenix.simulation.muse.unit_night import (
    geometry_files,
    unit_night,
    wavelength_files,
    write_unit_frame,
)
from phoenix.simulation.plan import Progress, SimulationPlan
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.stamps import arcfile, second_stamp

#: Writes a frame to a path.
Write = Callable[[Path], None]


class RawFrameSimulator:
    """Writes a simulated month of MUSE (see ``phoenix.simulation.Simulator``).

    The files below ``raw`` are pixel tables: they stand for what muse_scibasic would make of raw frames. A
    plan with raw frames has those of one unit as well, in its first night.
    """

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT, raw=True)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night.date.isoformat(), each) for night in nights for each in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        folder.write_tables("static", static_files(), VALID_FROM)
        frames: list[tuple[str, str, Write]] = [
            (night, file_name(exposure), partial(_write_table, plan, exposure))
            for night, exposure in exposures
        ]
        if plan.raw:
            frames += _unit_frames(plan, folder)
        folder.write_frames(frames, lambda write, path: write(path), progress)
        truth = FieldTruth(
            plan=plan.as_dict(),
            fields={each.template.setup.field.name: each.template.setup.field for _, each in exposures},
            exposures=tuple(_truth(night, exposure) for night, exposure in exposures),
        )
        folder.close(truth_document(truth))


def _write_table(plan: SimulationPlan, exposure: Exposure[MuseSetup], path: Path) -> None:
    write_fits(path, pixel_table(exposure, SIZES[plan.size], plan.seed), second_stamp(exposure.start))


def _unit_frames(plan: SimulationPlan, folder: SimulationFolder) -> list[tuple[str, str, Write]]:
    """Write the tables of the one unit; return night, name and writer of its raw frames."""
    night = unit_night(plan.night_dates()[0], plan.seed)
    folder.write_tables("static", geometry_files(), VALID_FROM)
    folder.write_tables("masters", wavelength_files(night), second_stamp(night.templates[0].start))
    return [
        (
            night.date.isoformat(),
            arcfile(INSTRUMENT, exposure.start),
            partial(write_unit_frame, exposure, seed=plan.seed),
        )
        for exposure in night.exposures()
    ]


def file_name(exposure: Exposure[MuseSetup]) -> str:
    """Name of a pixel table; one of a raw frame would be its ARCFILE."""
    return f"SIMULATED_{category(exposure)}_{arcfile(INSTRUMENT, exposure.start)}"


def _truth(night: str, exposure: Exposure[MuseSetup]) -> ExposureTruth:
    block, aim = exposure.template.block, aim_of(exposure)
    return ExposureTruth(
        arcfile=arcfile(INSTRUMENT, exposure.start),
        file=file_name(exposure),
        night=night,
        run=block.programme,
        ob_id=block.ob_id,
        field=exposure.template.setup.field.name,
        exptime_s=exposure.template.exptime_s,
        airmass=round(airmass(exposure), 4),
        sky=aim.sky,
        posang_deg=aim.posang_deg,
        dither_arcsec=aim.dither_arcsec,
        pointing_error_arcsec=aim.error_arcsec,
        barycentric_correction_kms=correction_kms(exposure),
    )
