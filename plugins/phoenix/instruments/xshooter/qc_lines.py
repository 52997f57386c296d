"""Arc lines of the products of format check and wavelength calibration."""

from __future__ import annotations

from astropy.io import fits

from phoenix.instruments.xshooter.arc_lines import ArcLines, arc_lines
from phoenix.qc.registry import Source

#: Residual tables of the format check: of the polynomial, and of the physical model.
_FORMAT = ("FMTCHK_RESID_TAB_LINES_GFIT_{arm}", "FMTCHK_RESID_TAB_LINES_{arm}")


def format_lines(source: Source) -> ArcLines:
    """Return the lines the format check kept."""
    catg = _format_catg(source)
    return arc_lines(source.products.table(catg), catg)


def resid_header(source: Source) -> fits.Header:
    """Return the header of the residual table of the format check: it holds the numbers of lines."""
    return source.products.header(_format_catg(source))


def wavelength_lines(source: Source) -> ArcLines:
    """Return the lines a wavelength solution rests on."""
    catg = source.sibling("WAVE_RESID_TAB_LINES_{arm}")
    return arc_lines(source.products.table(catg), catg)


def _format_catg(source: Source) -> str:
    first, second = (source.sibling(template) for template in _FORMAT)
    return second if source.products.has(second) else first
