"""Values of a raw frame's header a converter cannot do without, and how names write time."""

from __future__ import annotations

from datetime import datetime, timedelta

from phoenix.errors import IdpError
from phoenix.idp.fitsfile import Hdu
from phoenix.idp.sdp import SECONDS_PER_DAY

_MJD_EPOCH = datetime(1858, 11, 17)  # noqa: DTZ001 (only formatted, always UTC)


def required_number(header: Hdu, keyword: str, name: str) -> float:
    """Return a number; ``IdpError`` names file and keyword when it is missing."""
    value = header.number(keyword)
    if value is None:
        raise IdpError(f"{name}, {keyword}", "is missing or not a number", "a number in the header")
    return value


def required_integer(header: Hdu, keyword: str, name: str) -> int:
    """Return a whole number from 0 on; ``IdpError`` names file and keyword when there is none."""
    value = required_number(header, keyword, name)
    if value != int(value) or value < 0:
        raise IdpError(f"{name}, {keyword}", f"is {value}", "a whole number")
    return int(value)


def required_text(header: Hdu, keyword: str, name: str) -> str:
    """Return a text that is not empty; ``IdpError`` names file and keyword when there is none."""
    value = header.text(keyword)
    if not value:
        raise IdpError(f"{name}, {keyword}", "is missing or empty", "text in the header")
    return value


def to_iso(mjd: float) -> str:
    """Return an MJD as ISO text to the millisecond."""
    moment = _MJD_EPOCH + timedelta(milliseconds=round(mjd * SECONDS_PER_DAY * 1000))
    return moment.isoformat(timespec="milliseconds")


def target_position(raw: Hdu, name: str) -> tuple[float, float]:
    """Return right ascension and declination of the target, degrees.

    The standard wants it rather than the telescope's pointing, which is taken where the target is not told
    for J2000.
    """
    alpha, delta = raw.number("TEL.TARG.ALPHA"), raw.number("TEL.TARG.DELTA")
    if alpha is None or delta is None or raw.number("TEL.TARG.EQUINOX") != 2000.0:
        return required_number(raw, "RA", name), required_number(raw, "DEC", name)
    return round(from_sexagesimal(alpha) * 15, 6), round(from_sexagesimal(delta), 6)


def from_sexagesimal(value: float) -> float:
    """Return degrees (or hours) of ESO's DDMMSS.TTT numbers: -243030.0 is -24.508333."""
    whole, seconds = divmod(abs(value), 100.0)
    degrees, minutes = divmod(whole, 100.0)
    return (-1.0 if value < 0 else 1.0) * (degrees + minutes / 60 + seconds / 3600)
