"""What all report pages of XSHOOTER share: the header line, the arm of a product, axes."""

from __future__ import annotations

from dataclasses import replace

from astropy.io import fits

from phoenix.errors import QcError
from phoenix.instruments.xshooter.arms import SLIT_KEYWORDS
from phoenix.qc.pictures.panels import Page, Row
from phoenix.qc.products import keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.scorecard import Scorecard

WAVE = "wavelength in air (nm)"
X, Y = "X, across the orders (pix)", "Y, dispersion (pix)"
DETECTOR = (X, Y)


def of_product(source: Source, template: str) -> Source:
    """Return the source with the product of a template: an AB is of one arm and has one of each."""
    for match in source.products.matching(template):
        if match.product is not None:
            return replace(source, pro_catg=match.pro_catg, words=match.words)
    raise QcError(source.ab.name, f"there is no product {template} to draw", "one of this recipe")


def slit_name(header: fits.Header, arm: str) -> str:
    """Return the name of the arm's slit, e.g. ``0.9x11``; empty if it is not told."""
    return str(keyword_value(header, SLIT_KEYWORDS[arm]) or "")


def science_page(source: Source, card: Scorecard, *rows: Row) -> Page:
    """Return a page named after the object, with what an observer needs to know of the exposure."""
    header, arm = source.products.header(source.pro_catg), source.words["arm"]
    airmass, observed = keyword_value(header, "TEL.AIRM.START"), keyword_value(header, "OBS.ID")
    frames = keyword_value(header, "PRO.DATANCOM")
    facts = (
        f"OB {observed} {keyword_value(header, 'OBS.NAME') or ''}".rstrip() if observed else source.ab.stem,
        _begun(source, header),
        f"{frames} frame{'' if frames == 1 else 's'}" if frames else "",
        f"{header.get('EXPTIME', 0):g} s",
        f"airmass {airmass:.2f}" if isinstance(airmass, float) else "",
        *_read_out(header, arm),
        *_reduction(source, header),
    )
    mode = str(keyword_value(header, "PRO.TECH") or "").rpartition(",")[2].lower()
    name = str(keyword_value(header, "OBS.TARG.NAME") or header.get("OBJECT") or source.ab.raw_type)
    return _page(f"{name}   XSHOOTER {arm}  {slit_name(header, arm)}  {mode}".rstrip(), facts, rows, card)


def calibration_page(title: str, source: Source, card: Scorecard, *rows: Row, slit: bool = False) -> Page:
    """Return a page named after the calibration."""
    header, arm = source.products.header(source.pro_catg), source.words["arm"]
    facts = (
        source.ab.stem,
        _begun(source, header),
        f"{header['EXPTIME']:g} s" if "EXPTIME" in header else "",
        f"slit {slit_name(header, arm)}" if slit else "",
        *_read_out(header, arm),
        *_reduction(source, header),
    )
    return _page(f"{title}   XSHOOTER {arm}", facts, rows, card)


def _page(title: str, facts: tuple[str, ...], rows: tuple[Row, ...], card: Scorecard) -> Page:
    return Page(title, tuple(fact for fact in facts if fact), rows, card)


def _begun(source: Source, header: fits.Header) -> str:
    return f"{str(header.get('DATE-OBS') or source.ab.date).replace('T', ' ')[:19]} UT"


def _read_out(header: fits.Header, arm: str) -> tuple[str, ...]:
    if arm == "NIR":
        dit, ndit = (keyword_value(header, f"DET.{name}") for name in ("DIT", "NDIT"))
        return (f"DIT {dit:g} s x {ndit}",) if isinstance(dit, (int, float)) and ndit else ()
    binning = "x".join(str(keyword_value(header, f"DET.WIN1.BIN{axis}") or "?") for axis in "XY")
    return (f"binning {binning}", f"read-out {keyword_value(header, 'DET.READ.CLOCK') or '?'}")


def _reduction(source: Source, header: fits.Header) -> tuple[str, ...]:
    return (
        f"calibration level {source.ab.level}",
        str(keyword_value(header, "PRO.REC1.PIPE.ID") or ""),
    )
