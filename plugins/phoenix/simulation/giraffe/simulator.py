"""The GIRAFFE simulator: nights of raw frames, static tables, truth."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.simulation.cards import direction
from phoenix.simulation.contents import contents_of
from phoenix.simulation.detector import MAX_ADU, add_cosmics, frame_generator
from phoenix.simulation.fitsfile import image_hdu, write_fits
from phoenix.simulation.folder import SimulationFolder
from phoenix.simulation.giraffe.fibres import Fibre, Use
from phoenix.simulation.giraffe.field import Target
from phoenix.simulation.giraffe.frames import FibreLight, GiraffeExposure, GiraffeLight, field_of
from phoenix.simulation.giraffe.headers import primary_cards
from phoenix.simulation.giraffe.month import nights_of
from phoenix.simulation.giraffe.optics import FIBRE_SIGMA_PX
from phoenix.simulation.giraffe.settings import (
    ARCHIVE_PREFIX,
    BIAS,
    INSTRUMENT,
    RON_E,
    ROWS,
    GiraffeSetup,
    Setup,
    detector,
)
from phoenix.simulation.giraffe.statics import VALID_FROM, static_files
from phoenix.simulation.giraffe.tables import plate_table, slit_table
from phoenix.simulation.giraffe.truth import (
    ExposureTruth,
    FibreTruth,
    GiraffeTruth,
    StarTruth,
    truth_document,
)
from phoenix.simulation.plan import Progress, SimulationPlan
from phoenix.simulation.schedule import Night, Template
from phoenix.simulation.sky import mean_airmass
from phoenix.simulation.stamps import arcfile, second_stamp
from phoenix.simulation.stars import Star

#: Cosmic rays per second of exposure and pixel: one per minute on 1 cm2 of 15 micron pixels.
COSMICS_PER_S_PX = 3.7e-8
#: Columns over which the light of a fibre is summed, for the noise told in the truth.
_EXTRACTED_COLUMNS = 6 * FIBRE_SIGMA_PX


class RawFrameSimulator:
    """Writes a simulated month of GIRAFFE (see ``phoenix.simulation.Simulator``)."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night, exposure) for night in nights for exposure in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        light = GiraffeLight(plan.size)
        folder.write_tables("static", static_files(_slits(nights), plan.size), VALID_FROM)
        frames = [
            (night.date.isoformat(), arcfile(ARCHIVE_PREFIX, exposure.start), (night.date, exposure))
            for night, exposure in exposures
        ]
        folder.write_frames(frames, lambda one, path: _write_frame(plan, *one, light, path), progress)
        folder.close(truth_document(_truth(plan, nights, light, out)))


def _slits(nights: list[Night[GiraffeSetup]]) -> list[tuple[str, Setup]]:
    setups = [template.setup for night in nights for template in night.templates]
    return list(dict.fromkeys((setup.slit, setup.setup) for setup in setups))


def _write_frame(
    plan: SimulationPlan, evening: date, exposure: GiraffeExposure, light: GiraffeLight, path: Path
) -> None:
    setup = exposure.template.setup
    rng = frame_generator(plan.seed, path.name)
    drift_adu = random.Random(f"{plan.seed} {evening}").gauss(0.0, 0.5)  # noqa: S311 - bias level
    electrons = light.electrons(exposure)
    if setup.on_sky:
        hits = rng.poisson(COSMICS_PER_S_PX * exposure.template.exptime_s * electrons.size)
        electrons = add_cosmics(electrons, int(hits), rng)
    counts = detector(drift_adu).read_out(electrons, rng)
    hdus = [image_hdu(counts, primary_cards(exposure, plan.size)), *_tables(exposure, light)]
    write_fits(path, hdus, second_stamp(exposure.start))


def _tables(exposure: GiraffeExposure, light: GiraffeLight) -> list[fits.BinTableHDU]:
    """Return the fibre tables: none for a bias; for lamps, every fibre is on the screen."""
    setup, block = exposure.template.setup, exposure.template.block
    if setup.kind is BIAS:
        return []
    fibres = light.fibres(setup.slit)
    ra_deg, dec_deg = direction(block, exposure.start)
    if setup.on_sky:
        targets = field_of(exposure).targets(fibres)
    else:
        screen = Target("CALIBRATION", ra_deg, dec_deg, 0.0, None)
        targets = {fibre.fps: screen for fibre in fibres if fibre.use is not Use.SIMCAL}
    return [plate_table(fibres, targets, ra_deg, dec_deg), slit_table(setup.slit, fibres)]


