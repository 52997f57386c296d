"""Calibrations of flux and astrometry, in the formats the pipeline's loaders accept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from astropy.io import fits

from phoenix.simulation.atmosphere import extinction_mag
from phoenix.simulation.fitsfile import Card, header
from phoenix.simulation.muse.headers import table_cards
from phoenix.simulation.muse.settings import SPAXEL_ARCSEC, response_mag

#: The tables hold from long before any simulated night.
VALID_FROM, VALID_FROM_MJD = "2014-01-01T00:00:00", 56658.0
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


def _primary(catg: str) -> fits.PrimaryHDU:
    return fits.PrimaryHDU(header=header(table_cards(catg, VALID_FROM, VALID_FROM_MJD)))
