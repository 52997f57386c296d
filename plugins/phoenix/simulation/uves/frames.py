"""Expected electrons of every kind of UVES frame; those of lamps are made once per setting and kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.schedule import Exposure
from phoenix.simulation.sky import barycentric_correction_kms, mean_airmass
from phoenix.simulation.stars import StandardStar, Star
from phoenix.simulation.uves import optics
from phoenix.simulation.uves.geometry import Echellogram
from phoenix.simulation.uves.light import detected, flat_lamp, line_atlas
from phoenix.simulation.uves.settings import (
    ARC,
    BIAS,
    BINNING,
    FLAT,
    FORMAT_CHECK,
    ORDER_FLAT,
    Chip,
    Kind,
    Setting,
    UvesSetup,
)

Floats = NDArray[np.float64]

PINHOLE_FWHM_PX = 5.0  # unbinned, format check and order flat
SEEING_FWHM_PX = 5.2
STAR_OFFSET_PX = 1.2
SKY_FRACTION = 0.05

#: Lamp light relative to arc and flat, and scattered light in electrons per pixel.
FORMAT_CHECK_LIGHT, ORDER_FLAT_LIGHT = 0.2, 0.3
SCATTERED_E = {FORMAT_CHECK.name: 2.0, ORDER_FLAT.name: 10.0, FLAT.name: 20.0, ARC.name: 3.0}
STAR_SCATTERED_E = 3.0


class UvesLight:
    """Electrons that reach the chips, in standard orientation."""

    def __init__(self, size: str) -> None:
        self._size = size
        self._echellograms: dict[str, Echellogram] = {}
        self._lamp_images: dict[tuple[str, str, str], Floats] = {}

    def echellogram(self, setting: Setting, chip: Chip) -> Echellogram:
        """Order geometry of a chip."""
        if chip.geometry not in self._echellograms:
            self._echellograms[chip.geometry] = Echellogram(chip.geometry, BINNING[self._size, setting.arm])
        return self._echellograms[chip.geometry]

    def electrons(self, exposure: Exposure[UvesSetup], chip: Chip) -> Floats:
        """Return the expected electrons per pixel of a frame; shape (ny, nx)."""
        setup = exposure.template.setup
        orders = self.echellogram(setup.setting, chip)
        if setup.kind is BIAS:
            return np.zeros((orders.ny, orders.nx))
        if exposure.template.block.target is None:
            key = (setup.kind.name, setup.setting.name, chip.name)
            if key not in self._lamp_images:
                self._lamp_images[key] = self._lamp_image(setup.kind, setup.setting, orders)
            return self._lamp_images[key]
        star = optics.point_source(SEEING_FWHM_PX / orders.binning, STAR_OFFSET_PX / orders.binning)
        profile = optics.star_and_sky(star, optics.filled_slit(orders.slit_px), SKY_FRACTION)
        return optics.image(orders, self.star_spectrum(exposure, chip), profile, STAR_SCATTERED_E)

    def _lamp_image(self, kind: Kind, setting: Setting, orders: Echellogram) -> Floats:
        pinhole = optics.point_source(PINHOLE_FWHM_PX / orders.binning)
        slit = optics.filled_slit(orders.slit_px)
        if kind.lamp == "ThAr":
            atlas = line_atlas()
            spectrum = optics.emission_lines(orders, atlas.wave_nm, atlas.electrons)
        else:
            spectrum = optics.continuum(orders, flat_lamp(setting))
        light, profile = {
            FORMAT_CHECK.name: (FORMAT_CHECK_LIGHT, pinhole),
            ORDER_FLAT.name: (ORDER_FLAT_LIGHT, pinhole),
            FLAT.name: (1.0, slit),
            ARC.name: (1.0, slit),
        }[kind.name]
        return optics.image(orders, light * spectrum, profile, SCATTERED_E[kind.name])

    def star_spectrum(self, exposure: Exposure[UvesSetup], chip: Chip) -> Floats:
        """Electrons of the star per order and column."""
        setting, exptime_s = exposure.template.setup.setting, exposure.template.exptime_s
        light = detected(_flux(exposure), setting, exptime_s, airmass(exposure))
        return optics.continuum(self.echellogram(setting, chip), light)


def _flux(exposure: Exposure[UvesSetup]) -> Callable[[Floats], Floats]:
    target = exposure.template.block.target
    if isinstance(target, StandardStar):
        return target.flux_at
    star, (velocity_kms, _) = science_star(exposure), velocities_kms(exposure)
    return lambda wave_nm: star.flux_at(wave_nm, velocity_kms)


def science_star(exposure: Exposure[UvesSetup]) -> Star:
    """Target of a science exposure."""
    target = exposure.template.block.target
    if not isinstance(target, Star):
        raise TypeError(f"{exposure.template.block.name} has no science target")
    return target


def airmass(exposure: Exposure[UvesSetup]) -> float:
    """Mean airmass of an exposure of a target."""
    target = exposure.template.block.target
    if target is None:
        raise TypeError(f"{exposure.template.block.name} has no target")
    return mean_airmass(target.ra_deg, target.dec_deg, exposure.start, exposure.template.exptime_s)


def velocities_kms(exposure: Exposure[UvesSetup]) -> tuple[float, float]:
    """Apparent velocity of a science target at mid-exposure, and the barycentric correction, km/s."""
    star = science_star(exposure)
    middle = exposure.start + timedelta(seconds=exposure.template.exptime_s / 2)
    correction = round(barycentric_correction_kms(star.ra_deg, star.dec_deg, middle), 5)
    return round(star.velocity_kms - correction, 5), correction