def _truth(
    plan: SimulationPlan, nights: list[Night[GiraffeSetup]], light: GiraffeLight, out: Path
) -> GiraffeTruth:
    stars: dict[str, StarTruth] = {}
    exposures = []
    for night in nights:
        for exposure in night.exposures():
            if exposure.template.setup.on_sky:
                seen = light.on_plate(exposure)
                stars |= {target.name: _star(target, star) for target, star in _stars(seen)}
                path = out / "raw" / night.date.isoformat() / arcfile(ARCHIVE_PREFIX, exposure.start)
                exposures.append(_exposure(night, exposure, light, seen, _saturated_pixels(path)))
    contents = contents_of(nights, ARCHIVE_PREFIX, _told)
    return GiraffeTruth(plan.as_dict(), dict(sorted(stars.items())), tuple(exposures), contents)


def _saturated_pixels(path: Path) -> int:
    with fits.open(path) as hdus:
        return int(np.sum(hdus[0].data >= MAX_ADU))


def _stars(seen: list[FibreLight]) -> Iterator[tuple[Target, Star]]:
    return ((light.target, light.target.star) for light in seen if light.target.star)


def _star(target: Target, star: Star) -> StarTruth:
    return StarTruth(
        target.name,
        target.ra_deg,
        target.dec_deg,
        target.magnitude,
        star.velocity_kms,
        star.continuum.index,
        star.lines,
    )


def _exposure(
    night: Night[GiraffeSetup],
    exposure: GiraffeExposure,
    light: GiraffeLight,
    seen: list[FibreLight],
    saturated_pixels: int,
) -> ExposureTruth:
    template, field = exposure.template, field_of(exposure)
    setup = template.setup
    on_plate = {each.fibre.fps: _fibre(each) for each in seen}
    return ExposureTruth(
        arcfile=arcfile(ARCHIVE_PREFIX, exposure.start),
        night=night.date.isoformat(),
        slit=setup.slit,
        setup=setup.setup.name,
        wlen_nm=setup.setup.wlen_nm,
        resolution=setup.setup.resolution,
        simcal_lit=setup.kind.simcal_lit,
        ob_id=template.block.ob_id,
        tpl_start=second_stamp(template.start),
        tpl_expno=exposure.number,
        exptime_s=template.exptime_s,
        airmass=round(mean_airmass(field.ra_deg, field.dec_deg, exposure.start, template.exptime_s), 4),
        saturated_pixels=saturated_pixels,
        fibres=tuple(
            on_plate.get(fibre.fps) or _calibration_fibre(fibre) for fibre in light.fibres(setup.slit)
        ),
    )


def _calibration_fibre(fibre: Fibre) -> FibreTruth:
    return FibreTruth(fibre.fps, Use.SIMCAL.value, "", fibre.transmission, 0.0, 0.0, 0.0, 0.0, 0.0)


def _fibre(light: FibreLight) -> FibreTruth:
    """Return the truth of a fibre; electrons are medians over rows round the central wavelength."""
    middle = slice(ROWS * 4 // 9, ROWS * 5 // 9)
    star_e, sky_e = (float(np.median(spectrum[middle])) for spectrum in (light.star, light.sky))
    noise_e = (star_e + sky_e + _EXTRACTED_COLUMNS * RON_E**2) ** 0.5
    return FibreTruth(
        fps=light.fibre.fps,
        use=light.fibre.use.value,
        target=light.target.name,
        transmission=light.fibre.transmission,
        velocity_kms=light.velocity_kms,
        barycentric_correction_kms=light.correction_kms,
        star_e=round(star_e, 1),
        sky_e=round(sky_e, 1),
        snr_per_row=round(star_e / noise_e, 2),
    )


def _told(template: Template[GiraffeSetup]) -> dict[str, Any]:
    """Return what is the instrument's own of a template."""
    setup = template.setup
    return {
        "kind": setup.kind.name,
        "slit": setup.slit,
        "setup": setup.setup.name,
        "exptime_s": template.exptime_s,
    }
