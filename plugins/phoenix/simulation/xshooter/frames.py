"""Expected electrons of every kind of XSHOOTER frame; those of lamps are made once per arm and kept."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.schedule import Exposure
from phoenix.simulation.sky import barycentric_correction_kms, mean_airmass
from phoenix.simulation.stars import StandardStar, Star
from phoenix.simulation.xshooter import optics
from phoenix.simulation.xshooter.geometry import PINHOLES_ARCSEC, Echellogram
from phoenix.simulation.xshooter.light import (
    SKY_LINE_E_PER_S,
    Density,
    flat_lamp,
    line_atlas,
    sky_lines_nm,
    skylight,
    starlight,
)
from phoenix.simulation.xshooter.settings import (
    BIAS,
    LAYOUTS,
    MULTI_PINHOLE,
    OFFSET_SKY,
    PINHOLE,
    SHIFT_PX,
    Arm,
    Kind,
    Shot,
    XshooterSetup,
)

Floats = NDArray[np.float64]
XshooterExposure = Exposure[XshooterSetup]

PINHOLE_FWHM_ARCSEC = 0.5
SEEING_FWHM_ARCSEC = 0.8
#: Light of the flat lamp through a pinhole, relative to what passes the whole slit.
PINHOLE_LIGHT = 0.03
SCATTERED_E = 3.0
#: Of the infrared detector, and what shines on it without lamp.
DARK_E = 3.0


def shot_of(exposure: XshooterExposure) -> Shot:
    """Return what this exposure of its template is."""
    return exposure.template.setup.shots[exposure.number - 1]


class XshooterLight:
    """Electrons that reach the detectors, dispersion along y."""

    def __init__(self, size: str) -> None:
        self._size = size
        self._lamp_images: dict[tuple[str, str], Floats] = {}

    def echellogram(self, arm: Arm) -> Echellogram:
        """Geometry of the frames of an arm."""
        return Echellogram(LAYOUTS[self._size, arm.name], SHIFT_PX)

    def electrons(self, exposure: XshooterExposure) -> Floats:
        """Return the expected electrons per pixel of a frame; shape (ny, nx)."""
        arm, kind = exposure.template.setup.arm, shot_of(exposure).kind
        orders = self.echellogram(arm)
        if not (kind.lamp or kind.on_sky):
            dark = 0.0 if kind is BIAS else DARK_E
            return np.full((orders.ny, orders.nx), dark)
        if kind.on_sky:
            return self._sky_image(exposure)
        key = (arm.name, kind.name)
        if key not in self._lamp_images:
            self._lamp_images[key] = SCATTERED_E + _lamp_image(orders, arm, kind)
        return self._lamp_images[key]

    def _sky_image(self, exposure: XshooterExposure) -> Floats:
        arm, shot = exposure.template.setup.arm, shot_of(exposure)
        exptime_s, orders = exposure.template.exptime_s, self.echellogram(arm)
        lines_nm = sky_lines_nm(arm)
        sky = optics.continuum(orders, skylight(arm, exptime_s))
        lines = optics.emission_lines(orders, lines_nm, np.full(len(lines_nm), SKY_LINE_E_PER_S * exptime_s))
        both = {order: sky[order] + lines[order] for order in sky}
        frame = SCATTERED_E + optics.image(orders, both, optics.filled_slit)
        if shot.kind is not OFFSET_SKY:
            star = optics.point(SEEING_FWHM_ARCSEC, shot.slit_arcsec)
            frame += optics.image(orders, self.star_spectra(exposure), star)
        return frame

    def star_spectra(self, exposure: XshooterExposure) -> dict[int, Floats]:
        """Electrons of the star per row, by order, on the rows of `optics.fine_rows`."""
        arm, exptime_s = exposure.template.setup.arm, exposure.template.exptime_s
        light = starlight(_flux(exposure), arm, exptime_s, airmass(exposure))
        return optics.continuum(self.echellogram(arm), light)


def _lamp_image(orders: Echellogram, arm: Arm, kind: Kind) -> Floats:
    profile = {
        "": optics.filled_slit,
        PINHOLE: optics.point(PINHOLE_FWHM_ARCSEC),
        MULTI_PINHOLE: optics.points(PINHOLE_FWHM_ARCSEC, PINHOLES_ARCSEC),
    }[kind.slit]
    if kind.lamp == "arc":
        return optics.image(orders, optics.emission_lines(orders, *line_atlas(arm)), profile)
    lamp = optics.continuum(orders, flat_lamp(arm, kind.lamp))
    dimmed = PINHOLE_LIGHT if kind.slit else 1.0
    return dimmed * optics.image(orders, lamp, profile)


def _flux(exposure: XshooterExposure) -> Density:
    target = exposure.template.block.target
    if isinstance(target, StandardStar):
        return target.flux_at
    star, (velocity_kms, _) = science_star(exposure), velocities_kms(exposure)
    return lambda wave_nm: star.flux_at(wave_nm, velocity_kms)


def science_star(exposure: XshooterExposure) -> Star:
    """Target of a science exposure."""
    target = exposure.template.block.target
    if not isinstance(target, Star):
        raise TypeError(f"{exposure.template.block.name} has no science target")
    return target


def airmass(exposure: XshooterExposure) -> float:
    """Mean airmass of an exposure of a target."""
    target = exposure.template.block.target
    if target is None:
        raise TypeError(f"{exposure.template.block.name} has no target")
    return mean_airmass(target.ra_deg, target.dec_deg, exposure.start, exposure.template.exptime_s)


def velocities_kms(exposure: XshooterExposure) -> tuple[float, float]:
    """Apparent velocity of a science target at mid-exposure, and the barycentric correction, km/s."""
    star = science_star(exposure)
    middle = exposure.start + timedelta(seconds=exposure.template.exptime_s / 2)
    correction = round(barycentric_correction_kms(star.ra_deg, star.dec_deg, middle), 5)
    return round(star.velocity_kms - correction, 5), correction
