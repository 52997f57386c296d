"""From expected electrons to counts: photon and read noise, gain, bias, prescan and overscan, cosmic rays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_ADU = 65535


def frame_generator(seed: int, arcfile: str) -> np.random.Generator:
    """Noise source of one frame: depends on seed and ARCFILE only, so frames may be made in any order."""
    digest = hashlib.sha256(arcfile.encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


@dataclass(frozen=True)
class Detector:
    """Noise figures of one CCD read-out; prescan and overscan columns are along NAXIS1, in binned pixels."""

    ron_e: float
    conad_e_adu: float
    bias_adu: float
    prescan_px: int
    overscan_px: int

    def read_out(self, electrons: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Raw counts of an exposure.

        Parameters
        ----------
        electrons : ndarray, shape (ny, nx)
            Expected electrons per pixel in raw orientation, without prescan and overscan.

        Returns
        -------
        ndarray of uint16, shape (ny, prescan + nx + overscan)
        """
        ny, nx = electrons.shape
        counts = rng.standard_normal((ny, self.prescan_px + nx + self.overscan_px), dtype=np.float32)
        counts *= self.ron_e
        if electrons.any():
            counts[:, self.prescan_px : self.prescan_px + nx] += rng.poisson(np.clip(electrons, 0.0, None))
        counts /= self.conad_e_adu
        counts += self.bias_adu
        return np.clip(np.rint(counts), 0, MAX_ADU).astype(np.uint16)


def add_cosmics(electrons: Floats, hits: int, rng: np.random.Generator) -> Floats:
    """Copy of `electrons` with `hits` cosmic rays of one to three pixels, 500 to 8000 e per pixel."""
    hit = electrons.copy()
    ny, nx = hit.shape
    for y, x, length, charge in zip(
        rng.integers(0, ny, hits),
        rng.integers(0, nx - 3, hits),
        rng.integers(1, 4, hits),
        rng.uniform(500.0, 8000.0, hits),
        strict=True,
    ):
        hit[y, x : x + length] += charge
    return hit
