"""What all report pages of UVES share: which chips there are, and the header line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.qc.pictures.panels import Curve, Page, Row, Style
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.scorecard import Scorecard

WAVE = "wavelength in air (nm)"
DISPERSION = "X, dispersion (pix)"
CROSS_DISPERSION = "Y (pix)"


def chips_of(source: Source, template: str) -> list[Source]:
    """Return the source once for each chip that has this product; ``QcError`` if none has."""
    found = [
        replace(source, pro_catg=match.pro_catg, words=match.words)
        for match in source.products.matching(template)
        if match.product is not None
    ]
    if not found:
        raise QcError(source.ab.name, f"there is no product {template} to draw", "at least one chip")
    return found


def curve_of_each(
    chips: Iterable[Source], points: Callable[[Source], tuple[Floats, Floats]], style: Style
) -> tuple[Curve, ...]:
    """Return one curve for each chip, in the chip's colour and under its name."""
    return tuple(Curve(*points(chip), chip.words["chip"], style, number) for number, chip in enumerate(chips))


def science_page(chips: list[Source], card: Scorecard, *rows: Row) -> Page:
    """Return a page named after the object, with what an observer needs to know of the exposure."""
    header = chips[0].products.header(chips[0].pro_catg)
    airmass, observed = keyword_value(header, "TEL.AIRM.START"), keyword_value(header, "OBS.ID")
    facts = (
        f"OB {observed} {keyword_value(header, 'OBS.NAME') or ''}".rstrip() if observed else chips[0].ab.stem,
        *_exposure(chips[0], header),
        f"airmass {airmass:.2f}" if isinstance(airmass, float) else "",
        *_slit(header),
        *_read_out(header),
        *_reduction(chips[0], header),
    )
    return _page(str(header.get("OBJECT") or chips[0].ab.raw_type), _setting(header), facts, rows, card)


def calibration_page(
    title: str, chips: list[Source], card: Scorecard, *rows: Row, dispersed: bool = True
) -> Page:
    """Return a page named after the calibration; a bias knows neither wavelength nor slit."""
    header = chips[0].products.header(chips[0].pro_catg)
    facts = (
        chips[0].ab.stem,
        *_exposure(chips[0], header),
        *(_slit(header) if dispersed else ()),
        *_read_out(header),
        *_reduction(chips[0], header),
    )
    setting = _setting(header) if dispersed else f"UVES {keyword_value(header, 'INS.PATH') or ''}"
    return _page(title, setting, facts, rows, card)


def _page(title: str, setting: str, facts: tuple[str, ...], rows: tuple[Row, ...], card: Scorecard) -> Page:
    return Page(f"{title}   {setting}", tuple(fact for fact in facts if fact), rows, card)


def _setting(header: fits.Header) -> str:
    wlen = keyword_value(header, "INS.GRAT1.WLEN") or keyword_value(header, "INS.GRAT2.WLEN")
    wavelength = f"{wlen:g} nm" if isinstance(wlen, (int, float)) else ""
    return f"UVES {keyword_value(header, 'INS.PATH') or ''} {wavelength}".rstrip()


def _exposure(chip: Source, header: fits.Header) -> tuple[str, ...]:
    begun = str(header.get("DATE-OBS") or chip.ab.date).replace("T", " ")[:19]
    return (f"{begun} UT", f"{header.get('EXPTIME', 0):g} s")


def _slit(header: fits.Header) -> tuple[str, ...]:
    width = keyword_value(header, "INS.SLIT2.WID") or keyword_value(header, "INS.SLIT3.WID")
    return (f"slit {width:g} arcsec",) if isinstance(width, (int, float)) else ()


def _read_out(header: fits.Header) -> tuple[str, ...]:
    binning = "x".join(str(keyword_value(header, f"DET.WIN1.BIN{axis}") or "?") for axis in "XY")
    return (f"binning {binning}", f"read-out {keyword_value(header, 'DET.READ.SPEED') or '?'}")


def _reduction(chip: Source, header: fits.Header) -> tuple[str, ...]:
    return (f"calibration level {chip.ab.level}", str(keyword_value(header, "PRO.REC1.PIPE.ID") or ""))


def column(table: Any, name: str) -> Floats:
    """Return a column of a FITS table as float64."""
    return np.asarray(table[name], dtype=np.float64)
