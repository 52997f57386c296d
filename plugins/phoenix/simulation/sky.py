"""Where a target stands: altitude, azimuth, airmass, parallactic angle, barycentric correction."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import asin, atan2, cos, degrees, radians, sin

from phoenix.simulation.stamps import (
    PARANAL_HEIGHT_M,
    PARANAL_LATITUDE_DEG,
    PARANAL_LONGITUDE_DEG,
    lst_deg,
    stamp,
)


@dataclass(frozen=True)
class Pointing:
    """Direction of a target as seen from Paranal; azimuth from south over west, as TEL AZ."""

    altitude_deg: float
    azimuth_deg: float
    parallactic_deg: float

    @property
    def airmass(self) -> float:
        """Secant of the zenith distance."""
        return 1.0 / sin(radians(self.altitude_deg))


def pointing(ra_deg: float, dec_deg: float, moment: datetime) -> Pointing:
    """Spherical trigonometry without precession or refraction."""
    hour_angle = radians(lst_deg(moment) - ra_deg)
    dec, lat = radians(dec_deg), radians(PARANAL_LATITUDE_DEG)
    altitude = asin(sin(dec) * sin(lat) + cos(dec) * cos(lat) * cos(hour_angle))
    azimuth = atan2(cos(dec) * sin(hour_angle), -sin(dec) * cos(lat) + cos(dec) * sin(lat) * cos(hour_angle))
    parallactic = atan2(
        cos(lat) * sin(hour_angle), sin(lat) * cos(dec) - cos(lat) * sin(dec) * cos(hour_angle)
    )
    return Pointing(degrees(altitude), degrees(azimuth) % 360.0, degrees(parallactic))


def mean_airmass(ra_deg: float, dec_deg: float, start: datetime, exptime_s: float) -> float:
    """Mean of the airmasses at start and end, the figure reduction pipelines use."""
    end = start + timedelta(seconds=exptime_s)
    return 0.5 * (pointing(ra_deg, dec_deg, start).airmass + pointing(ra_deg, dec_deg, end).airmass)


def barycentric_correction_kms(ra_deg: float, dec_deg: float, moment: datetime) -> float:
    """Velocity to add to a measured one to refer it to the barycentre of the solar system, km/s."""
    from astropy import units
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    # The tables that come with astropy suffice for cm/s; nothing may be downloaded.
    with iers.conf.set_temp("auto_download", False), iers.conf.set_temp("iers_degraded_accuracy", "warn"):
        site = EarthLocation.from_geodetic(
            PARANAL_LONGITUDE_DEG * units.deg, PARANAL_LATITUDE_DEG * units.deg, PARANAL_HEIGHT_M * units.m
        )
        target = SkyCoord(ra_deg * units.deg, dec_deg * units.deg)
        shift = target.radial_velocity_correction(
            "barycentric", obstime=Time(stamp(moment), scale="utc"), location=site
        )
    return float(shift.to_value(units.km / units.s))
