"""QC1 measurements of XSHOOTER products that no keyword gives; importing this registers the reports too."""

from __future__ import annotations

import numpy as np

import phoenix.instruments.xshooter.qc_report
import phoenix.instruments.xshooter.qc_report_calibrations  # noqa: F401 (both register what they hold)
from phoenix.errors import QcError
from phoenix.instruments.xshooter.arc_lines import SOLUTIONS, ArcLines
from phoenix.instruments.xshooter.qc_lines import format_lines, resid_header, wavelength_lines
from phoenix.instruments.xshooter.qc_page import slit_name
from phoenix.instruments.xshooter.qc_spectrum import (
    read_counts,
    read_fluxed,
    read_orders,
    read_trace,
)
from phoenix.instruments.xshooter.response import fitted_range_nm
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source, measurement
from phoenix.qc.scatter import hot_pixel_count, robust_sigma, smooth_light_snr

FLUX_UNIT = 1e-16  # erg/s/cm2/Angstrom


@measurement("xshooter.hot_pixels")
def hot_pixels(source: Source) -> float:
    """Count the pixels more than 20 sigma above the level of the master."""
    return hot_pixel_count(source.products.image(source.pro_catg))


@measurement("xshooter.format_matched")
def format_matched(source: Source) -> float:
    """Fraction of the lines of the catalogue on the detector that the format check found and kept."""
    header = resid_header(source)
    found, catalogue = (keyword_value(header, f"QC.NLINE.{name}") for name in ("FOUND.CLEAN", "CAT"))
    if found is None or not catalogue:
        raise QcError(source.pro_catg, "QC.NLINE.FOUND.CLEAN or QC.NLINE.CAT is missing", "both")
    return float(found / catalogue)


@measurement("xshooter.format_lines")
def format_line_count(source: Source) -> float:
    """Count the arc lines the format check kept."""
    return float(format_lines(source).number)


@measurement("xshooter.format_rms_x")
def format_rms_x(source: Source) -> float:
    """Scatter of the lines across the dispersion, pixels."""
    return _rms(format_lines(source), "shift_x")


@measurement("xshooter.format_rms_y")
def format_rms_y(source: Source) -> float:
    """Scatter of the lines along the dispersion, pixels."""
    return _rms(format_lines(source), "shift_y")


@measurement("xshooter.lost_orders")
def lost_orders(source: Source) -> float:
    """Count the predicted orders that were not found."""
    header = source.products.header(source.pro_catg)
    found, predicted = (keyword_value(header, f"QC.ORD.ORDERPOS.{name}") for name in ("NDET", "NPRED"))
    if found is None or predicted is None:
        raise QcError(source.pro_catg, "QC.ORD.ORDERPOS.NDET or NPRED is missing", "both")
    return float(predicted - found)


@measurement("xshooter.flat_snr")
def flat_snr(source: Source) -> float:
    """S/N per pixel of the master flat in its bright orders; the dispersion is along Y."""
    return smooth_light_snr(source.products.image(source.pro_catg).T)


@measurement("xshooter.wave_lines")
def wave_lines(source: Source) -> float:
    """Count the arc lines the solution rests on."""
    return float(wavelength_lines(source).number)


@measurement("xshooter.wave_positions")
def wave_positions(source: Source) -> float:
    """Count lines times pinholes: the positions the solution rests on."""
    return float(wavelength_lines(source).wave_nm.size)


@measurement("xshooter.wave_orders")
def wave_orders(source: Source) -> float:
    """Count the orders that have lines."""
    return float(np.unique(wavelength_lines(source).order).size)


@measurement("xshooter.wave_rms_x")
def wave_rms_x(source: Source) -> float:
    """Scatter of the lines across the dispersion, pixels."""
    return _rms(wavelength_lines(source), "shift_x")


@measurement("xshooter.wave_rms_y")
def wave_rms_y(source: Source) -> float:
    """Scatter of the lines along the dispersion, pixels."""
    return _rms(wavelength_lines(source), "shift_y")


@measurement("xshooter.wave_rms_kms")
def wave_rms_kms(source: Source) -> float:
    """Scatter of the lines along the dispersion as a velocity, km/s."""
    return wavelength_lines(source).rms_kms


@measurement("xshooter.wave_fwhm")
def wave_fwhm(source: Source) -> float:
    """Median FWHM of the lines along the dispersion, pixels."""
    return float(np.median(wavelength_lines(source).fwhm))


@measurement("xshooter.wave_range")
def wave_range(source: Source) -> dict[str, float]:
    """Shortest and longest wavelength of a line, nm."""
    wave_nm = wavelength_lines(source).wave_nm
    return {"min": float(wave_nm.min()), "max": float(wave_nm.max())}


