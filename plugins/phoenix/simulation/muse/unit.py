"""One of the 24 units of MUSE: its detector and the light of a lamp or the sky on it.

Wavelength and geometry tables are the truth the light is made with: what muse_wavecal and muse_geometry
measure is not simulated.
"""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.fitsfile import Card
from phoenix.simulation.muse.settings import SKY_LINE_SIGMA_A, SLICES, STEP_A

Floats = NDArray[np.float64]

UNIT = 10
COLUMNS, ROWS, EDGE = 4096, 4112, 32  # prescan and overscan of each quadrant have 32 pixels
FIRST_A = 4650.0
PITCH, WIDTH = 83.25, 76.0
BIAS_ADU, RON_E, E_PER_ADU = 1000.0, 2.8, 1.15
FLAT_E, SKY_E, LINE_E, SOURCE_E = 15000.0, 100.0, 3000.0, 3000.0
#: Air wavelengths of the sky lines of the exposure, A: the two by which muse_scibasic corrects, and one more.
UNIT_LINES_A = (5577.339, 6300.304, 7100.0)


def electrons(dpr_type: str) -> Floats:
    """Return the light an exposure of this DPR TYPE collects, electrons; shape (rows, columns)."""
    lit = _slit_mask()
    rows_a = FIRST_A + STEP_A * (np.arange(ROWS)[:, None] + 1.0)
    if dpr_type == "BIAS":
        return np.zeros((ROWS, COLUMNS))
    if dpr_type == "FLAT,LAMP":
        return np.asarray(lit * FLAT_E * (1.0 + 0.3 * np.sin(np.arange(ROWS)[:, None] / 100.0)))
    sky = SKY_E + sum(
        LINE_E * np.exp(-0.5 * ((rows_a - line_a) / SKY_LINE_SIGMA_A) ** 2) for line_a in UNIT_LINES_A
    )
    return np.asarray(lit * (sky + _sources()))


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


def read_out(electrons: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
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


def unit_cards() -> list[Card]:
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


def wavelengths() -> fits.BinTableHDU:
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


def geometry() -> fits.BinTableHDU:
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
