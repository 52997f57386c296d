"""Writes images and their maps: headers are made anew, pixels go from file to file piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from phoenix.errors import IdpError
from phoenix.idp.ancillary import write_pieces
from phoenix.idp.encode import copied_hdu, encode_hdu, sum_of_data
from phoenix.idp.fitsfile import Hdu
from phoenix.model.product import Idp


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
    return write_pieces(folder, name, category, _pieces(parts), parent)


def _pieces(parts: Iterable[Part]) -> Iterator[bytes]:
    for part in parts:
        if part.source is None:
            yield encode_hdu(part.cards)
            continue
        yield from copied_hdu(part.cards, part.source, _known_sum(part.source))


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
