"""QC1 measurements of UVES products that no keyword gives; importing this registers the reports too."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits

import phoenix.instruments.uves.qc_report
import phoenix.instruments.uves.qc_report_calibrations
import phoenix.instruments.uves.qc_stack  # noqa: F401 (all three register what they hold)
from phoenix.errors import QcError
from phoenix.instruments.uves.spectrum import read_fluxed, read_order_quality, read_reduced
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source, measurement
from phoenix.qc.scatter import hot_pixel_count, level_without_outliers, robust_sigma, smooth_light_snr

#: Highest value of the 16 bit converter.
_SATURATED_ADU = 65_535
#: UVES raw frames never have more pixels than this, per extension.
_MOST_PIXELS = 5_000 * 5_000


@measurement("uves.bias_level")
def bias_level(source: Source) -> float:
    """Mean of the master bias without outliers, ADU."""
    return level_without_outliers(source.products.image(source.pro_catg))


@measurement("uves.hot_pixels")
def hot_pixels(source: Source) -> float:
    """Count the pixels of the master bias more than 20 sigma above its level."""
    return hot_pixel_count(source.products.image(source.pro_catg))


@measurement("uves.matched_fraction")
def matched_fraction(source: Source) -> float:
    """Fraction of the predicted arc lines that the format check found and kept."""
    header = source.products.header(source.pro_catg)
    selected, predicted = (keyword_value(header, f"QC.MODEL.{keyword}") for keyword in ("NLINSEL", "NLINALL"))
    if not predicted:
        raise QcError(source.pro_catg, "QC.MODEL.NLINALL is absent or 0", "the number of predicted lines")
    return float(selected / predicted)


@measurement("uves.lost_orders")
def lost_orders(source: Source) -> float:
    """Count the predicted orders that were not detected."""
    header = source.products.header(source.pro_catg)
    return float(header["ESO QC ORD NPRED"] - header["ESO QC ORD NDET"])


@measurement("uves.flat_level")
def flat_level(source: Source) -> float:
    """Level of the master flat along its bright orders: its 95th percentile, ADU per second."""
    return float(np.percentile(source.products.image(source.pro_catg), 95))


@measurement("uves.flat_snr")
def flat_snr(source: Source) -> float:
    """S/N per pixel of the master flat in its bright orders."""
    return smooth_light_snr(source.products.image(source.pro_catg))


@measurement("uves.raw_saturated")
def raw_saturated(source: Source) -> float:
    """Count the saturated pixels in all raw frames of the AB."""
    total = 0
    for raw in source.ab.raws:
        with fits.open(Path(raw.path), memmap=False) as hdus:
            for hdu in hdus:
                if (
                    hdu.header.get("NAXIS") == 2
                    and hdu.header["NAXIS1"] * hdu.header["NAXIS2"] <= _MOST_PIXELS
                ):
                    total += int(np.count_nonzero(hdu.data >= _SATURATED_ADU))
    return float(total)


@measurement("uves.lost_line_orders")
def lost_line_orders(source: Source) -> float:
    """Count the orders without any line in the wavelength solution."""
    lines = source.products.table(source.pro_catg, extension=4)
    orders = np.arange(lines["Order"].min(), lines["Order"].max() + 1)
    return float(np.count_nonzero(~np.isin(orders, lines["Order"][lines["NLinSol"] == 1])))


@measurement("uves.efficiency_peak")
def efficiency_peak(source: Source) -> float:
    """Highest blaze efficiency of all orders, percent."""
    header = source.products.header(source.pro_catg)
    blaze = [value for keyword, value in header.items() if keyword.startswith("ESO QC BLAZEFF")]
    if not blaze:
        raise QcError(source.pro_catg, "there is no QC BLAZEFFn", "one for each order")
    return 100 * float(max(blaze))


@measurement("uves.response_scatter")
def response_scatter(source: Source) -> float:
    """Robust scatter of the raw response around the smooth one, percent."""
    smooth = source.products.table(source.pro_catg, extension=1)["response_smo"]
    raw = source.products.table(source.pro_catg, extension=2)["response_raw"]
    good = (smooth > 0) & (raw > 0) & np.isfinite(raw)
    if not good.any():
        raise QcError(source.pro_catg, "no pixel has both a raw and a smooth response")
    return 100 * robust_sigma(raw[good] / smooth[good] - 1)


@measurement("uves.snr")
def snr(source: Source) -> float:
    """Median S/N per pixel of a merged spectrum, from its error bars."""
    return float(np.median(read_reduced(source).snr))


@measurement("uves.snr_orders")
def snr_orders(source: Source) -> dict[str, float]:
    """Median S/N per pixel of each order before merging; orders counted from the bluest, 01."""
    flux = source.products.image(source.sibling("WCALIB_FF_{type}_{chip}"))
    error = source.products.image(source.sibling("ERRORBAR_WCALIB_FF_{type}_{chip}"))
    values = {}
    for index, (order_flux, order_error) in enumerate(zip(flux, error, strict=True), start=1):
        lit = (order_flux != 0) & (order_error > 0)
        if lit.any():
            values[f"{index:02d}"] = float(np.median(order_flux[lit] / order_error[lit]))
    return values


@measurement("uves.fwhm")
def fwhm(source: Source) -> float:
    """Median FWHM of the object along the slit, arcsec."""
    return float(np.median(read_order_quality(source).fwhm_arcsec))


@measurement("uves.position")
def position(source: Source) -> float:
    """Median position of the object on the slit, arcsec from the slit's centre."""
    return float(np.median(read_order_quality(source).offset_arcsec))


@measurement("uves.position_range")
def position_range(source: Source) -> float:
    """How far the object wanders on the slit over all orders, arcsec: largest minus smallest position."""
    return float(np.ptp(read_order_quality(source).offset_arcsec))


@measurement("uves.ripple")
def ripple(source: Source) -> float | None:
    """Median relative ripple of the orders in which the recipe found one; it may be in none."""
    measured = read_order_quality(source).ripple
    measured = measured[measured >= 0]
    return float(np.median(measured)) if len(measured) else None


@measurement("uves.negative")
def negative(source: Source) -> float:
    """Pixels of the merged spectrum with flux below zero, percent of its lit pixels."""
    flux = read_reduced(source).flux
    return 100 * float(np.count_nonzero(flux < 0) / len(flux))


@measurement("uves.cosmics")
def cosmics(source: Source) -> float:
    """Count the pixels the extraction rejected as cosmics."""
    return float(len(source.products.table(source.pro_catg)))


@measurement("uves.flux_low")
def flux_low(source: Source) -> float:
    """1st percentile of the flux, 1e-16 erg/s/cm2/Angstrom."""
    return float(np.percentile(read_fluxed(source).flux, 1))


@measurement("uves.flux_high")
def flux_high(source: Source) -> float:
    """99th percentile of the flux, 1e-16 erg/s/cm2/Angstrom."""
    return float(np.percentile(read_fluxed(source).flux, 99))


@measurement("uves.sky")
def sky(source: Source) -> float:
    """Median of the extracted sky, ADU per pixel."""
    return float(np.median(source.products.image(source.pro_catg)))
