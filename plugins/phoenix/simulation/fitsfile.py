"""Raw frames and static tables on disk: unsigned 16 bit images, checksums, written beside and renamed."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

#: One header card: keyword (``ESO DPR CATG`` for HIERARCH cards), value, comment.
Card = tuple[str, str | int | float | bool, str]


def header(cards: Sequence[Card]) -> fits.Header:
    """FITS header of `cards`; ESO keywords become HIERARCH cards."""
    made = fits.Header()
    for keyword, value, comment in cards:
        if keyword == "COMMENT":
            made.add_comment(str(value))
        else:
            made.append(
                fits.Card(f"HIERARCH {keyword}" if " " in keyword else keyword, value, comment), end=True
            )
    return made


def image_hdu(
    counts: NDArray[np.uint16] | None, cards: Sequence[Card], extension: bool = False
) -> fits.PrimaryHDU:
    """HDU with `counts` as ESO stores them: signed 16 bit with BZERO 32768."""
    kind = fits.ImageHDU if extension else fits.PrimaryHDU
    if counts is None:
        return kind(header=header(cards))
    hdu = kind((counts.astype(np.int32) - 32768).astype(np.int16), header(cards))
    # astropy would write an integer BSCALE, which ESO's pipelines refuse; a card set afterwards stays.
    after = "GCOUNT" if extension else "EXTEND"
    if not extension:
        hdu.header.set("EXTEND", True, "There may be FITS extensions", after="NAXIS2")
    hdu.header.set("BZERO", 32768.0, "physical=BZERO+BSCALE*counts", after=after)
    hdu.header.set("BSCALE", 1.0, "physical=BZERO+BSCALE*counts", after="BZERO")
    return hdu


def write_fits(path: Path, hdus: Sequence[fits.PrimaryHDU], when: str) -> None:
    """Write `hdus` with CHECKSUM and DATASUM.

    `when` is the comment of these cards; without it astropy writes the time and no two files are equal.
    """
    bundle = fits.HDUList(list(hdus))
    bundle.update_extend()
    for hdu in bundle:
        hdu.add_checksum(when=when)
    buffer = io.BytesIO()
    bundle.writeto(buffer, output_verify="exception")
    write_bytes(path, buffer.getbuffer())


def write_bytes(path: Path, content: bytes | memoryview) -> None:
    """Write by temp file, fsync and rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.part")
    with beside.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    beside.replace(path)
