"""Headers of SCIENCE.IMAGE and SCIENCE.MEFIMAGE, maps and source lists (ESO-044286 issue 8)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from phoenix.idp.card import Card, format_card
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.sdp import Ancillary, Observation, association_cards, observation_cards
from phoenix.model.frame import Value

#: Keyword -> value and comment; None takes the card away.
Changes = Mapping[str, tuple[Value, str] | None]

#: Written anew, or not allowed in an image whose maps are files of their own.
_DROPPED = re.compile(
    r"CHECKSUM|DATASUM|PRODCATG|ORIGFILE|ARCFILE|DATAMD5|PIPEFILE|INHERIT|HDUCLAS\w*|HDUDOC|HDUVERS"
    r"|CDELT\d|CROTA\d|PC\d_\d|FILTER\d?"
)
#: Of a primary header with data: what describes the pixels; all else is of the observation.
_OF_PIXELS = re.compile(
    r"BUNIT|(CTYPE|CUNIT|CRVAL|CRPIX|CSYER|CRDER)[12]|CD[12]_[12]|PV[12]_\d+|GAIN|READNOIS|MJD_MEAN"
    r"|PHOT(ZP|ZPER|SYS)|ABMAG(LIM|SAT)|PSF_FWHM|ELLIPTIC|ZPFUDGED|BLANK|BSCALE|BZERO"
)
_OF_STRUCTURE = re.compile(r"SIMPLE|BITPIX|NAXIS\d?|EXTEND")
#: Quality of an image that a map of it does not have.
_OF_IMAGES = re.compile(r"PHOT(ZP|ZPER|SYS)|ABMAG(LIM|SAT)|PSF_FWHM|ELLIPTIC|ZPFUDGED")
#: Units of a recipe's tables that FITS does not know.
_UNITS = {"ADU": "adu", "Pixels": "pixel", "Degrees": "deg"}
#: What stands in their place where a column has no unit.
_NO_UNIT = re.compile(r"Number|Flag|N-sigma|Blank\d+")


@dataclass(frozen=True)
class Imaging:
    """What the primary header tells beyond the observation.

    Attributes
    ----------
    kind
        ``PAWPRINT`` or ``TILE``.
    dit_s, ndit
        Detector integration time and their number, where all exposures have the same.
    """

    kind: str
    filter_name: str
    calibrated: bool
    exposures: int
    dit_s: float | None
    ndit: int | None


def image_primary(
    category: str,
    observation: Observation,
    imaging: Imaging,
    ancillaries: Sequence[Ancillary],
    converted_at: datetime,
    source: str = "",
) -> list[str]:
    """Return the SDP cards of the primary header of an image, a map or a source list.

    Parameters
    ----------
    source : str
        File a source list was made of: its PROV1, in place of the raw frames.
    """
    cards = [
        format_card("PRODCATG", category, "data product category"),
        *observation_cards(observation, converted_at),
        format_card("FILTER", imaging.filter_name, "filter"),
        format_card(
            "FLUXCAL",
            "ABSOLUTE" if imaging.calibrated else "UNCALIBRATED",
            "certifies PHOTZP",
        ),
        format_card("IMATYPE", imaging.kind, "kind of image"),
        format_card("ISAMP", imaging.kind == "PAWPRINT", "gaps between the detectors"),
        format_card("NJITTER", imaging.exposures, "exposures of the jitter sequence"),
    ]
    if imaging.dit_s is not None and imaging.ndit is not None:
        cards.append(format_card("DIT", imaging.dit_s, "[s] detector integration time"))
        cards.append(format_card("NDIT", imaging.ndit, "integrations averaged in an exposure"))
    if source:
        cards = [card for card in cards if not card.startswith("PROV")]
        cards.append(format_card("PROV1", source, "image the sources were found in"))
    return [*cards, *association_cards(ancillaries)]


def pixel_cards(hdu: Hdu, changes: Changes, *, map_of_image: bool = False) -> list[str]:
    """Return the cards that describe the data of an HDU: the recipe's, with changes.

    Of an extension all cards are kept; of a primary header those of the pixels, for the others are written
    anew from the raw frames.
    """
    kept = [
        card
        for card in hdu.cards
        if not _DROPPED.fullmatch(card.keyword)
        and not (map_of_image and _OF_IMAGES.fullmatch(card.keyword))
        and (hdu.index > 0 or _OF_PIXELS.fullmatch(card.keyword))
    ]
    return _changed(kept, changes)


def structure_cards(hdu: Hdu) -> list[str]:
    """Return SIMPLE, BITPIX, NAXIS and its like of a primary HDU with data."""
    return [card.image for card in hdu.cards if _OF_STRUCTURE.fullmatch(card.keyword)]


def unit_changes(table: Hdu) -> dict[str, tuple[Value, str] | None]:
    """Return changes that put units of a table into words FITS knows."""
    found: dict[str, tuple[Value, str] | None] = {}
    for card in table.cards:
        if not card.keyword.startswith("TUNIT") or not isinstance(card.value, str):
            continue
        if card.value in _UNITS:
            found[card.keyword] = (_UNITS[card.value], "unit")
        elif _NO_UNIT.fullmatch(card.value):
            found[card.keyword] = None
    return found


def _changed(cards: Sequence[Card], changes: Changes) -> list[str]:
    left = dict(changes)
    found = []
    for card in cards:
        if card.keyword not in changes:
            found.append(card.image)
        elif card.keyword in left:
            change = left.pop(card.keyword)
            found += [] if change is None else [format_card(card.keyword, *change)]
    while found and not found[-1].strip():
        found.pop()
    return found + [format_card(keyword, *change) for keyword, change in left.items() if change is not None]
