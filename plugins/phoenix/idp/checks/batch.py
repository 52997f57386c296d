"""Rule BAT-01: files of a delivery held against each other and against their sources."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from phoenix.errors import HeaderError, IdpError
from phoenix.headers.reader import Header, read_header
from phoenix.idp.checks.association import ancillaries
from phoenix.idp.checks.observation import indexed_values, sources
from phoenix.idp.checks.report import finding
from phoenix.idp.checks.spectrum import table_of
from phoenix.idp.fitsfile import FitsFile, read_fits
from phoenix.idp.sdp import SECONDS_PER_DAY
from phoenix.model.product import Finding

#: Keyword of the product -> keyword of its raw frames, and the stem of indexed keywords where it is MULTI.
_SAME = {
    "TELESCOP": ("TELESCOP", "TELESC"),
    "INSTRUME": ("INSTRUME", "INSTR"),
    "PROG_ID": ("OBS.PROG.ID", "PROGID"),
}


def check_batch(paths: Sequence[Path], raws: Mapping[str, Path] | None = None) -> list[Finding]:
    """Check a set of files as a delivery; each file alone is checked by ``check_file``.

    Parameters
    ----------
    paths : sequence of Path
        Science products and ancillary files.
    raws : mapping, optional
        ARCFILE -> raw frame. When given, every source must be in it or in the delivery, and the products'
        keywords must agree with those of their sources.
    """
    findings = [
        finding("BAT-01", name, f"the file name is there {count} times")
        for name, count in Counter(path.name for path in paths).items()
        if count > 1
    ]
    products = list(_science(paths))
    findings += _check_titles(products)
    findings += _check_members(paths, products)
    for product in products:
        findings += _check_sources(product, {path.name for path in paths}, raws)
    return findings


def _science(paths: Sequence[Path]) -> Iterator[FitsFile]:
    for path in paths:
        if path.name.endswith(".fits"):
            try:
                file = read_fits(path)
            except IdpError:
                continue  # FIT-01 of check_file tells it
            if file.primary.text("PRODCATG").startswith("SCIENCE."):
                yield file


def _check_titles(products: Sequence[FitsFile]) -> Iterator[Finding]:
    titles = Counter(
        table.text("TITLE")
        for product in products
        if product.primary.text("PRODCATG") == "SCIENCE.SPECTRUM" and (table := table_of(product)) is not None
    )
    for title, count in titles.items():
        if count > 1:
            yield finding("BAT-01", f"TITLE {title}", f"{count} spectra have it")


def _check_members(paths: Sequence[Path], products: Sequence[FitsFile]) -> Iterator[Finding]:
    """Every file is a science product or the ancillary file of one."""
    known = {product.path.name for product in products}
    for product in products:
        known |= {parts.get("N", "") for parts in ancillaries(product).values()}
    for path in paths:
        if path.name not in known:
            yield finding("BAT-01", path.name, "neither a science product nor the ancillary file of one")


def _check_sources(
    product: FitsFile, delivered: set[str], raws: Mapping[str, Path] | None
) -> Iterator[Finding]:
    if raws is None:
        return
    headers = []
    for name in sources(product):
        if name in delivered:
            continue
        path = raws.get(name) or raws.get(f"{name}.fits")
        if path is None:
            yield finding("BAT-01", product.path.name, f"source {name} is not known")
            continue
        try:
            headers.append(read_header(path))
        except HeaderError as error:
            yield finding("BAT-01", product.path.name, f"source {name} cannot be read: {error.found}")
    if headers and len(headers) == len(sources(product)):
        yield from _compare(product, headers)


def _compare(product: FitsFile, headers: Sequence[Header]) -> Iterator[Finding]:
    primary, name = product.primary, product.path.name
    for keyword, (raw_keyword, stem) in _SAME.items():
        multiple = primary.get(keyword) == "MULTI"
        values: set[object] = {*indexed_values(primary, stem)} if multiple else {primary.get(keyword)}
        yield from _compare_values(name, f"{stem}i" if multiple else keyword, values, raw_keyword, headers)
    yield from _compare_values(name, "OBIDi", {*indexed_values(primary, "OBID")}, "OBS.ID", headers)
    if primary.get("NCOMBINE") != len(headers):
        yield finding(
            "BAT-01", name, f"NCOMBINE is {primary.get('NCOMBINE')}, there are {len(headers)} sources"
        )
    if primary.text("PRODCATG") == "SCIENCE.SPECTRUM":
        for source, header in zip(sources(product), headers, strict=True):
            if header.get("DPR.TYPE") == "SKY":
                yield finding("BAT-01", name, f"source {source} is a frame on the sky: it counts in nothing")
    starts = [_number(header, "MJD-OBS") for header in headers]
    exptimes_s = [_exposed_s(header) for header in headers]
    ends = [start + exptime / SECONDS_PER_DAY for start, exptime in zip(starts, exptimes_s, strict=True)]
    for keyword, right, tolerance in (
        ("MJD-OBS", min(starts), 1e-7),
        ("TEXPTIME", sum(exptimes_s), 0.01),
        ("MJD-END", max(ends), 0.01),
    ):
        value = primary.number(keyword)
        if value is not None and not abs(value - right) <= tolerance:
            yield finding("BAT-01", name, f"{keyword} is {value}, its sources give {right:.9g}")


def _compare_values(
    name: str, keyword: str, values: set[object], raw_keyword: str, headers: Sequence[Header]
) -> Iterator[Finding]:
    right = {header.get(raw_keyword) for header in headers}
    if values != right:
        told, expected = (", ".join(sorted(map(str, found))) or "nothing" for found in (values, right))
        yield finding("BAT-01", name, f"{keyword} is {told}, its sources have {expected}")


def _exposed_s(header: Header) -> float:
    """EXPTIME, but of an infrared frame DIT times NDIT: its EXPTIME is one DIT (ESO-044286, footnote 12)."""
    dit, ndit = header.get("DET.DIT"), header.get("DET.NDIT")
    if isinstance(dit, (int, float)) and isinstance(ndit, int):
        return float(dit) * ndit
    return _number(header, "EXPTIME")


def _number(header: Header, keyword: str) -> float:
    value = header.get(keyword)
    return float(value) if isinstance(value, (int, float)) else float("nan")
