"""A product of a recipe, and how it becomes a file: whole or not at all, with DATAMD5 and checksums."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix.recipes.frames import Frame

if TYPE_CHECKING:
    from astropy.io import fits

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Product:
    """What a recipe made.

    Attributes
    ----------
    name
        File name in the output folder.
    pro_catg
        Its category.
    hdus
        Data and keywords of its own; the provenance is added when it is written.
    used
        Frames it was made from, when not all of the SOF: they become RAWi and CALi.
    inherits
        Frame whose primary header it takes over where it has no keyword of its own; by default the first
        raw frame used.
    """

    name: str
    pro_catg: str
    hdus: fits.HDUList
    used: tuple[Frame, ...] | None = None
    inherits: Frame | None = None


def write_product(hdus: fits.HDUList, path: Path) -> None:
    """Write a FITS file by a temporary one; completes DATAMD5, DATASUM and CHECKSUM."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        hdus.writeto(temporary, overwrite=True, output_verify="exception")
        hdus[0].header["DATAMD5"] = (data_md5(temporary), "MD5 checksum")
        hdus.writeto(temporary, overwrite=True, output_verify="exception", checksum=True)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def data_md5(path: Path) -> str:
    """Return the MD5 of all data units of a FITS file, which CPL calls DATAMD5."""
    from astropy.io import fits

    digest = hashlib.md5(usedforsecurity=False)
    with fits.open(path, memmap=False, lazy_load_hdus=False) as hdus:
        places = [hdu.fileinfo() for hdu in hdus]
    with path.open("rb") as file:
        for place in places:
            file.seek(place["datLoc"])
            left = place["datSpan"]
            while left and (chunk := file.read(min(left, _CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
    return digest.hexdigest()
