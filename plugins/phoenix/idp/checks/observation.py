"""Rules ALL-06 to ALL-08, ALL-10 to ALL-12: position, time, exposure, programme, provenance."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

from phoenix.idp.checks.report import finding
from phoenix.idp.fitsfile import FitsFile, Hdu
from phoenix.idp.sdp import SECONDS_PER_DAY
from phoenix.model.product import Finding

#: MJD of 1970-01-01, before which nothing was observed.
_UNIX_EPOCH_MJD = 40587.0
_INDEXED = {"TELESCOP": "TELESC", "INSTRUME": "INSTR", "PROG_ID": "PROGID", "FILTER": "FILTER"}
_NON_NEGATIVE = ("SPEC_RES", "PIXNOISE")
_UP_TO_99 = ("SKY_RES", "SKY_RERR", "ABMAGLIM")
_PROV = re.compile(r"PROV(\d+)")
#: More sources than this go into a table of their own (STD8 5.2).
_MAX_SOURCES = 9999


def check_frame(file: FitsFile) -> Iterator[Finding]:
    """ALL-06."""
    primary = file.primary
    system = primary.text("RADESYS") or primary.text("RADECSYS")
    if system not in {"ICRS", "FK5"}:
        yield finding("ALL-06", primary, f"RADESYS is {system!r}, not ICRS or FK5")
    equinox = primary.number("EQUINOX")
    if (system == "FK5" or equinox is not None) and equinox != 2000.0:
        yield finding("ALL-06", primary, f"EQUINOX is {equinox}, not 2000.0")
    for keyword, low, high in (("RA", 0.0, 360.0), ("DEC", -90.0, 90.0)):
        value = primary.number(keyword)
        if value is not None and not low <= value <= high:
            yield finding("ALL-06", primary, f"{keyword} is {value}, not in [{low}, {high}]")


def check_times(file: FitsFile) -> Iterator[Finding]:
    """ALL-07."""
    primary = file.primary
    start, end = primary.number("MJD-OBS"), primary.number("MJD-END")
    if primary.get("TIMESYS") not in {None, "UTC", "TAI"}:
        yield finding("ALL-07", primary, f"TIMESYS is {primary.get('TIMESYS')!r}, not UTC or TAI")
    if start is None or end is None:
        return
    if start < _UNIX_EPOCH_MJD:
        yield finding("ALL-07", primary, f"MJD-OBS is {start}, before {_UNIX_EPOCH_MJD}")
    if end < start:
        yield finding("ALL-07", primary, f"MJD-END {end} is before MJD-OBS {start}")
    if end > time.time() / SECONDS_PER_DAY + _UNIX_EPOCH_MJD:
        yield finding("ALL-07", primary, f"MJD-END {end} is in the future")


def check_exposure(file: FitsFile) -> Iterator[Finding]:
    """ALL-08."""
    primary = file.primary
    exptime, total = primary.number("EXPTIME"), primary.number("TEXPTIME")
    start, end = primary.number("MJD-OBS"), primary.number("MJD-END")
    if exptime is None or total is None:
        return
    if not 1e-15 < exptime < 1e15:
        yield finding("ALL-08", primary, f"EXPTIME is {exptime} s")
    if exptime >= total + 0.01:
        yield finding("ALL-08", primary, f"EXPTIME {exptime} s is longer than TEXPTIME {total} s")
    if start is not None and end is not None and total > (end - start) * SECONDS_PER_DAY + 0.01:
        elapsed = (end - start) * SECONDS_PER_DAY
        yield finding("ALL-08", primary, f"TEXPTIME {total} s does not fit into {elapsed:.3f} s")


def check_indexed(file: FitsFile) -> Iterator[Finding]:
    """ALL-10."""
    primary = file.primary
    for keyword, stem in _INDEXED.items():
        yield from _check_indices(primary, stem, "ALL-10")
        values = indexed_values(primary, stem)
        multiple = primary.get(keyword) == "MULTI"
        if multiple and len(values) < 2:
            yield finding("ALL-10", primary, f"{keyword} is MULTI, but {stem}i are {len(values)}")
        if not multiple and values:
            yield finding("ALL-10", primary, f"{stem}i are there, but {keyword} is not MULTI")
    yield from _check_indices(primary, "OBID", "ALL-10")


def check_domains(file: FitsFile) -> Iterator[Finding]:
    """ALL-11."""
    primary = file.primary
    calibration = primary.get("FLUXCAL")
    if calibration not in {None, "ABSOLUTE", "UNCALIBRATED"}:
        yield finding("ALL-11", primary, f"FLUXCAL is {calibration!r}, not ABSOLUTE or UNCALIBRATED")
    if primary.get("NCOMBINE") is not None and (primary.integer("NCOMBINE") or 0) < 1:
        yield finding("ALL-11", primary, f"NCOMBINE is {primary.get('NCOMBINE')!r}, not a number from 1")
    limits = {
        **dict.fromkeys(_NON_NEGATIVE, (0.0, float("inf"))),
        **dict.fromkeys(_UP_TO_99, (0.0, 99.0)),
        "STREHL": (5e-324, 1.0),
    }
    for keyword, (low, high) in limits.items():
        value = primary.number(keyword)
        if value is not None and not low <= value <= high:
            yield finding("ALL-11", primary, f"{keyword} is {value}, not from {low:g} to {high:g}")


def check_provenance(file: FitsFile) -> Iterator[Finding]:
    """ALL-12."""
    primary = file.primary
    yield from _check_indices(primary, "PROV", "ALL-12")
    names = sources(file)
    table = any(hdu.text("EXTNAME") == "PHASE3PROVENANCE" for hdu in file.extensions)
    if (primary.get("PROVXTN") is True) != table:
        yield finding("ALL-12", primary, "PROVXTN and the extension PHASE3PROVENANCE do not go together")
    if not names and not table:
        yield finding("ALL-12", primary, "no source is told: PROV1 is missing")
    if names and table:
        yield finding("ALL-12", primary, "both PROVi and PHASE3PROVENANCE are there")
    if len(names) > _MAX_SOURCES:
        yield finding("ALL-12", primary, f"{len(names)} PROVi; use PHASE3PROVENANCE")
    for name in names:
        if "[" in name:
            yield finding("ALL-12", primary, f"source {name!r} names an extension, not a file")


def sources(file: FitsFile) -> list[str]:
    """Return the values of PROVi."""
    return [
        str(card.value)
        for card in file.primary.cards
        if _PROV.fullmatch(card.keyword) and card.value is not None
    ]


def indexed_values(primary: Hdu, stem: str) -> list[object]:
    """Return the values of keywords with a running number, e.g. OBIDi."""
    pattern = re.compile(rf"{stem}\d+")
    return [card.value for card in primary.cards if pattern.fullmatch(card.keyword)]


def _check_indices(primary: Hdu, stem: str, rule: str) -> Iterator[Finding]:
    """Demand indices from 1 without gaps and leading zeros, and no value twice."""
    pattern = re.compile(rf"{stem}(\d+)")
    found = [
        (match[1], card.value)
        for card in primary.cards
        if (match := pattern.fullmatch(card.keyword)) is not None
    ]
    indices = [index for index, _ in found]
    if any(index.startswith("0") for index in indices):
        yield finding(rule, primary, f"{stem}{next(i for i in indices if i.startswith('0'))}: leading zero")
    elif sorted(map(int, indices)) != list(range(1, len(indices) + 1)):
        yield finding(
            rule, primary, f"{stem}i are numbered {', '.join(indices[:9])}, not from 1 without gaps"
        )
    values = [value for _, value in found]
    if len(set(values)) != len(values):
        yield finding(rule, primary, f"a value of {stem}i is there twice")
