"""The UVES simulator: nights of raw frames, static tables, truth."""

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
from phoenix.simulation.schedule import Exposure, Night, Template
from phoenix.simulation.stamps import arcfile, second_stamp
from phoenix.simulation.truth import OrderNoise, ScienceTruth, truth_document
from phoenix.simulation.uves.frames import (
    SEEING_FWHM_PX,
    UvesLight,
    airmass,
    science_star,
    velocities_kms,
)
from phoenix.simulation.uves.geometry import to_raw
from phoenix.simulation.uves.headers import INSTRUMENT, chip_cards, primary_cards
from phoenix.simulation.uves.month import nights_of
from phoenix.simulation.uves.settings import BINNING, RON_E, SCIENCE, Setting, UvesSetup, detector
from phoenix.simulation.uves.statics import VALID_FROM, static_files

#: Cosmic rays per second of exposure and chip.
COSMICS_PER_S = 0.25

UvesExposure = Exposure[UvesSetup]


class RawFrameSimulator:
    """Writes a simulated month of UVES (see ``phoenix.simulation.Simulator``)."""

    def simulate(self, plan: SimulationPlan, out: Path, progress: Progress) -> None:
        """Write all that is missing of `plan` under `out`."""
        plan.require(INSTRUMENT)
        folder = SimulationFolder(out, plan)
        nights = nights_of(plan)
        exposures = [(night, exposure) for night in nights for exposure in night.exposures()]
        if folder.complete():
            progress(len(exposures), len(exposures), "already simulated")
            return
        light = UvesLight(plan.size)
        folder.write_tables("static", static_files(_settings(nights), plan.size), VALID_FROM)
        frames = [
            (night.date.isoformat(), arcfile(INSTRUMENT, exposure.start), (night.date, exposure))
            for night, exposure in exposures
        ]
        folder.write_frames(frames, lambda one, path: _write_frame(plan, *one, light, path), progress)
        truths = [_truth(night, exposure, light) for night, exposure in exposures if _is_science(exposure)]
        text = truth_document(plan.as_dict(), truths, contents_of(nights, INSTRUMENT, _told))
        folder.close(text)


def _is_science(exposure: UvesExposure) -> bool:
    return exposure.template.setup.kind is SCIENCE


def _settings(nights: list[Night[UvesSetup]]) -> list[Setting]:
    return list(dict.fromkeys(template.setup.setting for night in nights for template in night.templates))


def _write_frame(
    plan: SimulationPlan, evening: date, exposure: UvesExposure, light: UvesLight, path: Path
) -> None:
    """Simulate one raw frame: BLUE has its chip in the primary HDU, RED two extensions."""
    setting = exposure.template.setup.setting
    binning = BINNING[plan.size, setting.arm]
    rng = frame_generator(plan.seed, path.name)
    drift = random.Random(f"{plan.seed} {evening} {setting.arm}").gauss(0.0, 0.5)  # noqa: S311 - bias level
    ccd = detector(binning, drift)
    cards = primary_cards(exposure, binning)
    hdus = [] if len(setting.chips) == 1 else [image_hdu(None, cards)]
    for chip in setting.chips:
        electrons = to_raw(light.electrons(exposure, chip), setting.arm)
        if _is_science(exposure):
            electrons = add_cosmics(electrons, round(COSMICS_PER_S * exposure.template.exptime_s), rng)
        counts = ccd.read_out(electrons, rng)
        own = chip_cards(chip, setting, binning)
        if len(setting.chips) == 1:
            hdus.append(image_hdu(counts, [*own[:9], *cards[:-4], *own[9:], *cards[-4:]]))
        else:
            name = ("EXTNAME", f"WIN1.CHIP{chip.number}.OUT1", "Extension name")
            hdus.append(image_hdu(counts, [name, *own], extension=True))
    write_fits(path, hdus, second_stamp(exposure.start))


def _truth(night: Night[UvesSetup], exposure: UvesExposure, light: UvesLight) -> ScienceTruth:
    template = exposure.template
    velocity_kms, correction_kms = velocities_kms(exposure)
    return ScienceTruth(
        arcfile=arcfile(INSTRUMENT, exposure.start),
        night=night.date.isoformat(),
        setting=template.setup.setting.name,
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


def _order_noise(exposure: UvesExposure, light: UvesLight) -> list[OrderNoise]:
    """Photon and read noise at the middle of each order, over a window of 2.5 FWHM along the slit."""
    found = []
    for chip in exposure.template.setup.setting.chips:
        orders = light.echellogram(exposure.template.setup.setting, chip)
        middle = slice(orders.nx * 4 // 9, orders.nx * 5 // 9)
        wave_nm = orders.wave_nm(np.array([orders.nx / 2.0]))[:, 0]
        electrons = np.median(light.star_spectrum(exposure, chip)[:, middle], axis=1)
        rows = 2.5 * SEEING_FWHM_PX * orders.ny / 2048.0
        for order, centre, signal in zip(orders.orders, wave_nm, electrons, strict=True):
            snr = signal / np.sqrt(signal + rows * RON_E**2)
            found.append(OrderNoise(chip.name, int(order), round(float(centre), 3), round(float(snr), 1)))
    return found


def _told(template: Template[UvesSetup]) -> dict[str, Any]:
    """Return what is the instrument's own of a template."""
    setup = template.setup
    return {"kind": setup.kind.name, "setting": setup.setting.name, "aborted": template.aborted}
