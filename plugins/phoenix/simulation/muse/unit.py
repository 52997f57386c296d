"""The raw chain of one of the 24 units: biases, lamp flats and an exposure, on a detector cut to 512 rows.

The recipes bias, flat and scibasic reduce these frames with ``--nifu=10``. Wavelength and geometry tables are
written as the truth they are made with: muse_wavecal and muse_geometry are not simulated.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.cards import SIMULATED
from phoenix.simulation.detector import frame_generator
from phoenix.simulation.fitsfile import Card, header, image_hdu, write_fits
from phoenix.simulation.muse.headers import instrument_cards, table_cards
from phoenix.simulation.muse.settings import INSTRUMENT, SKY_LINE_SIGMA_A, SLICES, STEP_A, TELESCOPE
from phoenix.simulation.muse.statics import VALID_FROM, VALID_FROM_MJD

Floats = NDArray[np.float64]

UNIT = 10
COLUMNS, ROWS, EDGE = 4096, 512, 32  # prescan and overscan of each quadrant have 32 pixels
FIRST_A = 6800.0
PITCH, WIDTH = 83.25, 76.0
BIAS_ADU, RON_E, E_PER_ADU = 1000.0, 2.8, 1.15
FLAT_E, SKY_E, LINE_E, SOURCE_E = 15000.0, 100.0, 3000.0, 3000.0
#: Air wavelengths of the synthetic sky lines of the exposure, A.
UNIT_LINES_A = (6864.0, 6949.0, 7100.0)
_MJD = 59278.5
_DATE = "2021-03-05T12:{minute:02d}:00.000"


def unit_frames(out: Path, seed: int) -> dict[str, list[Path]]:
    """Write the frames and tables of one unit; return their paths by the tags of the recipes."""
    lit = _slit_mask()
    rows_a = FIRST_A + STEP_A * (np.arange(ROWS)[:, None] + 1.0)
    flat = lit * FLAT_E * (1.0 + 0.3 * np.sin(np.arange(ROWS)[:, None] / 100.0))
    sky = SKY_E + sum(
        LINE_E * np.exp(-0.5 * ((rows_a - line_a) / SKY_LINE_SIGMA_A) ** 2) for line_a in UNIT_LINES_A
    )
    frames = [("BIAS", "BIAS", np.zeros((ROWS, COLUMNS)), 0.0)] * 3
    frames += [("FLAT", "FLAT,LAMP", flat, 1.0)] * 3
    frames += [("OBJECT", "OBJECT", lit * (sky + _sources()), 600.0)]
    written: dict[str, list[Path]] = {}
    for number, (tag, dpr_type, electrons, exptime_s) in enumerate(frames):
        when = _DATE.format(minute=number)
        path = out / f"{INSTRUMENT}.{when}.fits"
        counts = _read_out(electrons, frame_generator(seed, path.name))
        cards = _primary_cards(dpr_type, exptime_s, when, _MJD + number / 1440.0)
        hdus = [image_hdu(None, cards), image_hdu(counts, _unit_cards(), extension=True)]
        write_fits(path, hdus, when)
        written.setdefault(tag, []).append(path)
    for tag, table in (("WAVECAL_TABLE", _wavelengths()), ("GEOMETRY_TABLE", _geometry())):
        path = out / f"{tag}.fits"
        primary = fits.PrimaryHDU(header=header(table_cards(tag, VALID_FROM, VALID_FROM_MJD)))
        write_fits(path, [primary, table], VALID_FROM)
        written[tag] = [path]
    return written


def _slice_edges() -> Floats:
    """Left edge of each slice in pixels; all stay off the edges of the detector, where traces fail."""
    return 50.0 + PITCH * np.arange(SLICES, dtype=float) + (PITCH - WIDTH) / 2.0


def _slit_mask() -> Floats:
    """Part of the light that reaches a column, with soft edges of the slices; shape (1, columns)."""
    left = _slice_edges()[:, None]
    from_edge = np.minimum(np.arange(COLUMNS) - left, left + WIDTH - np.arange(COLUMNS))
    return np.asarray((1.0 / (1.0 + np.exp(-np.clip(from_edge / 0.4, -50, 50)))).sum(axis=0)[None, :])


def _sources() -> Floats:
    """Return a continuum source across the field: a spot in each slice; shape (1, columns)."""
    height = SOURCE_E * np.exp(-((np.arange(SLICES) % 12 - 5.5) ** 2) / 8.0)[:, None]
    middle = (_slice_edges() + WIDTH / 2.0)[:, None]
    return np.asarray((height * np.exp(-0.5 * ((np.arange(COLUMNS) - middle) / 3.0) ** 2)).sum(axis=0)[None])


def _read_out(electrons: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Raw counts: four quadrants, each with prescan and overscan around it."""
    full = np.zeros((ROWS + 4 * EDGE, COLUMNS + 4 * EDGE))
    half_y, half_x = ROWS // 2, COLUMNS // 2
    counts = rng.poisson(np.broadcast_to(electrons, (ROWS, COLUMNS))) / E_PER_ADU
    for y in (0, 1):
        for x in (0, 1):
            quadrant = counts[y * half_y : (y + 1) * half_y, x * half_x : (x + 1) * half_x]
            first_y, first_x = (n * (half + 2 * EDGE) + EDGE for n, half in ((y, half_y), (x, half_x)))
            full[first_y : first_y + half_y, first_x : first_x + half_x] = quadrant
    full += BIAS_ADU + rng.normal(0.0, RON_E / E_PER_ADU, full.shape)
    return np.clip(np.rint(full), 0, 65535).astype(np.uint16)


