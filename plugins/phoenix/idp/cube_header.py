"""Headers of a SCIENCE.CUBE.IFS and of the images that go with it (ESO-044286 issue 8, section 10)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from phoenix.idp.card import format_card
from phoenix.idp.cube import Cube
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.sdp import Ancillary, Observation, association_cards, observation_cards
from phoenix.model.frame import Value

HDU_CLASS: Mapping[str, Value] = {"HDUCLASS": "ESO", "HDUDOC": "SDP", "HDUVERS": "SDP version 8"}
_COMMENTS = {
    "HDUCLASS": "class name (ESO format)",
    "HDUDOC": "ESO Science Data Products Standard",
    "HDUVERS": "version of the standard",
    "CSYER1": "[deg] systematic error of the coordinates",
    "CSYER2": "[deg] systematic error of the coordinates",
    "CRDER3": "[angstrom] random error of the wavelengths",
}
#: Written anew, or not allowed in an IDP.
_DROPPED = re.compile(r"CHECKSUM|DATASUM|PRODCATG|ORIGFILE|CDELT\d|CROTA\d|PC\d_\d|FILTER|SPEC_BIN")
_SKY = re.compile(r"(CTYPE|CUNIT|CRVAL|CRPIX|CSYER)[12]|CD[12]_[12]")


@dataclass(frozen=True)
class CubeQuality:
    """How good a cube is.

    Attributes
    ----------
    noise
        PIXNOISE: typical standard deviation of a voxel, erg/s/cm2/Angstrom; None without flux calibration.
    depth_mag
        ABMAGLIM; None where it cannot be told.
    sky_fwhm_arcsec, sky_error_arcsec
        Size of a point source and its uncertainty; None where they cannot be told.
    comments
        Where a value is from, by keyword.
    """

    fluxed: bool
    specsys: str
    wave_min_nm: float
    wave_max_nm: float
    resolving_power: float
    noise: float | None
    depth_mag: float | None
    sky_fwhm_arcsec: float | None
    sky_error_arcsec: float | None
    comments: Mapping[str, str]


@dataclass(frozen=True)
class Accuracy:
    """Accuracy of a cube's coordinates; CRDER3 None leaves what the recipe wrote."""

    sky_deg: float
    wave_angstrom: float | None

    def cards(self) -> dict[str, Value]:
        """Return keywords and values."""
        found: dict[str, Value] = {"CSYER1": self.sky_deg, "CSYER2": self.sky_deg}
        return found if self.wave_angstrom is None else {**found, "CRDER3": self.wave_angstrom}


def cube_primary(
    observation: Observation,
    quality: CubeQuality,
    ancillaries: Sequence[Ancillary],
    converted_at: datetime,
) -> list[str]:
    """Return the SDP cards of the primary header of a cube; what is not known has no card."""
    entries = {
        "FLUXCAL": "ABSOLUTE" if quality.fluxed else "UNCALIBRATED",
        "SPECSYS": quality.specsys,
        "WAVELMIN": round(quality.wave_min_nm, 6),
        "WAVELMAX": round(quality.wave_max_nm, 6),
        "SPEC_RES": round(quality.resolving_power, 1),
        "PIXNOISE": quality.noise,
        "ABMAGLIM": _rounded(quality.depth_mag, 3),
        "SKY_RES": _rounded(quality.sky_fwhm_arcsec, 4),
        "SKY_RERR": _rounded(quality.sky_error_arcsec, 4),
    }
    comments = {
        "FLUXCAL": "quality of flux calibration",
        "SPECSYS": "frame of the wavelengths",
        "WAVELMIN": "[nm] first plane with data",
        "WAVELMAX": "[nm] last plane with data",
        **quality.comments,
    }
    return [
        format_card("PRODCATG", "SCIENCE.CUBE.IFS", "data product category"),
        *observation_cards(observation, converted_at),
        *(
            format_card(keyword, value, comments.get(keyword, ""))
            for keyword, value in entries.items()
            if value is not None
        ),
        *association_cards(ancillaries),
    ]


def image_primary(category: str, observation: Observation, converted_at: datetime) -> list[str]:
    """Return the cards of the primary header of an image that goes with a cube."""
    return [
        format_card("PRODCATG", category, "data product category"),
        *observation_cards(observation, converted_at),
    ]


def cube_extension(hdu: Hdu, accuracy: Accuracy, also: Mapping[str, Value] | None = None) -> list[str]:
    """Return the cards of an extension of a cube: the recipe's, completed and without what is not allowed.

    Parameters
    ----------
    also : mapping, optional
        What the recipe left out, or has otherwise.
    """
    new = {**HDU_CLASS, **accuracy.cards(), **(also or {})}
    cards = []
    for card in hdu.cards:
        if card.keyword in new:
            cards.append(_card(card.keyword, new.pop(card.keyword)))
        elif not _DROPPED.fullmatch(card.keyword):
            cards.append(card.image)
    while cards and not cards[-1].strip():
        cards.pop()
    return [*cards, *(_card(keyword, value) for keyword, value in new.items())]


def image_extension(cube: Cube, name: str, unit: str, accuracy: Accuracy) -> list[str]:
    """Return the cards of an image of 32-bit floats on the sky pixels of a cube."""
    replaced = accuracy.cards()
    sky = [
        card.image
        for card in cube.data.cards
        if _SKY.fullmatch(card.keyword) and card.keyword not in replaced
    ]
    return [
        format_card("XTENSION", "IMAGE", "image extension"),
        format_card("BITPIX", -32, "32-bit floats"),
        format_card("NAXIS", 2, "number of array dimensions"),
        format_card("NAXIS1", cube.sky.columns),
        format_card("NAXIS2", cube.sky.rows),
        format_card("PCOUNT", 0),
        format_card("GCOUNT", 1),
        format_card("EXTNAME", name, "name of this extension"),
        *(_card(keyword, value) for keyword, value in HDU_CLASS.items()),
        format_card("HDUCLAS1", "IMAGE", "image data format"),
        format_card("HDUCLAS2", "DATA", "the data themselves"),
        format_card("BUNIT", unit, "unit of the data"),
        *sky,
        *(_card(keyword, value) for keyword, value in replaced.items() if keyword != "CRDER3"),
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _card(keyword: str, value: Value) -> str:
    return format_card(keyword, value, _COMMENTS.get(keyword, ""))
