"""Expected electrons of every kind of GIRAFFE frame; those of lamps are kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from phoenix.simulation.giraffe.fibres import Fibre, Use, fibres_of
from phoenix.simulation.giraffe.field import Field, Target
from phoenix.simulation.giraffe.light import flat_lamp, line_lamp, skylight, starlight
from phoenix.simulation.giraffe.optics import image, wave_of_rows_nm
from phoenix.simulation.giraffe.settings import ARC, BIAS, LAYOUTS, ROWS, GiraffeSetup, Setup
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.sky import barycentric_correction_kms, mean_airmass

Floats = NDArray[np.float64]
GiraffeExposure = Exposure[GiraffeSetup]


@dataclass(frozen=True)
class FibreLight:
    """What a fibre on the plate sees in an exposure, in electrons per row on the detector."""

    fibre: Fibre
    target: Target
    velocity_kms: float
    correction_kms: float
    wave_nm: Floats
    star: Floats
    sky: Floats


class GiraffeLight:
    """Electrons that reach the detector."""

    def __init__(self, size: str) -> None:
        self._size = size
        self._waves: dict[tuple[str, str], list[Floats]] = {}
        self._lamp_images: dict[GiraffeSetup, Floats] = {}

    def fibres(self, slit: str) -> tuple[Fibre, ...]:
        """Fibres of a slit."""
        return fibres_of(slit, self._size)

    def waves_nm(self, slit: str, setup: Setup) -> list[Floats]:
        """Return the wavelength of each row, fibre by fibre."""
        key = (slit, setup.name)
        if key not in self._waves:
            self._waves[key] = [wave_of_rows_nm(setup, fibre) for fibre in self.fibres(slit)]
        return self._waves[key]

    def electrons(self, exposure: GiraffeExposure) -> Floats:
        """Return the expected electrons per pixel of a frame; shape (ROWS, columns)."""
        setup = exposure.template.setup
        columns = LAYOUTS[self._size].columns
        if setup.kind is BIAS:
            return np.zeros((ROWS, columns))
        if setup.on_sky:
            return image(self.fibres(setup.slit), self._sky_spectra(exposure), columns)
        if setup not in self._lamp_images:
            spectra = self._lamp_spectra(setup, exposure.template.exptime_s)
            self._lamp_images[setup] = image(self.fibres(setup.slit), spectra, columns)
        return self._lamp_images[setup]

    def _lamp_spectra(self, setup: GiraffeSetup, exptime_s: float) -> Floats:
        spectra = []
        for fibre, wave_nm in zip(
            self.fibres(setup.slit), self.waves_nm(setup.slit, setup.setup), strict=True
        ):
            arc = setup.kind is ARC
            lamp = line_lamp(wave_nm, setup.setup, exptime_s) if arc else flat_lamp(wave_nm, setup.setup)
            spectra.append(fibre.transmission * lamp)
        return np.array(spectra)

    def _sky_spectra(self, exposure: GiraffeExposure) -> Floats:
        setup, exptime_s = exposure.template.setup, exposure.template.exptime_s
        seen = {light.fibre.fps: light.star + light.sky for light in self.on_plate(exposure)}
        spectra = []
        for fibre, wave_nm in zip(
            self.fibres(setup.slit), self.waves_nm(setup.slit, setup.setup), strict=True
        ):
            if fibre.use is not Use.SIMCAL:
                spectra.append(seen[fibre.fps])
            elif setup.kind.simcal_lit:
                spectra.append(fibre.transmission * line_lamp(wave_nm, setup.setup, exptime_s))
            else:
                spectra.append(np.zeros(ROWS))
        return np.array(spectra)

    def on_plate(self, exposure: GiraffeExposure) -> list[FibreLight]:
        """Return what each fibre on the plate sees in a science exposure, in the order of the slit."""
        setup, exptime_s = exposure.template.setup, exposure.template.exptime_s
        fibres, field = self.fibres(setup.slit), field_of(exposure)
        targets = field.targets(fibres)
        airmass = mean_airmass(field.ra_deg, field.dec_deg, exposure.start, exptime_s)
        middle = exposure.start + timedelta(seconds=exptime_s / 2)
        seen = []
        for fibre, wave_nm in zip(fibres, self.waves_nm(setup.slit, setup.setup), strict=True):
            if fibre.use is Use.SIMCAL:
                continue
            target = targets[fibre.fps]
            velocity_kms = correction_kms = 0.0
            star = np.zeros(ROWS)
            if target.star:
                correction_kms = round(barycentric_correction_kms(target.ra_deg, target.dec_deg, middle), 5)
                velocity_kms = round(target.star.velocity_kms - correction_kms, 5)
                star = starlight(target.star, velocity_kms, wave_nm, setup.setup, exptime_s, airmass)
            sky = fibre.transmission * skylight(wave_nm, setup.setup, exptime_s)
            seen.append(
                FibreLight(
                    fibre, target, velocity_kms, correction_kms, wave_nm, fibre.transmission * star, sky
                )
            )
        return seen


def field_of(exposure: GiraffeExposure) -> Field:
    """Field of a science exposure."""
    target = exposure.template.block.target
    if not isinstance(target, Field):
        raise TypeError(f"{exposure.template.block.name} points at no field")
    return target
