"""Static calibration tables, in the formats the GIRAFFE pipeline accepts; all numbers are our own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from astropy.io import fits

from phoenix.simulation.cards import SIMULATED
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.giraffe.fibres import fibres_of
from phoenix.simulation.giraffe.light import line_atlas
from phoenix.simulation.giraffe.settings import (
    CAMERA_FACTOR,
    COLLIMATOR_MM,
    GRATING,
    INSTRUMENT,
    SETUPS,
    Setup,
)

StaticFile = tuple[str, list[fits.PrimaryHDU]]

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2002-01-01T00:00:00", 52275.0


def static_files(slits: Sequence[tuple[str, Setup]], size: str) -> Iterator[StaticFile]:
    """File names and HDUs of all static tables that these slits and setups need."""
    yield _file("GRATING_DATA_LR", "GRATING_DATA", [("ESO INS GRAT ID", GRATING, "Grating")], _gratings())
    yield _file("LINE_CATALOG", "LINE_CATALOG", [], _lines())
    for slit, setup in slits:
        cards: list[Card] = [
            ("ESO INS SLIT NAME", slit, "Slit"),
            ("ESO INS EXP MODE", setup.name, "Setup"),
            ("ESO INS GRAT ID", GRATING, "Grating"),
            ("ESO INS GRAT NAME", GRATING, "Grating"),
            ("ESO INS GRAT WLEN", setup.wlen_nm, "[nm] Central wavelength"),
            ("ESO INS MODE", "MED", "Mode"),
        ]
        name = f"SLIT_GEOMETRY_{slit}_{setup.name}"
        yield _file(name, "SLIT_GEOMETRY_SETUP", cards, _slit_geometry(slit, size))


def _file(name: str, catg: str, cards: list[Card], columns: list[fits.Column]) -> StaticFile:
    primary: list[Card] = [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", VALID_FROM, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", VALID_FROM_MJD, "Start of validity"),
        ("DATE-OBS", VALID_FROM, "Start of validity"),
        ("ESO PRO CATG", catg, "Category"),
        *cards,
        (SIMULATED, True, "made by a simulator"),
        ("COMMENT", "SIMULATED: belongs to the PHOENIX simulator, of no use for real frames.", ""),
    ]
    table = fits.BinTableHDU.from_columns(columns)
    table.header["EXTNAME"] = catg
    return f"{name}.fits", [fits.PrimaryHDU(header=header(primary)), table]


def _doubles(name: str, values: Sequence[float]) -> fits.Column:
    return fits.Column(name, "D", array=np.array(values, float))


def _integers(name: str, values: Sequence[int]) -> fits.Column:
    return fits.Column(name, "J", array=np.array(values, int))


def _gratings() -> list[fits.Column]:
    """One row per setup: the optical model, without the offset of the slit that is to be found."""
    each = len(SETUPS)
    return [
        fits.Column("SETUP", "12A", array=[setup.name for setup in SETUPS]),
        _integers("ORDER", [setup.order for setup in SETUPS]),
        _doubles("WLEN0", [setup.wlen_nm for setup in SETUPS]),
        _doubles("WLMIN", [setup.shortest_nm for setup in SETUPS]),
        _doubles("WLMAX", [setup.longest_nm for setup in SETUPS]),
        _doubles("BAND", [setup.longest_nm - setup.shortest_nm for setup in SETUPS]),
        _integers("RMED", [setup.resolution for setup in SETUPS]),
        _integers("RIFA", [round(1.57 * setup.resolution) for setup in SETUPS]),
        _doubles("THETA", [setup.angle_rad for setup in SETUPS]),
        _doubles("FCOLL", [COLLIMATOR_MM] * each),
        _doubles("GCAM", [CAMERA_FACTOR] * each),
        _doubles("SDX", [0.0] * each),
        _doubles("SDY", [0.0] * each),
        _doubles("SPHI", [0.0] * each),
    ]


def _lines() -> list[fits.Column]:
    wave_nm, electrons = line_atlas()
    return [
        fits.Column("WLEN", "D", unit="nm", array=wave_nm),
        fits.Column("FLUX", "D", array=electrons),
        # Zero is a line to be used; without this column the pipeline uses none.
        _integers("FLAGS", [0] * len(wave_nm)),
        fits.Column("COMMENT", "12A", array=["synthetic"] * len(wave_nm)),
    ]


def _slit_geometry(slit: str, size: str) -> list[fits.Column]:
    fibres = fibres_of(slit, size)
    numbers = [fibre.fps for fibre in fibres]
    return [
        _integers("INDEX", numbers),
        _integers("FPS", numbers),
        _integers("SSN", [1] * len(fibres)),
        _integers("PSSN", numbers),
        _integers("RP", [fibre.button for fibre in fibres]),
        _doubles("XF", [fibre.x_mm for fibre in fibres]),
        _doubles("YF", [fibre.y_mm for fibre in fibres]),
        _doubles("ZDEFOCUS", [0.0] * len(fibres)),
    ]
