"""Reads cubes for QC, a slab of wavelengths at a time: what is in memory does not grow with the cube."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.products import Floats
from phoenix.qc.registry import Source

CUBE = "DATACUBE_FINAL"
#: BUNIT of a flux calibrated cube, and what its unit is, erg/s/cm2/Angstrom.
FLUX_UNIT, FLUX_SCALE = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)", 1e-20
_SLAB_BYTES = 32 * 1024 * 1024
#: So many spaxels tell the level of the sky in a plane to 1.4 % of its scatter.
_SKY_SAMPLE = 8000
_MAD_TO_SIGMA = 1.4826
_ARCSEC = 3600.0


@dataclass(frozen=True, slots=True)
class CubeFile:
    """Where the values and variances of a cube lie in its file.

    Attributes
    ----------
    shape
        Planes, rows, columns.
    data_at, stat_at
        Bytes from the start of the file; ``stat_at`` is None in a cube without variances.
    wave_a
        In air, Angstrom, shape (planes,).
    pixel_arcsec
        Size of a spaxel along columns (negative when east is left) and rows.
    unit
        BUNIT.
    """

    path: Path
    shape: tuple[int, int, int]
    data_at: int
    stat_at: int | None
    wave_a: Floats
    pixel_arcsec: tuple[float, float]
    unit: str

    @property
    def fluxed(self) -> bool:
        """Whether it is flux calibrated."""
        return self.unit == FLUX_UNIT

    def slabs(self, start: int) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
        """Yield planes and their values, shape (planes of the slab, spaxels), from one place of the file on.

        Raises
        ------
        QcError
            If the file ends too early.
        """
        planes, spaxels = self.shape[0], self.shape[1] * self.shape[2]
        step = max(1, _SLAB_BYTES // (4 * spaxels))
        with self.path.open("rb") as file:
            for first in range(0, planes, step):
                count = min(step, planes - first)
                # Read and not mapped: mapped pages would stay with the process.
                file.seek(start + 4 * spaxels * first)
                values = np.fromfile(file, dtype=">f4", count=count * spaxels)
                if len(values) < count * spaxels:
                    raise QcError(str(self.path), f"ends in plane {first + 1} of {planes}", "a whole cube")
                yield slice(first, first + count), values.astype(np.float32).reshape(count, spaxels)


@dataclass(frozen=True, slots=True)
class PlaneStatistics:
    """The sky and some sources in each plane, in the unit of the cube; all of shape (planes,) or as told.

    Attributes
    ----------
    level, scatter
        Median and scatter (from the median absolute deviation) of spaxels of empty sky.
    expected
        Scatter the variances promise: root of their median; NaN without variances.
    flux, error
        Sums over apertures less the level of the sky, shape (apertures, planes).
    """

    level: Floats
    scatter: Floats
    expected: Floats
    flux: Floats
    error: Floats


def read_cube(source: Source) -> CubeFile:
    """Return the cube of an AB, found once; ``QcError`` if it is not there or no cube."""
    return source.products.once("cube", lambda: _find(source))


def _find(source: Source) -> CubeFile:
    for product in source.products.every(CUBE):
        return open_cube(Path(product.path))
    raise QcError(f"product {CUBE}", "is not there", "a product of this recipe")


def open_cube(path: Path) -> CubeFile:
    """Return where a cube's values lie in a file; ``QcError`` if it holds no cube of 32 bit numbers."""
    try:
        with fits.open(path, mode="denywrite", memmap=True) as hdus:
            found = {hdu.name: (hdu.header, int(hdu.fileinfo()["datLoc"])) for hdu in hdus[1:]}
    except (OSError, ValueError, TypeError) as error:
        raise QcError(str(path), f"cannot be read: {error}", "a cube") from error
    if "DATA" not in found:
        raise QcError(str(path), "has no extension DATA", "a cube")
    header, data_at = found["DATA"]
    if header.get("NAXIS") != 3 or header.get("BITPIX") != -32:
        raise QcError(str(path), "its DATA is no cube of 32 bit numbers", "NAXIS 3, BITPIX -32")
    shape = tuple(int(header[f"NAXIS{axis}"]) for axis in (3, 2, 1))
    try:
        step = float(header["CD3_3"] if "CD3_3" in header else header["CDELT3"])
        wave = float(header["CRVAL3"]) + step * (np.arange(shape[0]) + 1 - float(header["CRPIX3"]))
        across = -_ARCSEC * float(np.hypot(header["CD1_1"], header["CD2_1"]))
        up = _ARCSEC * float(np.hypot(header["CD1_2"], header["CD2_2"]))
    except (KeyError, TypeError, ValueError) as error:
        raise QcError(str(path), f"its coordinates are not told: {error}", "CRVAL3, CD3_3, CD1_1") from error
    to_angstrom = {"nm": 10.0, "m": 1e10}.get(str(header.get("CUNIT3", "")).strip().lower(), 1.0)
    stat = found.get("STAT")
    whole = stat is not None and tuple(stat[0].get(f"NAXIS{axis}") for axis in (3, 2, 1)) == shape
    return CubeFile(
        path,
        (shape[0], shape[1], shape[2]),
        data_at,
        stat[1] if stat is not None and whole and stat[0].get("BITPIX") == -32 else None,
        np.asarray(wave * to_angstrom, dtype=np.float64),
        (across, up),
        str(header.get("BUNIT", "")).strip(),
    )


