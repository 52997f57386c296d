"""Static calibration tables, in the formats the UVES pipeline's loaders accept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from phoenix.simulation.atmosphere import extinction_mag
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.stars import BALMER_NM, STANDARDS
from phoenix.simulation.uves.headers import INSTRUMENT
from phoenix.simulation.uves.light import line_atlas
from phoenix.simulation.uves.settings import BINNING, Setting

Floats = NDArray[np.float64]
StaticFile = tuple[str, list[fits.PrimaryHDU]]

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2015-01-01T00:00:00", 57023.0

STANDARD_RANGE_NM = (300.0, 730.0)
#: Spectrograph's dispersion: nm per unbinned pixel = central wavelength / this.
RESOLVING_PIXELS = 190_000.0
FORMAT_CHECK_TASK, WAVELENGTH_TASK = "FORMAT_CHECK", "WAVELENGTH"


def static_files(settings: list[Setting], size: str) -> Iterator[StaticFile]:
    """File names and HDUs of all static tables the settings need."""
    yield "EXTCOEFF_TABLE.fits", [_primary("EXTCOEFF_TABLE"), _extinction()]
    yield "FLUX_STD_TABLE.fits", [_primary("FLUX_STD_TABLE"), _standards()]
    yield "RESP_FIT_POINTS_CATALOG.fits", [_primary("RESP_FIT_POINTS_CATALOG"), *_response_fit_points()]
    for setting in settings:
        yield from _line_tables(setting, BINNING[size, setting.arm])


def _primary(catg: str, extra: list[Card] | None = None) -> fits.PrimaryHDU:
    cards: list[Card] = [
        ("ORIGIN", "PHOENIX", "not an ESO calibration"),
        ("DATE", VALID_FROM, "Start of validity"),
        ("INSTRUME", INSTRUMENT, "Instrument used"),
        ("MJD-OBS", VALID_FROM_MJD, "Start of validity"),
        ("DATE-OBS", VALID_FROM, "Start of validity"),
        ("ESO PRO CATG", catg, "Category"),
        *(extra or []),
        ("PHX SIMULATED", True, "made by a simulator"),
        ("COMMENT", "SIMULATED: belongs to the PHOENIX simulator, of no use for real frames.", ""),
    ]
    return fits.PrimaryHDU(header=header(cards))


def _line_tables(setting: Setting, binning: int) -> Iterator[StaticFile]:
    """Line lists of a setting.

    The pipeline identifies lines in crowded spectra badly, so the catalogues hold isolated ones: 4 px for the
    wavelength calibration, 12 px and brighter for the format check, which centres lines in a wide box without
    clipping.
    """
    atlas = line_atlas().between(setting.wlen_nm - 130.0, setting.wlen_nm + 140.0)
    pixel_nm = setting.wlen_nm / RESOLVING_PIXELS * binning
    wavelength = atlas.isolated(4 * pixel_nm, 3.0e3)
    monitored = wavelength.electrons > np.percentile(wavelength.electrons, 80)
    tables = (
        ("LINE_REFER_TABLE", WAVELENGTH_TASK, wavelength.wave_nm),
        ("LINE_REFER_TABLE", FORMAT_CHECK_TASK, atlas.isolated(12 * pixel_nm, 8.0e3).wave_nm),
        ("LINE_INTMON_TABLE", WAVELENGTH_TASK, wavelength.wave_nm[monitored]),
    )
    for catg, task, wave_nm in tables:
        cards: list[Card] = [
            (
                f"ESO INS GRAT{setting.grating_number} WLEN",
                setting.wlen_nm,
                "[nm] Grating central wavelength",
            ),
            ("ESO DET WIN1 BINX", binning, "Binning the list was thinned for"),
            ("ESO PRO TASK", task, "What the list is for"),
            ("COMMENT", "Lines of a synthetic atlas: neither thorium nor argon has them.", ""),
        ]
        column = fits.Column("WAVE", "1D", unit="Angstrom", array=10.0 * wave_nm)
        yield (
            f"{catg}_{setting.name}_{task}.fits",
            [_primary(catg, cards), fits.BinTableHDU.from_columns([column])],
        )


def _extinction() -> fits.BinTableHDU:
    wave_nm = np.arange(300.0, 1100.0, 2.0)
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("LAMBDA", "1E", unit="Angstrom", array=10.0 * wave_nm),
            fits.Column("LA_SILLA", "1E", unit="mag/airmass", array=extinction_mag(wave_nm)),
        ]
    )


def _standards() -> fits.BinTableHDU:
    wave_nm = np.arange(*STANDARD_RANGE_NM, 0.1)
    n, rows = len(wave_nm), len(STANDARDS)
    flux = np.array([star.flux_at(wave_nm) for star in STANDARDS])
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("OBJECT", "16A", array=[star.name for star in STANDARDS]),
            fits.Column("TYPE", "8A", array=["SIM"] * rows),
            fits.Column("RA_DEG", "1D", unit="deg", array=[star.ra_deg for star in STANDARDS]),
            fits.Column("DEC_DEG", "1D", unit="deg", array=[star.dec_deg for star in STANDARDS]),
            fits.Column("NDATA", "1J", array=[n] * rows),
            fits.Column("LAMBDA", f"{n}E", unit="Angstrom", array=np.tile(10.0 * wave_nm, (rows, 1))),
            fits.Column("BIN_WIDTH", f"{n}E", unit="Angstrom", array=np.ones((rows, n))),
            fits.Column("F_LAMBDA", f"{n}E", unit="erg/s/cm2/Angstrom", array=flux),
        ]
    )


def _response_fit_points() -> list[fits.BinTableHDU]:
    """Index of stars and, per star, the wavelengths (nm) of the fit points, none near a Balmer line."""
    grid_nm = np.arange(305.0, 725.0, 1.0)
    far = np.min(np.abs(grid_nm[:, None] - np.array(BALMER_NM)), axis=1) > 2.5
    points = [
        fits.BinTableHDU.from_columns([fits.Column("LAMBDA", "1D", array=grid_nm[far])]) for _ in STANDARDS
    ]
    index = fits.BinTableHDU.from_columns(
        [
            fits.Column("ext_id", "1J", array=np.arange(len(STANDARDS)) + 2),
            fits.Column("name", "16A", array=[star.name for star in STANDARDS]),
            fits.Column("ra", "1D", array=[star.ra_deg for star in STANDARDS]),
            fits.Column("dec", "1D", array=[star.dec_deg for star in STANDARDS]),
        ]
    )
    return [index, *points]
