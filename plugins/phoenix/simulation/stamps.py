"""Times as ESO writes them: MJD-OBS, DATE-OBS, ARCFILE, UTC and LST seconds, night of an exposure."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

PARANAL_LATITUDE_DEG = -24.6276
PARANAL_LONGITUDE_DEG = -70.4051
PARANAL_HEIGHT_M = 2648.0

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


def mjd(moment: datetime) -> float:
    """Convert to modified Julian date, rounded as in ESO headers (8 decimals, 0.9 ms)."""
    return round((moment - _MJD_ZERO) / timedelta(days=1), 8)


def stamp(moment: datetime) -> str:
    """``2019-03-04T05:06:07.123``, the form of DATE-OBS and of archive names."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def second_stamp(moment: datetime) -> str:
    """``2019-03-04T05:06:07``, the form of TPL START and OBS START."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def arcfile(instrument: str, moment: datetime) -> str:
    """Archive name of a frame that started at `moment`."""
    return f"{instrument}.{stamp(moment)}.fits"


def night(moment: datetime) -> date:
    """Civil date of the evening: nights last from noon to noon UT."""
    return (moment - timedelta(hours=12)).date()


def utc_s(moment: datetime) -> float:
    """Seconds since midnight UTC."""
    return round((moment - moment.replace(hour=0, minute=0, second=0, microsecond=0)).total_seconds(), 3)


def lst_deg(moment: datetime) -> float:
    """Local mean sidereal time at Paranal in degrees (IAU 1982 linear term; good to a second)."""
    days = (moment - _J2000) / timedelta(days=1)
    return (280.46061837 + 360.98564736629 * days + PARANAL_LONGITUDE_DEG) % 360.0
