"""Placeholders for the static tables the rules ask for: simulated, of no use but to the stand-in recipes.

ESO gives the real ones out with its kit; their contents were never at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from astropy.io import fits

from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.kmos.settings import GRATING, INSTRUMENT

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2013-01-01T00:00:00", 56293.0
_OF_ALL_GRATINGS = ("WAVE_BAND", "REF_LINES", "SPEC_TYPE_LOOKUP")
_OF_A_GRATING = ("ARC_LIST", "OH_SPEC", "ATMOS_MODEL", "SOLAR_SPEC")


def static_files() -> Iterator[tuple[str, list[fits.PrimaryHDU]]]:
    """File names and HDUs of all tables."""
    for catg in _OF_ALL_GRATINGS:
        yield f"{catg}.fits", [_primary(catg, []), _table(catg)]
    for catg in _OF_A_GRATING:
        yield (
            f"{catg}_{GRATING}.fits",
            [
                _primary(catg, [("ESO INS GRAT1 ID", GRATING, "Grating unique id")]),
                _table(catg),
            ],
        )


def _primary(catg: str, extra: list[Card]) -> fits.PrimaryHDU:
    cards: list[Card] = [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", VALID_FROM, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", VALID_FROM_MJD, "Start of validity"),
        ("ESO PRO CATG", catg, "Category"),
        *extra,
        ("PHX SIMULATED", True, "made by a simulator"),
        ("COMMENT", "SIMULATED: a placeholder without contents, of no use for real frames.", ""),
    ]
    return fits.PrimaryHDU(header=header(cards))


def _table(name: str) -> fits.BinTableHDU:
    return fits.BinTableHDU.from_columns([fits.Column("VALUE", "E", array=np.zeros(1))], name=name)
