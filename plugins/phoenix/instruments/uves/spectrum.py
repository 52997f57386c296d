"""Reads the extracted spectra of UVES recipes, and what the extraction says of each order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source

#: Flux unit of spectra and pictures: numbers near one for the objects UVES sees.
FLUX_UNIT = 1e-16  # erg/s/cm2/Angstrom


@dataclass(frozen=True, slots=True)
class Spectrum:
    """The lit pixels of a merged spectrum.

    Attributes
    ----------
    wave_nm
        Air wavelength, nm, shape (n,).
    flux, error
        In ADU, or in 1e-16 erg/s/cm2/Angstrom when ``fluxed``; shape (n,).
    """

    wave_nm: Floats
    flux: Floats
    error: Floats
    fluxed: bool

    @property
    def snr(self) -> Floats:
        """S/N per pixel, shape (n,)."""
        return self.flux / self.error


@dataclass(frozen=True, slots=True)
class OrderQuality:
    """What the extraction says of each order, bluest first; all of shape (orders,).

    Attributes
    ----------
    snr
        S/N at the blaze centre.
    ripple
        Relative ripple; -1 where it was not measured.
    offset_arcsec
        Object's position along the slit, from the centre of the extraction slit.
    """

    order: Floats
    snr: Floats
    ripple: Floats
    offset_arcsec: Floats
    fwhm_arcsec: Floats


def read_reduced(source: Source) -> Spectrum:
    """Return the merged spectrum in ADU with the recipe's error bars."""
    catg = source.sibling("RED_{type}_{chip}")
    flux = source.products.image(catg)
    error = source.products.image(source.sibling("ERRORBAR_{type}_{chip}"))
    return _lit(source, catg, flux, error, flux != 0, fluxed=False)


def read_fluxed(source: Source) -> Spectrum:
    """Return the flux calibrated spectrum.

    Its error is FLUXCAL x ERRORBAR / RED: the recipe's own FLUXCAL_ERRORBAR lacks the atmospheric extinction
    that FLUXCAL is corrected for.
    """
    catg = source.sibling("FLUXCAL_{type}_{chip}")
    flux = source.products.image(catg) / FLUX_UNIT
    reduced = source.products.image(source.sibling("RED_{type}_{chip}"))
    error = source.products.image(source.sibling("ERRORBAR_{type}_{chip}"))
    lit = (flux != 0) & (reduced != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        scaled = np.abs(flux * error / reduced)
    return _lit(source, catg, flux, scaled, lit, fluxed=True)


def _lit(
    source: Source, catg: str, flux: Floats, error: Floats, lit: np.ndarray, *, fluxed: bool
) -> Spectrum:
    """Keep the pixels that hold light: the recipe fills the ends of a spectrum with zeros."""
    lit = lit & np.isfinite(flux) & np.isfinite(error) & (error > 0)
    if not lit.any():
        raise QcError(catg, "no pixel holds flux and an error", "an extracted spectrum")
    header = source.products.header(catg)
    pixel = np.arange(len(flux)) + 1 - header["CRPIX1"]
    wave_nm = (header["CRVAL1"] + pixel * header["CDELT1"]) / 10
    return Spectrum(wave_nm[lit], flux[lit], error[lit], fluxed)


def read_order_quality(source: Source) -> OrderQuality:
    """Return what ORDER_EXTRACT_QC says of each order, in arcsec by the pixel scale of the spectrum."""
    table = source.products.table(source.sibling("ORDER_EXTRACT_QC_{chip}"))
    header = source.products.header(source.pro_catg)
    scale = _number(header, "INS.PIXSCALE", source) * _number(header, "DET.WIN1.BINX", source)
    centre_pix = (_number(header, "QC.EX.YSIZE", source) + 1) / 2
    columns = {name: np.asarray(table[name], dtype=np.float64) for name in table.names}
    return OrderQuality(
        order=columns["Order"],
        snr=columns["ObjSnBlzCentre"],
        ripple=columns["Ripple"],
        offset_arcsec=(columns["ObjPosOnSlit"] - centre_pix) * scale,
        fwhm_arcsec=columns["ObjFwhmAvg"] * scale,
    )


def read_order_centres_nm(source: Source) -> Floats:
    """Return the central wavelength of each order, nm, bluest first."""
    header = source.products.header(source.sibling("WCALIB_FF_{type}_{chip}"))
    orders = range(1, header["NAXIS2"] + 1)
    return np.array([(header[f"WSTART{n}"] + header[f"WEND{n}"]) / 20 for n in orders])


def _number(header: fits.Header, keyword: str, source: Source) -> float:
    value = keyword_value(header, keyword)
    if value is None:
        raise QcError(f"{source.pro_catg} {keyword}", "the keyword is not in the header")
    return float(value)
