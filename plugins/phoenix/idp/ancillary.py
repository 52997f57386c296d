"""Files that go with a science product: 2D spectra, pictures, a text for the reader."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.card import commentary, format_card
from phoenix.idp.encode import encode_hdu
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.job import ConversionJob
from phoenix.idp.sdp import Ancillary, Observation
from phoenix.idp.spectrum import empty_primary
from phoenix.model.product import Idp

#: (file name, category, content) of an ancillary file.
Content = tuple[str, str, bytes]


@dataclass(frozen=True)
class Image:
    """A 2D image for an ancillary FITS file: data of a product, under a new name.

    Attributes
    ----------
    coordinates
        Cards of its axes; None takes those of the product.
    """

    name: str
    source: Hdu
    unit: str
    coordinates: tuple[str, ...] | None = None


def papers(job: ConversionJob, stem: str) -> list[Content]:
    """Return QC report pictures, and the text with AB and log, under the names of a science product."""
    contents = [
        (f"{stem}_qc{number if number > 1 else ''}.png", "ANCILLARY.PREVIEW", report.read_bytes())
        for number, report in enumerate(job.reports, start=1)
    ]
    if job.readme:
        contents.append((f"{stem}_ab.txt", "ANCILLARY.README", job.readme.encode("utf-8")))
    return contents


def write_idp(
    folder: Path, name: str, prodcatg: str, content: bytes, parent: str = "", title: str = ""
) -> Idp:
    """Write a file of the conversion and return its record."""
    return write_pieces(folder, name, prodcatg, [content], parent, title)


def write_pieces(
    folder: Path, name: str, prodcatg: str, pieces: Iterable[bytes], parent: str = "", title: str = ""
) -> Idp:
    """Write a file of the conversion piece by piece and return its record."""
    path, digest, size_bytes = folder / name, hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in pieces:
            file.write(piece)
            digest.update(piece)
            size_bytes += len(piece)
    return Idp(
        path=str(path),
        origfile=name,
        prodcatg=prodcatg,
        size_bytes=size_bytes,
        sha256=digest.hexdigest(),
        parent=parent,
        title=title,
    )


def companion_cards(
    observation: Observation, converted_at: datetime, category: str, comment: str
) -> list[str]:
    """Return the cards of the primary header of an ancillary file of spectra."""
    return [
        format_card("PRODCATG", category, "data product category"),
        format_card("ORIGIN", observation.origin, "observatory"),
        format_card("TELESCOP", observation.telescope, "telescope"),
        format_card("INSTRUME", observation.instrument, "instrument"),
        format_card("OBJECT", observation.target, "target designation"),
        format_card("PROG_ID", observation.prog_id, "ESO programme"),
        format_card("PROCSOFT", observation.procsoft, "data reduction software"),
        *(
            format_card(f"PROV{number}", name, "originating raw file")
            for number, name in enumerate(observation.sources, start=1)
        ),
        format_card("DATE", converted_at.strftime("%Y-%m-%dT%H:%M:%S"), "date this file was written, UTC"),
        commentary("COMMENT", f" {comment}"),
    ]


def encode_images(primary: Iterable[str], images: Sequence[Image]) -> bytes:
    """Return a FITS file of image extensions.

    Parameters
    ----------
    primary : iterable of str
        Cards of the primary header after the structural ones.
    images : sequence of Image
        Their coordinates are written as CDi_j alone; CDELTi is left out, as the SDP standard wants it.
    """
    return encode_hdu([*empty_primary(), *primary]) + b"".join(_encode_image(image) for image in images)


def describe(idp: Idp, content: bytes) -> Ancillary:
    """Return what the science product's header says of an ancillary file."""
    if idp.origfile.endswith(".fits"):
        return Ancillary(idp.origfile)
    return Ancillary(idp.origfile, idp.prodcatg, hashlib.md5(content, usedforsecurity=False).hexdigest())


_STRUCTURE = frozenset(
    {
        "SIMPLE",
        "XTENSION",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "EXTEND",
        "PCOUNT",
        "GCOUNT",
        "EXTNAME",
        "BUNIT",
    }
)
_COORDINATES = ("CTYPE", "CUNIT", "CRVAL", "CRPIX", "CD1_", "CD2_", "WSTART", "WEND", "LAMRMS", "LAMNLIN")


def _encode_image(image: Image) -> bytes:
    source = image.source
    data = source.image()
    if data.ndim != 2:
        raise IdpError(f"product of {image.name}", f"has {data.ndim} axes", "a 2D image")
    cards = [
        format_card("XTENSION", "IMAGE", "image extension"),
        format_card("BITPIX", source.integer("BITPIX") or 0, "array data type"),
        format_card("NAXIS", 2, "number of array dimensions"),
        format_card("NAXIS1", data.shape[1]),
        format_card("NAXIS2", data.shape[0]),
        format_card("PCOUNT", 0),
        format_card("GCOUNT", 1),
        format_card("EXTNAME", image.name, "name of this extension"),
        format_card("BUNIT", image.unit, "unit of the data"),
    ]
    if image.coordinates is None:
        cards += [
            card.image
            for card in source.cards
            if card.keyword.startswith(_COORDINATES) and card.keyword not in _STRUCTURE
        ]
    else:
        cards += image.coordinates
    return encode_hdu(cards, bytes(source.data))
