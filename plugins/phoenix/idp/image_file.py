"""Writes images and their maps: headers are made anew, pixels go from file to file piece by piece."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.headers.reader import BLOCK
from phoenix.idp.encode import encode_hdu, encode_header, sum_of_data
from phoenix.idp.fitsfile import Hdu
from phoenix.model.product import Idp

_CHUNK_BYTES = 1024 * BLOCK


@dataclass(frozen=True)
class Part:
    """An HDU of the file to be: its cards, and the HDU whose data it gets; None for a header alone."""

    cards: tuple[str, ...]
    source: Hdu | None = None


def write_image(folder: Path, name: str, category: str, parts: Iterable[Part], parent: str = "") -> Idp:
    """Write a file of images or tables and return its record.

    Parameters
    ----------
    parts : iterable of Part
        The primary HDU first.

    Raises
    ------
    IdpError
        If data are not those their DATASUM was made for.
    """
    path, digest, size_bytes = folder / name, hashlib.sha256(), 0
    with path.open("wb") as file:
        for piece in _pieces(parts):
            file.write(piece)
            digest.update(piece)
            size_bytes += len(piece)
    return Idp(str(path), name, category, size_bytes, digest.hexdigest(), parent=parent)


def _pieces(parts: Iterable[Part]) -> Iterator[bytes]:
    for part in parts:
        if part.source is None:
            yield encode_hdu(part.cards)
            continue
        yield encode_header(part.cards, _known_sum(part.source))
        yield from part.source.data_chunks(_CHUNK_BYTES)
        yield bytes(-part.source.data_bytes % BLOCK)


def _known_sum(hdu: Hdu) -> int:
    found, stated = sum_of_data(hdu), hdu.text("DATASUM").strip()
    if stated and stated != str(found):
        raise IdpError(
            f"{hdu.place.path}, HDU {hdu.name}",
            f"DATASUM is {stated}, the data give {found}",
            "data as the recipe wrote them",
            "run the recipe again",
        )
    return found