def _primary_cards(dpr_type: str, exptime_s: float, when: str, mjd: float) -> list[Card]:
    lamp = dpr_type.startswith("FLAT")
    return [
        ("ORIGIN", "ESO-PARANAL", "European Southern Observatory"),
        ("TELESCOP", TELESCOPE, "ESO Telescope Name"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("OBJECT", dpr_type, "Original target"),
        ("RA", 136.9, "[deg] RA (J2000) pointing"),
        ("DEC", -50.3, "[deg] DEC (J2000) pointing"),
        ("EQUINOX", 2000.0, "Standard FK5 (years)"),
        ("EXPTIME", exptime_s, "[s] Total integration time"),
        ("MJD-OBS", round(mjd, 8), "Obs start"),
        ("DATE-OBS", when, "Observing date"),
        ("ESO DPR CATG", "SCIENCE" if dpr_type == "OBJECT" else "CALIB", "Observation category"),
        ("ESO DPR TECH", "IFU", "Observation technique"),
        ("ESO DPR TYPE", dpr_type, "Observation type"),
        ("ESO TPL START", when, "TPL start time"),
        *instrument_cards(0.0),
        *((f"ESO INS LAMP{n} ST", lamp and n == 1, "Lamp is on") for n in range(1, 7)),
        *((f"ESO INS SHUT{n} ST", lamp and n == 1, "Shutter is open") for n in range(1, 7)),
        ("ESO INS LAMP1 NAME", "CU-LAMP-ILLUM", "Lamp name"),
        (SIMULATED, True, "made by a simulator, not a telescope"),
        ("COMMENT", "SIMULATED FRAME: made by the PHOENIX simulator, no sky was observed.", ""),
        ("ARCFILE", f"{INSTRUMENT}.{when}.fits", "Archive File Name"),
    ]


def _unit_cards() -> list[Card]:
    """Header of the extension; outputs stand at the corners of the whole detector, whatever its rows."""
    cards: list[Card] = [
        ("EXTNAME", f"CHAN{UNIT:02d}", "Extension name"),
        ("ESO DET CHIP ID", "SIMULATED", "Detector chip identification"),
        ("ESO DET CHIP DATE", "2010-01-01", "Date of installation"),
        ("ESO DET CHIP NAME", f"CHAN{UNIT:02d}", "Detector chip name"),
        ("ESO DET CHIP LIVE", True, "Detector live or not"),
        ("ESO DET CHIP NX", COLUMNS, "Physical active pixels in X"),
        ("ESO DET CHIP NY", ROWS, "Physical active pixels in Y"),
    ]
    for number, (x, y) in enumerate(((1, 1), (4096, 1), (4096, 4112), (1, 4112)), start=1):
        values: dict[str, int | float] = {
            "X": x, "Y": y, "NX": COLUMNS // 2, "NY": ROWS // 2, "PRSCX": EDGE, "PRSCY": EDGE, "OVSCX": EDGE,
            "OVSCY": EDGE, "RON": RON_E, "GAIN": E_PER_ADU, "CONAD": round(1.0 / E_PER_ADU, 6),
        }  # fmt: skip
        cards += [(f"ESO DET OUT{number} {key}", value, "") for key, value in values.items()]
    return cards


def _wavelengths() -> fits.BinTableHDU:
    """Polynomials of wavelength in column and row: the same straight line for each slice."""
    linear = {(0, 0): FIRST_A, (0, 1): STEP_A}
    columns = [fits.Column("SliceNo", "J", array=np.arange(1, SLICES + 1))]
    columns += [
        fits.Column(f"wlc{i}{j}", "D", array=np.full(SLICES, linear.get((i, j), 0.0)))
        for i in range(3)
        for j in range(7)
    ]
    columns.append(fits.Column("MSE", "D", array=np.full(SLICES, 1e-4)))
    return fits.BinTableHDU.from_columns(columns, name=f"CHAN{UNIT:02d}")


def _geometry() -> fits.BinTableHDU:
    """Slices in four stacks of twelve, without tilt."""
    number = np.arange(SLICES)
    zero = np.zeros(SLICES)
    columns = {
        "x": (number // 12 - 1.5) * WIDTH, "y": number % 12 - 5.5, "angle": zero, "width": zero + WIDTH,
        "xerr": zero, "yerr": zero, "angleerr": zero, "widtherr": zero,
    }  # fmt: skip
    whole = {"SubField": np.full(SLICES, UNIT), "SliceCCD": number + 1, "SliceSky": number + 1}
    return fits.BinTableHDU.from_columns(
        [
            *(fits.Column(name, "J", array=values) for name, values in whole.items()),
            *(fits.Column(name, "D", array=values) for name, values in columns.items()),
        ]
    )
