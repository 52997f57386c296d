"""Looks at pixels of raw frames without reading more than is needed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from phoenix.errors import QcError

#: Highest value of a 16 bit converter.
SATURATED_ADU = 65_535
#: A raw image has never more pixels than this; what claims more is no raw frame.
_MOST_PIXELS = 10_000 * 10_000


def saturated_pixels(path: Path, at_least: float = SATURATED_ADU) -> list[npt.NDArray[np.intp]]:
    """Return the places of saturated pixels, one array of shape (n, 2) for each image of a raw frame.

    Pixels are compared as they lie in the file, mapped into memory; columns are row and column, from 0.

    Raises
    ------
    QcError
        If the frame is gone or damaged.
    """
    try:
        with fits.open(path, memmap=True, do_not_scale_image_data=True) as hdus:
            return [_places(hdu, at_least) for hdu in hdus if _is_image(hdu.header)]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise QcError(str(path), f"the raw frame cannot be read: {error}", "the raw frame") from error


def _is_image(header: fits.Header) -> bool:
    if header.get("NAXIS") != 2 or header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        return False
    return 0 < int(header["NAXIS1"]) * int(header["NAXIS2"]) <= _MOST_PIXELS


def _places(hdu: fits.ImageHDU, at_least: float) -> npt.NDArray[np.intp]:
    stored = (at_least - hdu.header.get("BZERO", 0.0)) / hdu.header.get("BSCALE", 1.0)
    return np.argwhere(np.asarray(hdu.data) >= stored)
