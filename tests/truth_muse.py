"""Cubes held against the truth of the simulated field: places and fluxes of stars, wavelength of the line."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray
from scipy.optimize import curve_fit

from phoenix.simulation.muse.field import BRIGHT_FLUX, Field
from phoenix.simulation.stars import LIGHT_KMS

Floats = NDArray[np.float64]

#: Unit of the data of flux calibrated cubes, erg/s/cm2/A.
CUBE_UNIT = 1e-20
_SPAXEL_ARCSEC = 0.2
_REACH_PX, _GALAXY_PX = 5.5, 8.0
_LINE_REACH_A = 9.0
_FWHM_PER_SIGMA = 2.3548


@dataclass(frozen=True)
class CubeTruth:
    """What a cube shows, held against a field.

    Attributes
    ----------
    places_arcsec
        Measured minus true place of each bright star: east, north; shape (stars, 2).
    flux_ratios
        Measured over true flux of each bright star.
    fwhm_arcsec
        Mean over the bright stars.
    line_error_kms
        Measured minus true wavelength of the galaxy's line, as velocity.
    line_flux_ratio
        Measured over true flux of the line.
    """

    places_arcsec: Floats
    flux_ratios: Floats
    fwhm_arcsec: float
    line_error_kms: float
    line_flux_ratio: float


def held_against(cube: Path, field: Field, moved_arcsec: tuple[float, float] = (0.0, 0.0)) -> CubeTruth:
    """Measure the bright stars and the line of the galaxy in a cube of a field.

    Parameters
    ----------
    moved_arcsec
        How far the whole cube is off, east and north: the pointing error of the exposure it is aligned to.
    """
    with fits.open(cube) as hdus, warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        data, header = hdus["DATA"].data.astype(float), hdus["DATA"].header
        wcs = WCS(header, naxis=2)
    wave_a = header["CRVAL3"] + header["CD3_3"] * (np.arange(data.shape[0]) + 1 - header["CRPIX3"])
    line_a = 10 * field.galaxy.wave_nm
    # Without the first and last planes, which some rows of the field do not reach, and without the line.
    used = np.abs(wave_a - line_a) > _LINE_REACH_A
    used[:2] = used[-2:] = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # spaxels outside the field
        image = np.nanmean(data[used], axis=0)
    places = _Places(field, wcs, moved_arcsec)
    stars = [star for star in field.stars if star.flux >= BRIGHT_FLUX[0]]
    found = np.array([_star(image, places, star.east_arcsec, star.north_arcsec) for star in stars])
    measured_a, flux = _line(data, wave_a, places)
    return CubeTruth(
        places_arcsec=found[:, :2],
        flux_ratios=found[:, 2] * CUBE_UNIT / np.array([star.flux for star in stars]),
        fwhm_arcsec=float(found[:, 3].mean()),
        line_error_kms=(measured_a / line_a - 1) * LIGHT_KMS,
        line_flux_ratio=flux * CUBE_UNIT / field.galaxy.flux,
    )


@dataclass(frozen=True)
class _Places:
    """From offsets in the field to pixels of the cube."""

    field: Field
    wcs: WCS
    moved_arcsec: tuple[float, float]

    def pixel(self, east_arcsec: float, north_arcsec: float) -> tuple[float, float]:
        east, north = east_arcsec + self.moved_arcsec[0], north_arcsec + self.moved_arcsec[1]
        ra_deg = self.field.ra_deg + east / 3600 / np.cos(np.radians(self.field.dec_deg))
        x, y = self.wcs.all_world2pix(ra_deg, self.field.dec_deg + north / 3600, 0)
        return float(x), float(y)


def _star(
    image: Floats, places: _Places, east_arcsec: float, north_arcsec: float
) -> tuple[float, float, float, float]:
    """Fit a Gaussian; return offset east and north, flux, FWHM. North is up in all cubes."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    x0, y0 = places.pixel(east_arcsec, north_arcsec)
    near = (np.hypot(x - x0, y - y0) < _REACH_PX) & np.isfinite(image)
    start = (np.max(image[near]), x0, y0, 1.7, 0.0)
    (height, px, py, sigma, _), _ = curve_fit(_gaussian, (x[near], y[near]), image[near], p0=start)
    east, north = -(px - x0) * _SPAXEL_ARCSEC, (py - y0) * _SPAXEL_ARCSEC
    return east, north, 2 * np.pi * height * sigma**2, abs(sigma) * _FWHM_PER_SIGMA * _SPAXEL_ARCSEC


def _gaussian(
    place: tuple[Floats, Floats], height: float, x0: float, y0: float, sigma: float, base: float
) -> Floats:
    spot = np.exp(-((place[0] - x0) ** 2 + (place[1] - y0) ** 2) / 2 / sigma**2)
    return np.asarray(height * spot + base)


def _line(data: Floats, wave_a: Floats, places: _Places) -> tuple[float, float]:
    """Fit a Gaussian to the galaxy's line; return wavelength in A and flux."""
    galaxy = places.field.galaxy
    x0, y0 = places.pixel(galaxy.east_arcsec, galaxy.north_arcsec)
    y, x = np.mgrid[: data.shape[1], : data.shape[2]]
    spectrum = np.nansum(data[:, np.hypot(x - x0, y - y0) < _GALAXY_PX], axis=1)
    near = np.abs(wave_a - 10 * galaxy.wave_nm) < _LINE_REACH_A
    start = (galaxy.flux / CUBE_UNIT, 10 * galaxy.wave_nm, 10 * galaxy.sigma_nm, 0.0)
    (flux, line_a, _, _), _ = curve_fit(_profile, wave_a[near], spectrum[near], p0=start)
    return line_a, flux


def _profile(wave_a: Floats, flux: float, line_a: float, sigma_a: float, base: float) -> Floats:
    height = flux / sigma_a / np.sqrt(2 * np.pi)
    return np.asarray(height * np.exp(-0.5 * ((wave_a - line_a) / sigma_a) ** 2) + base)
