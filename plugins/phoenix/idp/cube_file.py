"""Writes a cube without holding it: headers are made anew, data go from file to file piece by piece."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from phoenix.idp.ancillary import write_pieces
from phoenix.idp.encode import copied_hdu, encode_hdu
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.spectrum import empty_primary
from phoenix.model.product import Idp


@dataclass(frozen=True)
class Part:
    """An extension of the file to be: its cards, the data it gets, and their sum as DATASUM counts."""

    cards: tuple[str, ...]
    source: Hdu
    data_sum: int


def write_cube(folder: Path, name: str, primary: Iterable[str], parts: Iterable[Part]) -> Idp:
    """Write a SCIENCE.CUBE.IFS and return its record.

    Parameters
    ----------
    primary : iterable of str
        Cards of the primary header after the structural ones.
    parts : iterable of Part
        Data and variance.
    """
    return write_pieces(folder, name, "SCIENCE.CUBE.IFS", _pieces(primary, parts))


def encode_image(primary: Iterable[str], cards: Iterable[str], data: npt.NDArray[np.float32]) -> bytes:
    """Return a FITS file with one image extension of 32-bit floats; an image is small beside its cube."""
    return encode_hdu([*empty_primary(), *primary]) + encode_hdu(cards, data.astype(">f4").tobytes())


def _pieces(primary: Iterable[str], parts: Iterable[Part]) -> Iterable[bytes]:
    yield encode_hdu([*empty_primary(), *primary])
    for part in parts:
        yield from copied_hdu(part.cards, part.source, part.data_sum)
