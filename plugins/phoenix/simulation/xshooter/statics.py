"""Static calibration tables, in the formats the XSHOOTER pipeline's loaders accept; all numbers are our own.

The theoretical tables of the polynomial mode take the place of the physical model's configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import extinction_mag
from phoenix.simulation.cards import SIMULATED
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.stars import BALMER_NM, STANDARDS
from phoenix.simulation.xshooter.geometry import MIDDLE_PINHOLE, PINHOLES_ARCSEC, Echellogram
from phoenix.simulation.xshooter.light import line_atlas, lines_on, sky_lines_nm
from phoenix.simulation.xshooter.settings import ARMS, D2_ORDERS, INSTRUMENT, LAYOUTS, UVB, Arm

Floats = NDArray[np.float64]
StaticFile = tuple[str, list[fits.PrimaryHDU]]

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2009-01-01T00:00:00", 54832.0

#: Beyond the free spectral range: how much of an order is used for merging with its neighbours.
MERGED_FRACTION = 0.12
#: From the edge of the detector, px.
EDGE_PX = 8.0


def static_files(size: str) -> Iterator[StaticFile]:
    """File names and HDUs of all static tables."""
    for arm in ARMS:
        orders = Echellogram(LAYOUTS[size, arm.name])
        yield _file(arm, "SPECTRAL_FORMAT_TAB", _spectral_format(arm, orders))
        yield _file(arm, "THEO_TAB_SING", _theoretical(arm, orders, (MIDDLE_PINHOLE,)))
        yield _file(arm, "THEO_TAB_MULT", _theoretical(arm, orders, tuple(range(len(PINHOLES_ARCSEC)))))
        yield _file(arm, "ARC_LINE_LIST", _line_list(line_atlas(arm)[0]))
        yield _file(arm, "SKY_LINE_LIST", _line_list(sky_lines_nm(arm)))
        yield _file(arm, "ATMOS_EXT", _extinction())
        grid_nm = np.arange(arm.shortest_nm - 20.0, arm.longest_nm + 20.0, 0.1)
        yield _catalogue(
            arm, "FLUX_STD_CATALOG", [_flux(star.flux_at(grid_nm), grid_nm) for star in STANDARDS]
        )
        yield _catalogue(arm, "RESP_FIT_POINTS_CAT", [_fit_points(arm) for _ in STANDARDS])


def _primary(arm: Arm, catg: str) -> fits.PrimaryHDU:
    cards: list[Card] = [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", VALID_FROM, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", VALID_FROM_MJD, "Start of validity"),
        ("DATE-OBS", VALID_FROM, "Start of validity"),
        ("ESO PRO CATG", f"{catg}_{arm.name}", "Category"),
        ("ESO SEQ ARM", arm.name, "Spectrograph arm"),
        (SIMULATED, True, "made by a simulator"),
        ("COMMENT", "SIMULATED: belongs to the PHOENIX simulator, of no use for real frames.", ""),
    ]
    return fits.PrimaryHDU(header=header(cards))


def _file(arm: Arm, catg: str, columns: list[fits.Column]) -> StaticFile:
    return f"{catg}_{arm.name}.fits", [_primary(arm, catg), fits.BinTableHDU.from_columns(columns)]


def _column(name: str, form: str, values: Sequence[float] | Floats, unit: str = "") -> fits.Column:
    return fits.Column(name, form, unit=unit or None, array=np.asarray(values))


def _spectral_format(arm: Arm, orders: Echellogram) -> list[fits.Column]:
    """One row per order, the lowest first: the pipeline takes its other tables to be in this sequence."""
    lamps = {order: "D2" if arm is UVB and order in D2_ORDERS else "QTH" for order in orders.orders}
    numbers = sorted(orders.orders)
    rows = np.arange(orders.ny, dtype=float)
    full = np.array([orders.covered_nm(order) for order in numbers])
    free = np.array([orders.free_nm(order) for order in numbers])
    inner = np.array([orders.wave_nm(order, np.array([EDGE_PX, orders.ny - EDGE_PX])) for order in numbers])
    margin = MERGED_FRACTION * (free[:, 1] - free[:, 0])
    dispersion = [np.gradient(orders.wave_nm(order, rows)) for order in numbers]
    return [
        _column("ORDER", "1J", numbers),
        fits.Column("LAMP", "8A", array=[lamps[order] for order in numbers]),
        _column("WLMINFUL", "1E", full[:, 0], "nm"),
        _column("WLMIN", "1E", np.maximum(inner[:, 0], free[:, 0] - margin), "nm"),
        _column("WLMAX", "1E", np.minimum(inner[:, 1], free[:, 1] + margin), "nm"),
        _column("WLMAXFUL", "1E", full[:, 1], "nm"),
        _column("DISP_MIN", "1E", [step.min() for step in dispersion], "nm"),
        _column("DISP_MAX", "1E", [step.max() for step in dispersion], "nm"),
        _column("LFSR", "1E", free[:, 0], "nm"),
        _column("UFSR", "1E", free[:, 1], "nm"),
    ]


def _theoretical(arm: Arm, orders: Echellogram, pinholes: tuple[int, ...]) -> list[fits.Column]:
    """Where the lines of the lamp should be, in 1-based pixels, order by order.

    The pipeline traces an order through its lines as long as they follow each other: each line stands in the
    order that shows it brightest, and in no other.
    """
    atlas_nm = line_atlas(arm)[0]
    rows = []
    for order in orders.orders:
        wave_nm = atlas_nm[lines_on(orders, atlas_nm, order)]
        for pinhole in pinholes:
            slit_arcsec = PINHOLES_ARCSEC[pinhole]
            x, y = orders.position(order, wave_nm, slit_arcsec)
            rows += [
                (w, order, slit_arcsec, pinhole, *xy) for w, *xy in zip(wave_nm, x + 1, y + 1, strict=True)
            ]
    rows.sort(key=lambda row: (-row[1], row[0], row[3]))
    table = np.array(rows)
    return [
        _column("Wavelength", "1E", table[:, 0], "nm"),
        _column("Order", "1J", table[:, 1].astype(int)),
        _column("slit_position", "1E", table[:, 2], "arcsec"),
        _column("slit_index", "1J", table[:, 3].astype(int)),
        _column("detector_x", "1D", table[:, 4], "pixel"),
        _column("detector_y", "1D", table[:, 5], "pixel"),
    ]


def _line_list(wave_nm: Floats) -> list[fits.Column]:
    return [
        _column("WAVELENGTH", "1E", wave_nm, "nm"),
        fits.Column("NAME", "20A", array=["SIM"] * len(wave_nm)),
        _column("FLUX", "1J", [1000] * len(wave_nm)),
        fits.Column("COMMENT", "20A", array=["synthetic"] * len(wave_nm)),
    ]


def _extinction() -> list[fits.Column]:
    wave_nm = np.arange(290.0, 2600.0, 2.0)
    return [
        _column("LAMBDA", "1E", wave_nm, "nm"),
        _column("EXTINCTION", "1E", extinction_mag(wave_nm), "mag/airmass"),
    ]


def _catalogue(arm: Arm, catg: str, tables: list[list[fits.Column]]) -> StaticFile:
    """Index of the standard stars, and one table per star."""
    index = [
        _column("ext_id", "1J", range(2, len(STANDARDS) + 2)),
        fits.Column("name", "20A", array=[star.name for star in STANDARDS]),
        _column("ra", "1D", [star.ra_deg for star in STANDARDS], "deg"),
        _column("dec", "1D", [star.dec_deg for star in STANDARDS], "deg"),
    ]
    hdus = [fits.BinTableHDU.from_columns(columns) for columns in (index, *tables)]
    return f"{catg}_{arm.name}.fits", [_primary(arm, catg), *hdus]


def _flux(flux: Floats, wave_nm: Floats) -> list[fits.Column]:
    return [
        _column("LAMBDA", "1D", wave_nm, "nm"),
        _column("FLUX", "1D", flux, "erg/s/cm2/Angstrom"),
        _column("BIN_WIDTH", "1D", np.full(len(wave_nm), 0.1), "nm"),
    ]


def _fit_points(arm: Arm) -> list[fits.Column]:
    """Wavelengths through which the response is drawn, none near a Balmer line."""
    grid_nm = np.arange(arm.shortest_nm + 4.0, arm.longest_nm - 4.0, 4.0)
    far = np.min(np.abs(grid_nm[:, None] - np.array(BALMER_NM)), axis=1) > 5.0
    return [_column("LAMBDA", "1D", grid_nm[far], "nm")]
