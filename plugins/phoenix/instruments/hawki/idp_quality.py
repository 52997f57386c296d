"""What the converter changes in the headers of the recipes, and where the values are from."""

from __future__ import annotations

import re

import numpy as np

from phoenix.idp.cube_grid import sky_grid
from phoenix.idp.fitsfile import FitsFile, Hdu
from phoenix.idp.image_header import Changes, unit_changes
from phoenix.model.frame import Value

#: Sources whose sizes are measured, below which their median tells nothing.
_LEAST_SOURCES = 5
_GUESSED = "DIMM"
_COORDINATE_ERROR = re.compile(r"CRDER[12]|TCRD\d+")


def images_of(file: FitsFile) -> list[Hdu]:
    """Return the HDUs of a file that hold images."""
    return [hdu for hdu in file.hdus if (hdu.integer("NAXIS") or 0) == 2 and not hdu.text("TTYPE1")]


def calibrated(file: FitsFile) -> bool:
    """Whether the zero point of every detector is from standard stars, as the recipe tells."""
    fudged = any(hdu.get("ZPFUDGED") is True for hdu in file.hdus)
    return file.primary.text("FLUXCAL") == "ABSOLUTE" and not fudged


def image_changes(hdu: Hdu, sources: Hdu | None) -> Changes:
    """Return the changes of the header of an image.

    Parameters
    ----------
    sources : Hdu, optional
        Table of the sources in it.
    """
    found: dict[str, tuple[Value, str] | None] = {
        "BUNIT": ("adu", "mean of one integration of DIT"),
        **_coordinate_errors(hdu),
    }
    told = next((card for card in hdu.cards if card.keyword == "PSF_FWHM"), None)
    if told is not None and _GUESSED in told.image:
        fwhm = _fwhm_arcsec(hdu, sources)
        if fwhm is not None:
            found["PSF_FWHM"] = (fwhm, "[arcsec] twice the median half-light radius")
    return found


def list_changes(table: Hdu, image: Hdu | None) -> Changes:
    """Return the changes of the header of a source list; its stars have the size told with the image."""
    measured = image_changes(image, table) if image is not None else {}
    size = {"PSF_FWHM": measured["PSF_FWHM"]} if "PSF_FWHM" in measured else {}
    return {**unit_changes(table), **_coordinate_errors(table), **size}


def map_changes(hdu: Hdu, *, variance: bool) -> Changes:
    """Return the changes of the header of a map; a confidence has no unit."""
    unit: tuple[Value, str] | None = ("adu**2", "variance of the image") if variance else None
    return {"BUNIT": unit, **_coordinate_errors(hdu)}


def _coordinate_errors(hdu: Hdu) -> dict[str, tuple[Value, str] | None]:
    """CRDERi, and TCRDn of tables, in degrees: the recipe writes the scatter of its fit in arcsec.

    A value that is not that scatter stays as it is.
    """
    scatters_arcsec = {hdu.number("QC.WCS_RMS"), hdu.number("DRS.STDCRMS")}
    return {
        card.keyword: (round(value / 3600, 12), "[deg] scatter of the astrometric fit")
        for card in hdu.cards
        if _COORDINATE_ERROR.fullmatch(card.keyword)
        and (value := hdu.number(card.keyword)) is not None
        and value in scatters_arcsec
    }


def _fwhm_arcsec(hdu: Hdu, sources: Hdu | None) -> float | None:
    """Twice the median half-light radius of the brighter half of the sources; for a Gaussian its FWHM."""
    if sources is None:
        return None
    table = sources.records()
    if not {"Half_radius", "Aper_flux_3"} <= set(table.dtype.names or ()):
        return None
    radius, flux = table["Half_radius"].astype("f8"), table["Aper_flux_3"].astype("f8")
    known = np.isfinite(radius) & (radius > 0) & np.isfinite(flux)
    if known.sum() < 2 * _LEAST_SOURCES:
        return None
    bright = known & (flux >= np.median(flux[known]))
    scale_arcsec = sky_grid(hdu).pixel_area_arcsec2 ** 0.5
    return round(float(2 * np.median(radius[bright]) * scale_arcsec), 4)
