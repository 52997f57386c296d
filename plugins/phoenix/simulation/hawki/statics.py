"""Static tables and small historical masters in the formats ESO's HAWK-I recipes accept.

All are our own: the catalogues hold the simulated stars, the dust maps a constant. The masters are the flat
the simulator multiplies with, for small frames, on which ESO's flat recipe refuses to work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from astropy.io import fits

from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.hawki.field import Field, stars_of
from phoenix.simulation.hawki.frames import Detectors
from phoenix.simulation.hawki.headers import extension_cards
from phoenix.simulation.hawki.settings import (
    CHIPS,
    EXTINCTION_MAG,
    FILTER,
    INSTRUMENT,
    ZERO_POINT_MAG,
)

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2015-01-01T00:00:00", 57023.0
_CATALOGUE = "phx_simulated"
_CATALOGUE_ERROR_MAG = 0.02
#: Colours of the simulated stars, magnitudes above that of Ks.
_COLOURS_MAG = {"Kmag": 0.0, "Jmag": 0.5, "Hmag": 0.2}
_DUST_MAG, _DUST_PIXELS = 0.05, 64
_GALACTIC_EXTINCTION = {"Ks": 0.31, "J": 0.72, "H": 0.46}
_FULL_CONFIDENCE = 100

StaticFile = tuple[str, list[fits.PrimaryHDU]]


def static_files(fields: Iterable[Field], size: str) -> Iterator[StaticFile]:
    """File names and HDUs of all static tables."""
    table = _catalogue(list(fields), size)
    for use in ("ASTROM", "PHOTOM"):
        catg = f"MASTER_LOCAL_CATALOGUE_{use}"
        yield f"{catg}.fits", [_primary(catg, [("CATNAME", _CATALOGUE, "Name of the catalogue")]), table]
    yield "PHOTCAL_TAB.fits", [_primary("PHOTCAL_TAB"), _photometry()]
    for pole in ("NORTH", "SOUTH"):
        dust = _primary(f"SCHLEGEL_MAP_{pole}")
        dust.data = np.full((_DUST_PIXELS, _DUST_PIXELS), _DUST_MAG, dtype=np.float32)
        yield f"SCHLEGEL_MAP_{pole}.fits", [dust]


def master_files(detectors: Detectors, mjd_obs: float) -> Iterator[StaticFile]:
    """File names and HDUs of the historical masters a small simulation needs."""
    cards: list[Card] = [
        ("ESO DET NCORRS NAME", "Double", "Read-out mode name"),
        ("ESO INS FILT1 NAME", FILTER, "Filter name"),
        ("ESO INS FILT2 NAME", "OPEN", "Filter name"),
        ("ESO DET DIT", 2.0, "[s] Integration time"),
        ("EXPTIME", 2.0, "[s] Integration time"),
    ]
    flats = [flat.astype(np.float32) for flat in detectors.flats]
    sure = [np.full(flat.shape, _FULL_CONFIDENCE, dtype=np.int16) for flat in flats]
    for catg, planes in (("MASTER_TWILIGHT_FLAT", flats), ("MASTER_CONF", sure)):
        own = [_image(chip, planes[chip]) for chip in range(CHIPS)]
        yield f"{catg}.fits", [_primary(catg, cards, mjd_obs), *own]


def _image(chip: int, values: np.ndarray) -> fits.ImageHDU:
    return fits.ImageHDU(values, header(extension_cards(chip, [])))


def _primary(catg: str, extra: list[Card] | None = None, mjd_obs: float = VALID_FROM_MJD) -> fits.PrimaryHDU:
    cards: list[Card] = [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", VALID_FROM, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", mjd_obs, "Start of validity"),
        ("ESO PRO CATG", catg, "Category"),
        *(extra or []),
        ("PHX SIMULATED", True, "made by a simulator"),
        ("COMMENT", "SIMULATED: belongs to the PHOENIX simulator, of no use for real frames.", ""),
    ]
    return fits.PrimaryHDU(header=header(cards))


def _catalogue(fields: list[Field], size: str) -> fits.BinTableHDU:
    stars = [stars_of(field, size) for field in fields]
    ra_deg, dec_deg, mag = (
        np.concatenate([getattr(each, name) for each in stars]) for name in ("ra_deg", "dec_deg", "mag")
    )
    order = np.argsort(dec_deg)
    columns = [
        fits.Column("RA", "D", "deg", array=ra_deg[order]),
        fits.Column("Dec", "D", "deg", array=dec_deg[order]),
    ]
    for name, colour in _COLOURS_MAG.items():
        columns.append(fits.Column(name, "E", "mag", array=mag[order] + colour))
        columns.append(fits.Column(f"e_{name}", "E", "mag", array=np.full(mag.size, _CATALOGUE_ERROR_MAG)))
    return fits.BinTableHDU.from_columns(columns, name=_CATALOGUE)


def _photometry() -> fits.BinTableHDU:
    filters = list(EXTINCTION_MAG)
    names = {"Ks": "Kmag", "J": "Jmag", "H": "Hmag"}
    columns = [
        fits.Column("filter_name", "16A", array=filters),
        fits.Column("atm_extcoef", "E", array=[EXTINCTION_MAG[name] for name in filters]),
        fits.Column("mag_offset", "E", array=[0.0] * len(filters)),
        fits.Column("coleq_columns", "64A", array=[names[name] for name in filters]),
        fits.Column("coleq_errcols", "64A", array=[f"e_{names[name]}" for name in filters]),
        fits.Column("coleq_coefs", "64A", array=["1.0"] * len(filters)),
        fits.Column("gal_extcoef", "E", array=[_GALACTIC_EXTINCTION[name] for name in filters]),
        fits.Column("default_zp", "E", array=[ZERO_POINT_MAG] * len(filters)),
        fits.Column("default_zp_err", "E", array=[0.1] * len(filters)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name=_CATALOGUE)
    table.header["PHOTOSYS"] = ("VEGA", "Photometric system")
    return table