def white_light(cube: CubeFile) -> tuple[Floats, int]:
    """Return the mean of all planes, shape (rows, columns), and how many voxels have a value.

    The mean is NaN where a spaxel has no value at all.
    """
    total = np.zeros(cube.shape[1] * cube.shape[2])
    count = np.zeros_like(total)
    for _, values in cube.slabs(cube.data_at):
        finite = np.isfinite(values)
        total += np.where(finite, values, np.float32(0)).sum(axis=0, dtype=np.float64)
        count += finite.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total / count).reshape(cube.shape[1:]), int(count.sum())


def plane_statistics(
    cube: CubeFile, sky: npt.NDArray[np.bool_], apertures: list[npt.NDArray[np.bool_]]
) -> PlaneStatistics:
    """Measure the sky and some sources in each plane.

    Parameters
    ----------
    sky : ndarray of bool, shape (rows, columns)
        Spaxels of empty sky.
    apertures : list of ndarray of bool, shape (rows, columns)
        Spaxels of each source.
    """
    planes = cube.shape[0]
    places = np.flatnonzero(sky)
    places = places[:: -(-len(places) // _SKY_SAMPLE)] if len(places) else places
    sources = [np.flatnonzero(aperture) for aperture in apertures]
    level, scatter, expected = (np.full(planes, np.nan) for _ in range(3))
    flux, error = (np.full((len(sources), planes), np.nan) for _ in range(2))
    for part, values in cube.slabs(cube.data_at):
        level[part] = _medians(values[:, places])
        scatter[part] = _MAD_TO_SIGMA * _medians(np.abs(values[:, places] - level[part, np.newaxis]))
        for number, inside in enumerate(sources):
            own = values[:, inside] - np.nan_to_num(level[part, np.newaxis])
            flux[number, part] = np.where(np.isfinite(own).any(axis=1), np.nansum(own, axis=1), np.nan)
    if cube.stat_at is not None:
        for part, values in cube.slabs(cube.stat_at):
            expected[part] = np.sqrt(_medians(values[:, places]))
            for number, inside in enumerate(sources):
                error[number, part] = np.sqrt(np.nansum(values[:, inside], axis=1))
    return PlaneStatistics(level, scatter, expected, flux, error)


def _medians(values: npt.NDArray[np.float32]) -> Floats:
    """Return the median of the finite values of each row; NaN where there is none."""
    medians = np.full(len(values), np.nan)
    some = np.isfinite(values).any(axis=1) if values.shape[1] else np.zeros(len(values), bool)
    if some.any():
        medians[some] = np.nanmedian(values[some].astype(np.float64), axis=1)
    return medians
