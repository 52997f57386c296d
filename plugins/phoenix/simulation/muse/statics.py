"""Calibrations of flux, astrometry and sky, in the formats the pipeline's loaders accept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from astropy.io import fits

from phoenix.simulation.atmosphere import extinction_mag
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.muse.headers import table_cards
from phoenix.simulation.muse.settings import (
    SKY_LINE_SIGMA_A,
    SKY_LINES_A,
    SLICES,
    SPAXEL_ARCSEC,
    response_mag,
)

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2014-01-01T00:00:00", 56658.0
#: As far from a line as its profile is told.
LSF_REACH_A = 7.0
_LINE_UNIT = "10**(-20)*erg/(s cm^2 arcsec^2)"
_RESPONSE_UNIT = "2.5*log10((count/s/Angstrom)/(erg/s/cm**2/Angstrom))"


def static_files() -> Iterator[tuple[str, list[fits.PrimaryHDU]]]:
    """File names and HDUs: the curves with which the simulated counts are made."""
    wave_a = np.arange(4000.0, 10001.0, 5.0)
    extinction = fits.BinTableHDU.from_columns(
        [
            fits.Column("lambda", "D", unit="Angstrom", array=wave_a),
            fits.Column("extinction", "D", unit="mag/airmass", array=extinction_mag(wave_a / 10.0)),
        ]
    )
    yield "EXTINCT_TABLE.fits", [_primary("EXTINCT_TABLE"), extinction]
    response = fits.BinTableHDU.from_columns(
        [
            fits.Column("lambda", "D", unit="Angstrom", array=wave_a),
            fits.Column("response", "D", unit=_RESPONSE_UNIT, array=response_mag(wave_a)),
            fits.Column("resperr", "D", unit=_RESPONSE_UNIT, array=np.full(len(wave_a), 0.01)),
        ]
    )
    yield "STD_RESPONSE_WFM-NOAO-N.fits", [_primary("STD_RESPONSE"), response]
    yield "ASTROMETRY_WCS_WFM-NOAO-N.fits", [_astrometry()]
    yield "SKY_LINES.fits", [_primary("SKY_LINES"), _sky_lines()]
    yield "LSF_PROFILE_WFM-NOAO-N.fits", [_primary("LSF_PROFILE"), _line_spread()]


def _astrometry() -> fits.PrimaryHDU:
    """Return a header-only file: spaxels of 0.2 arcsec, neither turned nor sheared against each other."""
    primary = _primary("ASTROMETRY_WCS")
    step_deg = SPAXEL_ARCSEC / 3600.0
    cards: list[Card] = [
        ("WCSAXES", 2, "Number of axes"),
        ("CTYPE1", "RA---TAN", "Gnomonic projection"),
        ("CTYPE2", "DEC--TAN", "Gnomonic projection"),
        ("CUNIT1", "deg", "Unit of axis 1"),
        ("CUNIT2", "deg", "Unit of axis 2"),
        ("CRVAL1", 0.0, "[deg] Relative to the field's centre"),
        ("CRVAL2", 0.0, "[deg] Relative to the field's centre"),
        ("CRPIX1", 0.0, "Relative to the field's centre"),
        ("CRPIX2", 0.0, "Relative to the field's centre"),
        ("CD1_1", -step_deg, "[deg] Spaxel"),
        ("CD1_2", 0.0, "[deg] No shear"),
        ("CD2_1", 0.0, "[deg] No shear"),
        ("CD2_2", step_deg, "[deg] Spaxel"),
    ]
    primary.header.update(header(cards))
    return primary


def _sky_lines() -> fits.BinTableHDU:
    """Return the synthetic sky lines, each a group of its own; fluxes, of a spaxel, are first guesses."""
    wave_a, peak = (np.array(values) for values in zip(*SKY_LINES_A, strict=True))
    counts_per_s = peak * SKY_LINE_SIGMA_A * np.sqrt(2.0 * np.pi)
    return fits.BinTableHDU.from_columns(
        [
            fits.Column("name", "10A", array=[f"SIM {line_a:.0f}" for line_a in wave_a]),
            fits.Column("group", "J", array=np.arange(len(wave_a))),
            fits.Column("lambda", "D", unit="Angstrom", array=wave_a),
            fits.Column(
                "flux", "D", unit=_LINE_UNIT, array=1e20 * counts_per_s * 10 ** (-0.4 * response_mag(wave_a))
            ),
            fits.Column("dq", "J", array=np.zeros(len(wave_a), int)),
        ],
        name="LINES",
    )


def _line_spread() -> fits.ImageHDU:
    """Return the profile of a line over wavelength offset (axis 1) and wavelength (2), for each slice (3).

    The recipe takes a file without a unit's name for all 24. The profile is that of the simulated lines, in
    steps of 0.025 A: in steps of 0.1 A, between which the recipe interpolates, its fit may not converge.
    """
    offset_a = np.linspace(-LSF_REACH_A, LSF_REACH_A, 561)
    profile = np.exp(-0.5 * (offset_a / SKY_LINE_SIGMA_A) ** 2) / (SKY_LINE_SIGMA_A * np.sqrt(2.0 * np.pi))
    hdu = fits.ImageHDU(np.broadcast_to(profile, (SLICES, 2, len(offset_a))).astype(np.float32))
    cards: list[Card] = [
        ("EXTNAME", "LSF_PROFILE", "Line spread function"),
        ("WCSAXES", 2, "Number of axes"),
        ("CTYPE1", "PARAM", "Offset from the line"),
        ("CTYPE2", "AWAV", "Wavelength of the line in air"),
        ("CUNIT1", "Angstrom", "Unit of axis 1"),
        ("CUNIT2", "Angstrom", "Unit of axis 2"),
        ("CRPIX1", 1.0, "First offset"),
        ("CRPIX2", 1.0, "First wavelength"),
        ("CRVAL1", -LSF_REACH_A, "[Angstrom] First offset"),
        ("CRVAL2", 4650.0, "[Angstrom] First wavelength"),
        ("CD1_1", offset_a[1] - offset_a[0], "[Angstrom] Step of the offset"),
        ("CD1_2", 0.0, ""),
        ("CD2_1", 0.0, ""),
        ("CD2_2", 4650.0, "[Angstrom] Step of the wavelength"),
    ]
    hdu.header.update(header(cards))
    return hdu


def _primary(catg: str) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(header=header(table_cards(catg, VALID_FROM, VALID_FROM_MJD)))
