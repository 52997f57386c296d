"""Where the voxels of a cube, or the pixels of its images, lie: gnomonic on the sky, linear in wavelength."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu

#: CUNIT3 -> nm.
UNITS_NM = {"angstrom": 0.1, "nm": 1.0, "um": 1000.0, "m": 1e9}
#: Two headers of the same pixels may differ by their rounding.
_SAME_PIXEL = 0.01
_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class SkyGrid:
    """Pixels on the sky, in a gnomonic projection (FITS paper II, TAN); pixels count from 1.

    Attributes
    ----------
    columns, rows
        NAXIS1, NAXIS2.
    pixel, sky_deg
        CRPIX1/2 and CRVAL1/2: the pixel of the tangent point and its RA and Dec.
    cd_deg
        CDi_j, degrees a pixel, row by row.
    """

    columns: int
    rows: int
    pixel: tuple[float, float]
    sky_deg: tuple[float, float]
    cd_deg: tuple[float, float, float, float]

    @property
    def pixel_area_arcsec2(self) -> float:
        """Area of a pixel."""
        a, b, c, d = self.cd_deg
        return abs(a * d - b * c) * 3600.0**2

    def centre_deg(self) -> tuple[float, float]:
        """RA and Dec of the middle of the image, pixel 0.5 NAXIS + 0.5."""
        ra, dec = self.to_sky(np.float64(self.columns / 2 + 0.5), np.float64(self.rows / 2 + 0.5))
        return float(ra), float(dec)

    def to_sky(self, x: Any, y: Any) -> tuple[_Floats, _Floats]:
        """Return RA (0 to 360) and Dec of pixels, degrees."""
        a, b, c, d = self.cd_deg
        dx, dy = x - self.pixel[0], y - self.pixel[1]
        xi, eta = np.radians(a * dx + b * dy), np.radians(c * dx + d * dy)
        ra_0, dec_0 = np.radians(self.sky_deg)
        depth = np.cos(dec_0) - eta * np.sin(dec_0)
        ra = ra_0 + np.arctan2(xi, depth)
        dec = np.arctan2(np.sin(dec_0) + eta * np.cos(dec_0), np.hypot(xi, depth))
        return np.degrees(ra) % 360.0, np.degrees(dec)

    def to_pixel(self, ra_deg: Any, dec_deg: Any) -> tuple[_Floats, _Floats]:
        """Return the pixels of positions; NaN on the other half of the sky."""
        a, b, c, d = self.cd_deg
        ra_0, dec_0 = np.radians(self.sky_deg)
        dra, dec = np.radians(ra_deg) - ra_0, np.radians(dec_deg)
        depth = np.sin(dec) * np.sin(dec_0) + np.cos(dec) * np.cos(dec_0) * np.cos(dra)
        depth = np.where(depth > 0, depth, np.nan)
        xi = np.degrees(np.cos(dec) * np.sin(dra) / depth)
        eta = np.degrees((np.sin(dec) * np.cos(dec_0) - np.cos(dec) * np.sin(dec_0) * np.cos(dra)) / depth)
        determinant = a * d - b * c
        x = (d * xi - b * eta) / determinant + self.pixel[0]
        y = (a * eta - c * xi) / determinant + self.pixel[1]
        return x, y

    def holds(self, ra_deg: float, dec_deg: float) -> bool:
        """Whether a position lies in the image."""
        x, y = self.to_pixel(np.float64(ra_deg), np.float64(dec_deg))
        return bool(0.5 <= x <= self.columns + 0.5 and 0.5 <= y <= self.rows + 0.5)

    def same_pixels(self, other: SkyGrid) -> bool:
        """Whether two images have the same size and lie on each other, to a hundredth of a pixel."""
        if (self.columns, self.rows) != (other.columns, other.rows):
            return False
        x, y = np.array([1.0, self.columns, 1.0]), np.array([1.0, 1.0, self.rows])
        other_x, other_y = other.to_pixel(*self.to_sky(x, y))
        return bool(np.all(np.hypot(other_x - x, other_y - y) < _SAME_PIXEL))


@dataclass(frozen=True)
class WaveGrid:
    """Wavelengths of the planes of a cube, from a linear third axis."""

    planes: int
    pixel: float
    value_nm: float
    step_nm: float

    def of_plane(self, index: int) -> float:
        """Return the wavelength of a plane counted from 0, nm."""
        return self.value_nm + (index + 1 - self.pixel) * self.step_nm


def sky_grid(hdu: Hdu) -> SkyGrid:
    """Read the first two axes of an image or a cube.

    Raises
    ------
    IdpError
        If they are no RA and Dec in degrees, or keywords are missing.
    """
    for axis, (kind, unit) in enumerate((("RA---TAN", "deg"), ("DEC--TAN", "deg")), start=1):
        found = hdu.text(f"CTYPE{axis}"), hdu.text(f"CUNIT{axis}").lower()
        if found != (kind, unit):
            raise IdpError(
                f"HDU {hdu.name}, axis {axis}", f"is {found[0]!r} in {found[1]!r}", f"{kind} in deg"
            )
    grid = SkyGrid(
        _whole(hdu, "NAXIS1"),
        _whole(hdu, "NAXIS2"),
        (_number(hdu, "CRPIX1"), _number(hdu, "CRPIX2")),
        (_number(hdu, "CRVAL1"), _number(hdu, "CRVAL2")),
        (
            _number(hdu, "CD1_1"),
            hdu.number("CD1_2") or 0.0,
            hdu.number("CD2_1") or 0.0,
            _number(hdu, "CD2_2"),
        ),
    )
    if grid.pixel_area_arcsec2 == 0:
        raise IdpError(f"HDU {hdu.name}", "its CDi_j give pixels without area", "coordinates on the sky")
    return grid


def wave_grid(hdu: Hdu) -> WaveGrid:
    """Read the third axis of a cube; ``IdpError`` if it is no wavelength in a known unit."""
    kind, unit = hdu.text("CTYPE3"), hdu.text("CUNIT3").lower()
    if kind not in {"AWAV", "WAVE"} or unit not in UNITS_NM:
        raise IdpError(
            f"HDU {hdu.name}, axis 3", f"is {kind!r} in {unit!r}", "AWAV or WAVE in angstrom or nm"
        )
    to_nm = UNITS_NM[unit]
    return WaveGrid(
        _whole(hdu, "NAXIS3"),
        _number(hdu, "CRPIX3"),
        _number(hdu, "CRVAL3") * to_nm,
        _number(hdu, "CD3_3") * to_nm,
    )


def _number(hdu: Hdu, keyword: str) -> float:
    value = hdu.number(keyword)
    if value is None or not np.isfinite(value):
        raise IdpError(f"HDU {hdu.name}, {keyword}", f"is {hdu.get(keyword)!r}", "a number")
    return value


def _whole(hdu: Hdu, keyword: str) -> int:
    value = hdu.integer(keyword)
    if value is None or value < 1:
        raise IdpError(f"HDU {hdu.name}, {keyword}", f"is {hdu.get(keyword)!r}", "a length from 1 on")
    return value
