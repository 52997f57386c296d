"""The XSHOOTER simulator: nights of raw frames, static tables, truth."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from phoenix.simulation.contents import contents_of
from phoenix.simulation.detector import add_cosmics, frame_generator
from phoenix.simulation.fitsfile import image_hdu, write_fits
from phoenix.simulation.folder import SimulationFolder
from phoenix.simulation.plan import Progress, SimulationPlan
from phoenix.simulation.schedule import Night, Template
from phoenix.simulation.stamps import arcfile, second_stamp
from phoenix.simulation.truth import OrderNoise, ScienceTruth, truth_document
from phoenix.simulation.xshooter.frames import (
    SEEING_FWHM_ARCSEC,
    XshooterExposure,
    XshooterLight,
    airmass,
    science_star,
    shot_of,
    velocities_kms,
)
from phoenix.simulation.xshooter.headers import primary_cards
from phoenix.simulation.xshooter.month import nights_of
from phoenix.simulation.xshooter.optics import fine_rows, to_raw
from phoenix.simulation.xshooter.settings import (
    ARCHIVE_PREFIX,
    INSTRUMENT,
    OFFSET_SKY,
    XshooterSetup,
    detector,
)
from phoenix.simulation.xshooter.statics import VALID_FROM, static_files

#: Cosmic rays per second of exposure.
COSMICS_PER_S = 0.25


class RawFrameSimulator:
    """Writes a simulated month of XSHOOTER (see ``phoenix.simulation.Simulator``)."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night, exposure) for night in nights for exposure in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        light = XshooterLight(plan.size)
        folder.write_tables("static", static_files(plan.size), VALID_FROM)
        frames = [
            (night.date.isoformat(), arcfile(ARCHIVE_PREFIX, exposure.start), (night.date, exposure))
            for night, exposure in exposures
        ]
        folder.write_frames(frames, lambda one, path: _write_frame(plan, *one, light, path), progress)
        truths = [_truth(night, exposure, light) for night, exposure in exposures if _shows_star(exposure)]
        text = truth_document(plan.as_dict(), truths, contents_of(nights, ARCHIVE_PREFIX, _told))
        folder.close(text)


def _shows_star(exposure: XshooterExposure) -> bool:
    kind = shot_of(exposure).kind
    return kind.catg == "SCIENCE" and kind is not OFFSET_SKY


def _write_frame(
    plan: SimulationPlan, evening: date, exposure: XshooterExposure, light: XshooterLight, path: Path
) -> None:
    """Simulate one raw frame."""
    template, arm = exposure.template, exposure.template.setup.arm
    rng = frame_generator(plan.seed, path.name)
    drift = random.Random(f"{plan.seed} {evening} {arm.name}").gauss(0.0, 0.5)  # noqa: S311 - bias level
    electrons = to_raw(light.electrons(exposure), arm)
    if shot_of(exposure).kind.on_sky:
        electrons = add_cosmics(electrons, round(COSMICS_PER_S * template.exptime_s), rng)
    counts = detector(arm, drift).read_out(electrons, rng)
    cards = primary_cards(exposure, light.echellogram(arm).layout)
    write_fits(path, [image_hdu(counts, cards)], second_stamp(exposure.start))


def _truth(night: Night[XshooterSetup], exposure: XshooterExposure, light: XshooterLight) -> ScienceTruth:
    template = exposure.template
    velocity_kms, correction_kms = velocities_kms(exposure)
    return ScienceTruth(
        arcfile=arcfile(ARCHIVE_PREFIX, exposure.start),
        night=night.date.isoformat(),
        setting=f"{template.setup.arm.name} {shot_of(exposure).kind.name}",
        ob_id=template.block.ob_id,
        ob_name=template.block.name,
        tpl_start=second_stamp(template.start),
        tpl_nexp=template.planned,
        tpl_expno=exposure.number,
        exptime_s=template.exptime_s,
        airmass=round(airmass(exposure), 4),
        velocity_kms=velocity_kms,
        barycentric_correction_kms=correction_kms,
        snr=tuple(_order_noise(exposure, light)),
        star=science_star(exposure),
    )


def _order_noise(exposure: XshooterExposure, light: XshooterLight) -> list[OrderNoise]:
    """Photon and read noise per row at the middle of each order, over 2.5 FWHM along the slit."""
    arm = exposure.template.setup.arm
    orders = light.echellogram(arm)
    rows = fine_rows(orders)
    middle = (rows > orders.ny * 4 / 9) & (rows < orders.ny * 5 / 9)
    pixels = 2.5 * SEEING_FWHM_ARCSEC / orders.layout.scale_arcsec
    found = []
    for order, spectrum in light.star_spectra(exposure).items():
        signal = float(np.median(spectrum[middle]))
        snr = signal / np.sqrt(signal + pixels * arm.ron_e**2)
        wave_nm = float(orders.wave_nm(order, np.array([orders.ny / 2.0]))[0])
        found.append(OrderNoise(arm.name, order, round(wave_nm, 3), round(float(snr), 1)))
    return found


def _told(template: Template[XshooterSetup]) -> dict[str, Any]:
    """Return what is the instrument's own of a template."""
    setup = template.setup
    return {"kind": setup.kind.name, "arm": setup.arm.name, "aborted": template.aborted}
