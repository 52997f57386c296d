"""An IFU cube, read plane by plane: what it holds is told after one pass over data and variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.headers.checksum import ones_complement_sum
from phoenix.idp.cube_grid import SkyGrid, WaveGrid, sky_grid, wave_grid
from phoenix.idp.fitsfile import FitsFile, Hdu

#: Planes are read together up to this many bytes.
_CHUNK_BYTES = 8 << 20
#: Every n-th variance goes into the histogram of the noise; a plane has 100,000.
_NOISE_SAMPLE = 7
#: Bins of the histogram: log10 of the standard deviation, from 1e-30 (cubes in erg) to 1e10 in steps of 0.01.
_BINS, _BINS_PER_DECADE, _FIRST_DECADE = 4000, 100, -30
_FLOAT = np.dtype(">f4")


@dataclass(frozen=True)
class Cube:
    """Data and variance of a cube, and where its voxels lie.

    Attributes
    ----------
    deviation
        Whether `error` holds standard deviations, not variances.
    """

    data: Hdu
    error: Hdu
    sky: SkyGrid
    wave: WaveGrid
    deviation: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        return self.wave.planes, self.sky.rows, self.sky.columns


@dataclass(frozen=True)
class CubeSurvey:
    """What one pass over a cube tells.

    Attributes
    ----------
    white
        Mean over wavelength of the voxels that have a value, in the cube's unit, shape (rows, columns);
        NaN where there is none.
    filled
        Number of voxels with a value in each plane.
    noise
        Mode of the standard deviation of a voxel, in the cube's unit; NaN if there is no variance above 0.
    data_sum, error_sum
        Of data and variance, as DATASUM counts.
    """

    white: npt.NDArray[np.float32]
    filled: npt.NDArray[np.int64]
    noise: float
    data_sum: int
    error_sum: int

    def filled_planes(self) -> tuple[int, int]:
        """Return the first and the last plane with a value, counted from 0; ``IdpError`` if there is none."""
        found = np.flatnonzero(self.filled)
        if not found.size:
            raise IdpError("cube", "no voxel has a value", "a cube with data", "read the recipe's log")
        return int(found[0]), int(found[-1])


def open_cube(file: FitsFile) -> Cube:
    """Find data and variance of a cube.

    Raises
    ------
    IdpError
        If one of them is missing, they differ in size, or their numbers are not 32-bit floats.
    """
    parts = {}
    for kind in ("DATA", "ERROR"):
        found = [hdu for hdu in file.extensions if hdu.text("HDUCLAS2") == kind]
        if len(found) != 1:
            raise IdpError(str(file.path), f"has {len(found)} extensions of HDUCLAS2 {kind}", "one")
        parts[kind] = found[0]
    return cube_of(parts["DATA"], parts["ERROR"])


def cube_of(data: Hdu, error: Hdu, *, deviation: bool = False) -> Cube:
    """Return the cube two extensions make; raises as ``open_cube`` does.

    Parameters
    ----------
    deviation : bool
        Whether `error` holds standard deviations, not variances.
    """
    for hdu in (data, error):
        if hdu.get("BITPIX") != -32 or hdu.get("NAXIS") != 3:
            raise IdpError(f"{hdu.place.path}, HDU {hdu.name}", "is no cube of floats", "BITPIX -32, NAXIS 3")
    cube = Cube(data, error, sky_grid(data), wave_grid(data), deviation)
    shape = tuple(error.integer(f"NAXIS{axis}") for axis in (3, 2, 1))
    if shape != cube.shape:
        raise IdpError(
            str(data.place.path), f"errors of shape {shape}", f"the shape of the data, {cube.shape}"
        )
    return cube


def survey(cube: Cube) -> CubeSurvey:
    """Read a cube once.

    Raises
    ------
    IdpError
        If the file is not the one its DATASUM was made for, or a value is infinite.
    """
    planes, rows, columns = cube.shape
    total = np.zeros((rows, columns), np.float64)
    counts = np.zeros((rows, columns), np.int32)
    filled = np.zeros(planes, np.int64)
    histogram = np.zeros(_BINS, np.int64)
    data_sum = error_sum = first = 0
    for data_bytes, error_bytes in _blocks(cube):
        data_sum = ones_complement_sum(data_bytes, data_sum)
        error_sum = ones_complement_sum(error_bytes, error_sum)
        block = np.frombuffer(data_bytes, _FLOAT).reshape(-1, rows, columns).astype(np.float32)
        known = np.isfinite(block)
        if np.isinf(block).any():
            raise IdpError(
                f"HDU {cube.data.name}", "holds infinite values", "numbers, or NaN where there is none"
            )
        np.copyto(block, 0, where=~known)
        total += block.sum(axis=0, dtype=np.float64)
        counts += known.sum(axis=0, dtype=np.int32)
        filled[first : first + len(block)] = known.sum(axis=(1, 2))
        histogram += _noise_histogram(error_bytes, 1.0 if cube.deviation else 0.5)
        first += len(block)
    _compare_sum(cube.data, data_sum)
    _compare_sum(cube.error, error_sum)
    with np.errstate(invalid="ignore"):
        white = np.where(counts > 0, total / counts, np.nan).astype(np.float32)
    return CubeSurvey(white, filled, _mode(histogram), data_sum, error_sum)


def _blocks(cube: Cube) -> Iterator[tuple[bytes, bytes]]:
    """Yield data and variance of the same planes."""
    _, rows, columns = cube.shape
    plane_bytes = rows * columns * _FLOAT.itemsize
    block_bytes = max(1, _CHUNK_BYTES // plane_bytes) * plane_bytes
    return zip(cube.data.data_chunks(block_bytes), cube.error.data_chunks(block_bytes), strict=True)


def _noise_histogram(error_bytes: bytes, power: float) -> npt.NDArray[np.int64]:
    """Count standard deviations, which are the errors to that power."""
    errors = np.frombuffer(error_bytes, _FLOAT)[::_NOISE_SAMPLE].astype(np.float32)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    decade = power * np.log10(errors) - _FIRST_DECADE
    bins = (decade * _BINS_PER_DECADE).astype(np.int64)
    return np.bincount(bins[(bins >= 0) & (bins < _BINS)], minlength=_BINS)


def _mode(histogram: npt.NDArray[np.int64]) -> float:
    if not histogram.any():
        return float("nan")
    return float(10 ** ((int(np.argmax(histogram)) + 0.5) / _BINS_PER_DECADE + _FIRST_DECADE))


def _compare_sum(hdu: Hdu, found: int) -> None:
    stated = hdu.text("DATASUM").strip()
    if stated and stated != str(found):
        raise IdpError(
            f"{hdu.place.path}, HDU {hdu.name}",
            f"DATASUM is {stated}, the data give {found}",
            "data as the recipe wrote them",
            "run the recipe again",
        )