def _rms(lines: ArcLines, name: str) -> float:
    return float(np.sqrt(np.mean(getattr(lines, name) ** 2)))


@measurement("xshooter.snr")
def snr(source: Source) -> float:
    """Median S/N per bin of the merged spectrum."""
    return float(np.median(read_counts(source).snr))


@measurement("xshooter.snr_orders")
def snr_orders(source: Source) -> dict[str, float]:
    """Median S/N per bin of each order before merging, by its number."""
    return {f"{number:02d}": value for number, (_, value) in sorted(read_orders(source).items())}


@measurement("xshooter.negative")
def negative(source: Source) -> float:
    """Good bins of the merged spectrum below zero, percent; nearly all where the nod has the wrong sign."""
    flux = read_counts(source).flux
    return 100 * float(np.count_nonzero(flux < 0) / flux.size)


@measurement("xshooter.flagged")
def flagged(source: Source) -> float:
    """Bins of the merged spectrum with a bad pixel code, percent."""
    return read_counts(source).flagged


@measurement("xshooter.flux_low")
def flux_low(source: Source) -> float:
    """1st percentile of the flux, 1e-16 erg/s/cm2/Angstrom."""
    return float(np.percentile(read_fluxed(source).flux, 1)) / FLUX_UNIT


@measurement("xshooter.flux_high")
def flux_high(source: Source) -> float:
    """99th percentile of the flux, 1e-16 erg/s/cm2/Angstrom."""
    return float(np.percentile(read_fluxed(source).flux, 99)) / FLUX_UNIT


@measurement("xshooter.position")
def position(source: Source) -> float | None:
    """Median position of the object, arcsec from the middle of the slit; None where no object stands out."""
    centres = read_trace(source).centre_arcsec
    return float(np.median(centres)) if centres.size else None


@measurement("xshooter.position_range")
def position_range(source: Source) -> float | None:
    """How far the object wanders on the slit over wavelength, arcsec: its 95th minus its 5th percentile."""
    centres = read_trace(source).centre_arcsec
    return float(np.subtract(*np.percentile(centres, [95, 5]))) if centres.size else None


@measurement("xshooter.fwhm")
def fwhm(source: Source) -> float | None:
    """Median FWHM of the object along the slit, arcsec; None where no object stands out."""
    widths = read_trace(source).fwhm_arcsec
    return float(np.median(widths)) if widths.size else None


@measurement("xshooter.response_unfitted")
def response_unfitted(source: Source) -> float:
    """Width of both ends of the response over which it does not hold, nm."""
    wave_nm = source.products.table(source.pro_catg)["LAMBDA"]
    low_nm, high_nm = _fitted(source)
    return float(low_nm - wave_nm[0] + wave_nm[-1] - high_nm)


@measurement("xshooter.response_scatter")
def response_scatter(source: Source) -> float:
    """Robust scatter of the standard's ratio around the response where it holds, percent."""
    table = source.products.table(source.pro_catg)
    wave_nm, curve, ratio = (
        np.asarray(table[name], dtype=np.float64) for name in ("LAMBDA", "RESPONSE", "REF_DIV_OBS")
    )
    low_nm, high_nm = _fitted(source)
    good = (wave_nm >= low_nm) & (wave_nm <= high_nm) & (curve > 0)
    return 100 * robust_sigma(ratio[good] / curve[good] - 1)


def _fitted(source: Source) -> tuple[float, float]:
    fitted = fitted_range_nm(source.products.table(source.pro_catg))
    if fitted is None:
        raise QcError(source.pro_catg, "holds nowhere, or has no REF_DIV_OBS", "a response of xsh_respon")
    return fitted


@measurement("xshooter.efficiency_peak")
def efficiency_peak(source: Source) -> float:
    """Efficiency in the best order, percent: its 99th percentile over all bins."""
    return 100 * float(np.percentile(source.products.table(source.pro_catg)["EFF"], 99))


@measurement("xshooter.slit_width")
def slit_width(source: Source) -> float:
    """Width of the slit, arcsec."""
    name = slit_name(source.products.header(source.pro_catg), source.words["arm"])
    try:
        return float(name.partition("x")[0])
    except ValueError as error:
        raise QcError(source.pro_catg, f"the slit is {name!r}", "a name such as 0.9x11") from error


@measurement("xshooter.arc_days")
def arc_days(source: Source) -> float | None:
    """Days between the exposure and the arc its wavelengths rest on; None for masters from elsewhere."""
    days = [abs(mcalib.dt_days) for mcalib in source.ab.mcalibs if mcalib.tag.startswith(SOLUTIONS)]
    return max(days) if days else None
