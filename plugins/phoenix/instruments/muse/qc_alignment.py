"""Offsets between exposures: those a combined cube was made with, those an alignment found."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from astropy.io import fits

from phoenix.errors import QcError
from phoenix.instruments.muse.qc_cube import CUBE
from phoenix.instruments.muse.qc_exposures import OFFSETS
from phoenix.qc.products import Floats, keyword_value
from phoenix.qc.registry import Source
from phoenix.qc.run_record import read_run_record

_OFFSET = re.compile(r"ESO DRS MUSE OFFSET(\d+) (DRA|DDEC|DATE-OBS)")


@dataclass(frozen=True, slots=True)
class Alignment:
    """How exposures were moved onto the first of them.

    Attributes
    ----------
    times
        DATE-OBS of each exposure.
    dra_deg, ddec_deg
        Differences of RA (not shortened by the cosine of the declination) and Dec, shape (n,).
    dec_deg
        Declination of the field.
    matches, detections
        Sources shared with the others, and found, for each exposure; empty where not told.
    unmatched
        Exposures that match no other; None where not told.
    """

    times: tuple[str, ...]
    dra_deg: Floats
    ddec_deg: Floats
    dec_deg: float
    matches: tuple[int, ...] = ()
    detections: tuple[int, ...] = ()
    unmatched: int | None = None

    @property
    def largest_deg(self) -> float:
        """The largest difference in RA or Dec; 0 without exposures."""
        return float(np.max(np.abs([self.dra_deg, self.ddec_deg]), initial=0.0))

    @property
    def east_arcsec(self) -> Floats:
        """Offsets on the sky, to the east."""
        return np.asarray(3600 * self.dra_deg * np.cos(np.radians(self.dec_deg)))

    @property
    def north_arcsec(self) -> Floats:
        """Offsets on the sky, to the north."""
        return 3600 * self.ddec_deg


def applied(source: Source) -> Alignment | None:
    """Return the offsets a combined cube was made with; None when none were applied.

    Raises
    ------
    QcError
        If they were applied and the list they are from is gone.
    """
    return source.products.once("applied", lambda: _applied(source))


def _applied(source: Source) -> Alignment | None:
    header = source.products.header(CUBE)
    record = read_run_record(source.products.folder)
    lists = [path for tag, path in record.inputs if tag == OFFSETS]
    told: dict[int, dict[str, object]] = {}
    for keyword, value in header.items():
        if match := _OFFSET.fullmatch(keyword):
            told.setdefault(int(match[1]), {})[match[2]] = value
    if not told or not lists:
        return None
    try:
        list_header = fits.getheader(lists[0])
    except OSError as error:
        raise QcError(str(lists[0]), f"cannot be read: {error}", "the list of offsets") from error
    rows = [told[number] for number in sorted(told)]
    try:
        dra, ddec = (np.array([float(str(row[name])) for row in rows]) for name in ("DRA", "DDEC"))
    except (KeyError, ValueError) as error:
        raise QcError(f"{CUBE} DRS.MUSE.OFFSETi", f"is not whole: {error}", "DRA and DDEC") from error
    times = tuple(str(row.get("DATE-OBS", "")) for row in rows)
    return _with_matches(list_header, times, dra, ddec, header)


def found(source: Source) -> Alignment:
    """Return what an alignment found; ``QcError`` if its table cannot be read."""
    table = source.products.table(OFFSETS)
    try:
        times = tuple(str(row["DATE_OBS"]).strip() for row in table)
        dra, ddec = (np.asarray(table[name], dtype=np.float64) for name in ("RA_OFFSET", "DEC_OFFSET"))
    except (KeyError, IndexError, ValueError) as error:
        raise QcError(
            OFFSETS, f"is no list of offsets: {error}", "DATE_OBS, RA_OFFSET, DEC_OFFSET"
        ) from error
    header = source.products.header(OFFSETS)
    return _with_matches(header, times, dra, ddec, header)


def _with_matches(
    header: fits.Header, times: tuple[str, ...], dra_deg: Floats, ddec_deg: Floats, field: fits.Header
) -> Alignment:
    dec = field.get("DEC")
    counts = {
        name: tuple(
            int(value)
            for number in range(1, len(times) + 1)
            if isinstance(value := keyword_value(header, f"QC.EXPALIGN.{name}{number}"), int)
        )
        for name in ("NMATCH", "NDET")
    }
    unmatched = keyword_value(header, "QC.EXPALIGN.NOMATCH")
    return Alignment(
        times,
        dra_deg,
        ddec_deg,
        float(dec) if isinstance(dec, (int, float)) else 0.0,
        counts["NMATCH"],
        counts["NDET"],
        unmatched if isinstance(unmatched, int) else None,
    )
