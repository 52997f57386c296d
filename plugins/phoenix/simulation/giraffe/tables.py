"""Tables in raw frames: which fibre of the slit comes from which button, and what that was put on."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, degrees, hypot, radians

import numpy as np
from astropy.io import fits

from phoenix.simulation.giraffe.fibres import Fibre, Use
from phoenix.simulation.giraffe.field import Target

#: The pipeline knows these extensions by their exact names.
PLATE_TABLE, SLIT_TABLE = "OzPoz_table", "FLAMES FIBRE Table"
PLATE_SCALE_ARCSEC_MM = 1.718


def plate_table(
    fibres: tuple[Fibre, ...], targets: Mapping[int, Target], ra_deg: float, dec_deg: float
) -> fits.BinTableHDU:
    """OzPoz_table: targets (by FPS) of the fibres on the plate, with magnitudes and places."""
    rows = [(fibre, targets[fibre.fps]) for fibre in fibres if fibre.fps in targets]
    places = []
    for _, target in rows:
        east = (target.ra_deg - ra_deg + 180.0) % 360.0 - 180.0
        east *= 3600.0 * cos(radians(dec_deg)) / PLATE_SCALE_ARCSEC_MM
        north = 3600.0 * (target.dec_deg - dec_deg) / PLATE_SCALE_ARCSEC_MM
        places.append((hypot(east, north), degrees(atan2(east, north)) % 360.0))
    zeros = np.zeros(len(rows))
    made = fits.BinTableHDU.from_columns(
        [
            fits.Column("OBJECT", "20A", array=[target.name for _, target in rows]),
            fits.Column("RA", "D", unit="deg", array=[target.ra_deg for _, target in rows]),
            fits.Column("DEC", "D", unit="deg", array=[target.dec_deg for _, target in rows]),
            fits.Column("R", "D", unit="mm", array=[radius for radius, _ in places]),
            fits.Column("R_ERROR", "D", array=zeros),
            fits.Column("THETA", "D", unit="deg", array=[angle for _, angle in places]),
            fits.Column("THETA_ERROR", "D", array=zeros),
            fits.Column("TYPE", "1A", array=[fibre.use.value for fibre, _ in rows]),
            fits.Column("BUTTON", "J", array=[fibre.button for fibre, _ in rows]),
            fits.Column("PRIORITY", "J", array=np.ones(len(rows), int)),
            fits.Column("ORIENT", "D", array=zeros),
            fits.Column("MAGNITUDE", "D", array=[target.magnitude for _, target in rows]),
            fits.Column("B_V", "D", array=zeros + 0.6),
            fits.Column("COMMENTS", "20A", array=["simulated"] * len(rows)),
        ]
    )
    made.header["EXTNAME"] = PLATE_TABLE
    return made


def slit_table(slit: str, fibres: tuple[Fibre, ...]) -> fits.BinTableHDU:
    """FLAMES FIBRE Table: RP is the button; "Calibration" marks fibres from the calibration unit."""
    texts = {
        "Slit": [slit] * len(fibres),
        "FPS": [str(fibre.fps) for fibre in fibres],
        "SSN": ["1"] * len(fibres),
        "PSSN": [str(fibre.fps) for fibre in fibres],
        "RP": [str(fibre.button) for fibre in fibres],
        "Retractor": [
            f"Calibration {fibre.fps}" if fibre.use is Use.SIMCAL else f"{slit} {fibre.fps}"
            for fibre in fibres
        ],
    }
    columns = [fits.Column(name, "16A", array=values) for name, values in texts.items()]
    plate = [0 if fibre.use is Use.SIMCAL else fibre.fps + 100 for fibre in fibres]
    made = fits.BinTableHDU.from_columns([*columns, fits.Column("FPD", "J", array=plate)])
    made.header["EXTNAME"] = SLIT_TABLE
    return made
