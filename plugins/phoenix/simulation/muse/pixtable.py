"""Pixel tables as muse_scibasic writes them: a row for each pixel of the detectors, one image per column.

Format as the pipeline's sources define it (muse 2.8): xpos, ypos in pixels of 0.2 arcsec, wavelength in air
as seen from the observatory, counts, their variance, bad pixel mask, and the detector pixel they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import transmission
from phoenix.simulation.detector import frame_generator
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.muse.field import Field
from phoenix.simulation.muse.headers import aim_of, pixel_table_cards, told_pointing
from phoenix.simulation.muse.month import Aim, MuseSetup
from phoenix.simulation.muse.settings import (
    INSTRUMENT,
    READ_NOISE,
    SEEING_FWHM_ARCSEC,
    SKY_LINE_SIGMA_A,
    SKY_LINES_A,
    SKY_PER_S_A,
    SLICES,
    SPAXEL_ARCSEC,
    STEP_A,
    UNITS,
    FrameSize,
    response_mag,
)
from phoenix.simulation.schedule import Exposure
from phoenix.simulation.sky import barycentric_correction_kms, mean_airmass
from phoenix.simulation.stamps import arcfile
from phoenix.simulation.stars import LIGHT_KMS

Floats = NDArray[np.float64]

_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
BAD_FRACTION, BAD_PIXEL = 0.001, 1 << 14
_COLUMN_UNITS = {
    "xpos": "pix", "ypos": "pix", "lambda": "Angstrom", "data": "count", "stat": "count**2",
}  # fmt: skip


def correction_kms(exposure: Exposure[MuseSetup]) -> float:
    """Velocity to add to a measured one to refer it to the barycentre, at mid-exposure, km/s."""
    middle = exposure.start + timedelta(seconds=exposure.template.exptime_s / 2)
    field = exposure.template.setup.field
    return round(barycentric_correction_kms(field.ra_deg, field.dec_deg, middle), 5)


def airmass(exposure: Exposure[MuseSetup]) -> float:
    """Mean airmass of an exposure."""
    ra_deg, dec_deg = told_pointing(exposure)
    return mean_airmass(ra_deg, dec_deg, exposure.start, exposure.template.exptime_s)


def pixel_table(exposure: Exposure[MuseSetup], size: FrameSize, seed: int) -> list[fits.PrimaryHDU]:
    """Return the HDUs of the pixel table of an exposure, all units merged."""
    rng = frame_generator(seed, arcfile(INSTRUMENT, exposure.start))
    x, y, wave_a = _positions(size)
    expected = _expected_counts(exposure, x, y, wave_a)
    counts = rng.poisson(expected) + rng.normal(0.0, READ_NOISE, expected.shape)
    bad = rng.random(expected.shape) < BAD_FRACTION
    counts[bad] += 5.0e4
    ifu, slice_ = _slices(size)
    columns = {
        "xpos": np.broadcast_to(x, expected.shape).astype(np.float32),
        "ypos": np.broadcast_to(y, expected.shape).astype(np.float32),
        "lambda": np.broadcast_to(wave_a, expected.shape).astype(np.float32),
        "data": counts.astype(np.float32),
        "dq": np.where(bad, BAD_PIXEL, 0).astype(np.int32),
        "stat": (expected + READ_NOISE**2).astype(np.float32),
        "origin": _origin(size, ifu, slice_),
    }
    primary = fits.PrimaryHDU(header=header([*pixel_table_cards(exposure), *_limits(columns, ifu, slice_)]))
    return [primary, *(_column(name, values) for name, values in columns.items())]


def _positions(size: FrameSize) -> tuple[Floats, Floats, Floats]:
    """Return x, y and wavelength of the pixels, each to be broadcast to (side, side, planes).

    As on the real slicer, rows of a field are shifted against each other in x and in wavelength. The shifts
    are odd about the centre: the recipe takes the middle of the limits for the centre of the field.
    """
    centred = np.arange(size.side, dtype=float) - (size.side - 1) / 2
    wiggle = np.sin(2 * np.pi * 7 * centred / size.side)
    x = centred[:, None, None] + 0.3 * wiggle[None, :, None]
    wave_a = size.wave_a()[None, None, :] + 0.4 * wiggle[None, :, None]
    return x, centred[None, :, None], wave_a


def _expected_counts(exposure: Exposure[MuseSetup], x: Floats, y: Floats, wave_a: Floats) -> Floats:
    template, aim = exposure.template, aim_of(exposure)
    east, north = on_sky(x, y, aim)
    per_flux = 10 ** (0.4 * response_mag(wave_a)) * transmission(wave_a / 10.0, airmass(exposure))
    rate = _sky_rate(wave_a)
    rate = rate + _star_light(template.setup.field, east, north) * per_flux
    rate += _line_light(template.setup.field, east, north, wave_a, correction_kms(exposure)) * per_flux
    return np.asarray(rate * (template.exptime_s * STEP_A))


def on_sky(x: Floats, y: Floats, aim: Aim) -> tuple[Floats, Floats]:
    """Return where pixels look: arcsec east and north of the field's centre.

    At position angle 0 north is up and east to the left; with the angle the field turns from north over east.
    """
    angle = np.radians(aim.posang_deg)
    left, up = -x * SPAXEL_ARCSEC, y * SPAXEL_ARCSEC
    east = left * np.cos(angle) + up * np.sin(angle)
    north = -left * np.sin(angle) + up * np.cos(angle)
    return east + aim.dither_arcsec[0], north + aim.dither_arcsec[1]


def _sky_rate(wave_a: Floats) -> Floats:
    """Sky in counts/s/A per spaxel."""
    rate = np.full(wave_a.shape, SKY_PER_S_A)
    for line_a, peak in SKY_LINES_A:
        rate += peak * np.exp(-0.5 * ((wave_a - line_a) / SKY_LINE_SIGMA_A) ** 2)
    return rate


def _star_light(field: Field, east: Floats, north: Floats) -> Floats:
    """Flux density of all stars per spaxel, erg/s/cm2/A."""
    light = np.zeros(np.broadcast_shapes(east.shape, north.shape))
    for star in field.stars:
        light += star.flux * _spot(east - star.east_arcsec, north - star.north_arcsec, SEEING_FWHM_ARCSEC)
    return light


def _line_light(field: Field, east: Floats, north: Floats, wave_a: Floats, shift_kms: float) -> Floats:
    """Flux density of the galaxy per spaxel; its line is seen shifted by the motion of the observatory."""
    galaxy = field.galaxy
    line_a, sigma_a = 10.0 * galaxy.wave_nm * (1.0 - shift_kms / LIGHT_KMS), 10.0 * galaxy.sigma_nm
    profile = np.exp(-0.5 * ((wave_a - line_a) / sigma_a) ** 2) / (sigma_a * np.sqrt(2.0 * np.pi))
    spot = _spot(east - galaxy.east_arcsec, north - galaxy.north_arcsec, galaxy.fwhm_arcsec)
    return np.asarray(galaxy.flux * spot * profile)


def _spot(east: Floats, north: Floats, fwhm_arcsec: float) -> Floats:
    """Part of a round Gaussian that falls on a spaxel."""
    sigma = fwhm_arcsec / _FWHM_PER_SIGMA
    area = SPAXEL_ARCSEC**2 / (2.0 * np.pi * sigma**2)
    return np.asarray(area * np.exp(-0.5 * (east**2 + north**2) / sigma**2))


def _slices(size: FrameSize) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return unit and slice of each row of the field, both from 1."""
    row = np.arange(size.side)
    return row * UNITS // size.side + 1, row % SLICES + 1


