"""Rules SPC-01 to SPC-14: SCIENCE.SPECTRUM."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from phoenix.errors import IdpError
from phoenix.idp.checks.common import missing
from phoenix.idp.checks.report import finding
from phoenix.idp.fitsfile import FitsFile, Hdu
from phoenix.idp.sdp import SECONDS_PER_DAY
from phoenix.model.product import Finding

_PRIMARY = (
    *("SPECSYS", "CONTNORM", "TOT_FLUX", "FLUXERR", "WAVELMIN", "WAVELMAX", "SPEC_BIN", "SPEC_RES", "SNR"),
)
_TABLE = (
    *(
        "VOCLASS",
        "VOPUB",
        "TITLE",
        "OBJECT",
        "RA",
        "DEC",
        "APERTURE",
        "TELAPSE",
        "TMID",
        "SPEC_VAL",
        "SPEC_BW",
    ),
    *("NELEM", "TDMIN1", "TDMAX1", "EXTNAME"),
)
#: Reference frames of wavelengths SPECSYS may name.
FRAMES = (
    *(
        "TOPOCENT",
        "GEOCENTR",
        "BARYCENT",
        "HELIOCEN",
        "LSRK",
        "LSRD",
        "GALACTOC",
        "LOCALGRP",
        "CMBDIPOL",
        "SOURCE",
    ),
)
#: Collections whose spectra need not tell EXT_OBJ.
_MAY_OMIT_EXT_OBJ = frozenset({"XSHOOTER", "FORS2", "VIMOS", "ESPRESSO"})
_AXIS = r"(Spectrum\.|spec:|eso:)Data\."
_UTYPES = {
    1: re.compile(_AXIS + r"SpectralAxis\.Value"),
    2: re.compile(_AXIS + r"FluxAxis\.Value"),
    3: re.compile(_AXIS + r"FluxAxis\.Accuracy\.StatError"),
}
_NAMES = {1: re.compile(r"WAVE|FREQ|ENER"), 2: re.compile(r"FLUX.*"), 3: re.compile(r"ERR.*")}
#: Unit of the wavelength column -> nm.
_UNITS_NM = {"angstrom": 0.1, "nm": 1.0, "um": 1000.0}
_WAVE_UCDS = frozenset({"em.wl", "em.wl;obs.atmos"})


def check_structure(file: FitsFile) -> Iterator[Finding]:
    """SPC-01."""
    if file.primary.get("NAXIS") != 0:
        yield finding("SPC-01", file.primary, f"NAXIS is {file.primary.get('NAXIS')}, not 0")
    tables = [hdu for hdu in file.extensions if hdu.text("EXTNAME") != "PHASE3PROVENANCE"]
    if len(tables) != 1 or tables[0].get("XTENSION") != "BINTABLE":
        yield finding("SPC-01", file.path.name, f"{len(tables)} data extensions, not one BINTABLE")
        return
    table = tables[0]
    for keyword, right in (("NAXIS", 2), ("NAXIS2", 1), ("PCOUNT", 0), ("GCOUNT", 1)):
        if table.get(keyword) != right:
            yield finding("SPC-01", table, f"{keyword} is {table.get(keyword)}, not {right}")


def table_of(file: FitsFile) -> Hdu | None:
    """Return the table of a spectrum, None if there is none."""
    return next((hdu for hdu in file.extensions if hdu.get("XTENSION") == "BINTABLE"), None)


def check_headers(file: FitsFile, table: Hdu) -> Iterator[Finding]:
    """SPC-02 to SPC-08."""
    primary = file.primary
    yield from missing("SPC-02", primary, _PRIMARY)
    if primary.get("EXT_OBJ") is None and primary.get("INSTRUME") not in _MAY_OMIT_EXT_OBJ:
        yield finding("SPC-02", primary, "EXT_OBJ is missing")
    yield from missing("SPC-03", table, _TABLE)
    for hdu, keywords in ((primary, ("BUNIT", "CD1_1", "FILTER")), (table, ("BUNIT", "FILTER"))):
        for keyword in keywords:
            if keyword in hdu.values:
                yield finding("SPC-04", hdu, f"{keyword} is not allowed")
    if primary.get("SPECSYS") not in {None, *FRAMES}:
        yield finding(
            "SPC-05", primary, f"SPECSYS is {primary.get('SPECSYS')!r}, not one of {' '.join(FRAMES)}"
        )
    yield from _check_words(table)
    yield from _check_ranges(primary, table)
    for keyword in ("CONTNORM", "TOT_FLUX", "EXT_OBJ"):
        value = primary.get(keyword)
        if value is not None and not isinstance(value, bool):
            yield finding("SPC-08", primary, f"{keyword} is {value!r}, not T or F")


def check_columns(table: Hdu) -> Iterator[Finding]:
    """SPC-09 and SPC-13."""
    elements = table.integer("NELEM")
    for number, (name, code, repeat) in enumerate(table.column_layout(), start=1):
        absent = [
            k for k in ("TTYPE", "TFORM", "TUNIT", "TUCD", "TUTYP") if table.get(f"{k}{number}") is None
        ]
        if absent:
            yield finding("SPC-09", table, f"column {number} {name}: {', '.join(absent)} missing")
        if not code or repeat != elements:
            form = table.text(f"TFORM{number}")
            yield finding(
                "SPC-09", table, f"column {number} {name}: TFORM {form!r} is not of {elements} elements"
            )
        if name == "SKYBACK":
            yield finding("SPC-13", table, "a column SKYBACK is refused; call it BGFLUX")
    for number in (1, 2, 3):
        for keyword, pattern in ((f"TTYPE{number}", _NAMES[number]), (f"TUTYP{number}", _UTYPES[number])):
            if not pattern.fullmatch(table.text(keyword)):
                yield finding("SPC-13", table, f"{keyword} is {table.text(keyword)!r}, not {pattern.pattern}")
    if table.get("TUNIT2") != table.get("TUNIT3"):
        yield finding(
            "SPC-13", table, f"TUNIT2 {table.get('TUNIT2')!r} and TUNIT3 {table.get('TUNIT3')!r} differ"
        )
    if table.text("TTYPE1") == "WAVE":
        if table.text("TUNIT1").lower() not in _UNITS_NM:
            yield finding("SPC-13", table, f"TUNIT1 is {table.text('TUNIT1')!r}, not angstrom, nm or um")
        if table.text("TUCD1") not in _WAVE_UCDS:
            yield finding("SPC-13", table, f"TUCD1 is {table.text('TUCD1')!r}, not em.wl or em.wl;obs.atmos")


def check_consistency(file: FitsFile, table: Hdu) -> Iterator[Finding]:
    """SPC-10 and the keywords of SPC-11."""
    primary = file.primary
    if table.get("OBJECT") != primary.get("OBJECT"):
        yield finding("SPC-10", table, f"OBJECT {table.get('OBJECT')!r}, primary {primary.get('OBJECT')!r}")
    if primary.text("OBJECT") not in table.text("TITLE"):
        yield finding("SPC-10", table, f"TITLE {table.text('TITLE')!r} does not hold OBJECT")
    for keyword in ("RA", "DEC"):
        yield from _compare("SPC-10", table, keyword, primary.number(keyword), 1e-7)
    start, end = primary.number("MJD-OBS"), primary.number("MJD-END")
    if start is not None and end is not None:
        elapsed = (end - start) * SECONDS_PER_DAY
        yield from _compare("SPC-11", table, "TELAPSE", elapsed, 0.1)
        yield from _compare("SPC-11", table, "TMID", (start + end) / 2, 1e-4)
        telapse, total = table.number("TELAPSE"), primary.number("TEXPTIME")
        if telapse is not None and total is not None and telapse < total - 0.1:
            yield finding("SPC-11", table, f"TELAPSE {telapse} s is shorter than TEXPTIME {total} s")
    low, high = primary.number("WAVELMIN"), primary.number("WAVELMAX")
    if low is not None and high is not None:
        yield from _compare("SPC-11", table, "SPEC_VAL", (low + high) / 2, 1e-3)
        yield from _compare("SPC-11", table, "SPEC_BW", high - low, 1e-3)


def check_flux_keywords(file: FitsFile) -> Iterator[Finding]:
    """SPC-14, the keywords."""
    primary = file.primary
    error, calibration = primary.number("FLUXERR"), primary.get("FLUXCAL")
    if error is not None:
        right = error == -1 if calibration == "UNCALIBRATED" else error == -2 or 0 <= error <= 100
        if not right:
            yield finding("SPC-14", primary, f"FLUXERR is {error} with FLUXCAL {calibration}")
    if primary.get("TOT_FLUX") is True and calibration != "ABSOLUTE":
        yield finding("SPC-14", primary, f"TOT_FLUX is T with FLUXCAL {calibration}")


def check_data(file: FitsFile, table: Hdu) -> Iterator[Finding]:
    """SPC-12, and what SPC-11 and SPC-14 say of the data."""
    try:
        columns = table.row()
    except IdpError as error:
        yield finding("SPC-09", table, f"{error.subject} {error.found}")
        return
    if not columns or columns[0].size < 2 or columns[0].dtype.kind != "f":
        yield finding("SPC-12", table, "the first column is no vector of wavelengths")
        return
    for (name, _, _), values in zip(table.column_layout(), columns, strict=True):
        if values.dtype.kind == "f" and np.isinf(values).any():
            yield finding("SPC-14", table, f"column {name} holds infinite values")
    wave = columns[0].astype(np.float64)
    steps = np.diff(wave)
    if not np.all(steps > 0):
        at = int(np.argmin(steps > 0))
        yield finding(
            "SPC-12", table, f"wavelengths do not increase strictly at element {at + 2}: {wave[at + 1]}"
        )
        return
    yield from _check_range(file.primary, table, wave, steps)


def _check_range(
    primary: Hdu, table: Hdu, wave: npt.NDArray[np.float64], steps: npt.NDArray[np.float64]
) -> Iterator[Finding]:
    for keyword, value in (("TDMIN1", wave[0]), ("TDMAX1", wave[-1])):
        yield from _compare("SPC-11", table, keyword, float(value), float(steps.max()) / 2)
    to_nm = _UNITS_NM.get(table.text("TUNIT1").lower())
    if to_nm is None:
        return
    step_nm, half_bin_nm = float(np.median(steps)) * to_nm, float(np.max(steps)) * to_nm / 2
    spec_bin = primary.number("SPEC_BIN")
    if spec_bin is not None and not 0.5 * step_nm <= spec_bin <= 1.5 * step_nm:
        yield finding("SPC-12", primary, f"SPEC_BIN is {spec_bin} nm, the median step is {step_nm:.6g} nm")
    low, high = primary.number("WAVELMIN"), primary.number("WAVELMAX")
    if low is None or high is None:
        return
    first_nm, last_nm = wave[0] * to_nm, wave[-1] * to_nm
    if low >= high:
        yield finding("SPC-12", primary, f"WAVELMIN {low} nm is not below WAVELMAX {high} nm")
    if low < first_nm - half_bin_nm:
        yield finding("SPC-12", primary, f"WAVELMIN is {low} nm, the data begin at {first_nm:.6f} nm")
    if high > last_nm + half_bin_nm:
        yield finding("SPC-12", primary, f"WAVELMAX is {high} nm, the data end at {last_nm:.6f} nm")


def _check_words(table: Hdu) -> Iterator[Finding]:
    """SPC-06."""
    if table.text("VOCLASS").lower() not in {"", "spectrum v1.0", "spectrum v2.0"}:
        yield finding("SPC-06", table, f"VOCLASS is {table.text('VOCLASS')!r}, not SPECTRUM v1.0 or v2.0")
    if table.text("VOPUB") not in {"", "ESO/SAF"}:
        yield finding("SPC-06", table, f"VOPUB is {table.text('VOPUB')!r}, not ESO/SAF")
    if table.text("EXTNAME") not in {"", "SPECTRUM"}:
        yield finding("SPC-06", table, f"EXTNAME is {table.text('EXTNAME')!r}, not SPECTRUM")


def _check_ranges(primary: Hdu, table: Hdu) -> Iterator[Finding]:
    """SPC-07."""
    aperture, power = table.number("APERTURE"), primary.number("SPEC_RES")
    if aperture is not None and not 0 < aperture < 0.1:
        yield finding("SPC-07", table, f"APERTURE is {aperture} deg, not between 0 and 0.1: is it in arcsec?")
    if power is not None and power <= 0:
        yield finding("SPC-07", primary, f"SPEC_RES is {power}, not above 0")


def _compare(rule: str, hdu: Hdu, keyword: str, right: float | None, tolerance: float) -> Iterator[Finding]:
    value = hdu.number(keyword)
    # Twice the rounding of a double at MJD size must not count.
    if value is not None and right is not None and abs(value - right) > tolerance * (1 + 1e-9) + 1e-12:
        yield finding(rule, hdu, f"{keyword} is {value}, {right:.9g} follows from the other values")