def _origin(size: FrameSize, ifu: NDArray[np.int64], slice_: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return the detector pixel of each row, packed as x in the slice, y, unit and slice."""
    x, y = np.arange(size.side) % 75, np.arange(size.planes) + 100
    packed = (x[:, None, None] << 24) | (y[None, None, :] << 11) | (ifu << 6)[None, :, None]
    return np.asarray(packed | slice_[None, :, None]).astype(np.int32)


def _limits(
    columns: Mapping[str, NDArray[np.generic]], ifu: NDArray[np.int64], slice_: NDArray[np.int64]
) -> list[Card]:
    prefix = "ESO DRS MUSE PIXTABLE"
    bounds: dict[str, NDArray[np.generic]] = {
        "X": columns["xpos"], "Y": columns["ypos"], "LAMBDA": columns["lambda"], "IFU": ifu, "SLICE": slice_,
    }  # fmt: skip
    cards: list[Card] = [
        (f"{prefix} TYPE", "GEOFULL", "Which geometry was used"),
        (f"{prefix} MERGED", UNITS, "Merged units"),
    ]
    for name, values in bounds.items():
        for word, value in (("LOW", values.min().item()), ("HIGH", values.max().item())):
            cards.append((f"{prefix} LIMITS {name} {word}", value, "Limit"))
    return cards


def _column(name: str, values: NDArray[np.generic]) -> fits.ImageHDU:
    hdu = fits.ImageHDU(values.reshape(-1, 1))
    hdu.header["EXTNAME"] = name
    if name in _COLUMN_UNITS:
        hdu.header["BUNIT"] = _COLUMN_UNITS[name]
    return hdu
