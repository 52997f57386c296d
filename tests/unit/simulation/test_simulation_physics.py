"""Sky, stars, atmosphere, detector and line atlas against independent numbers."""

from datetime import UTC, datetime

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import FK5, AltAz, EarthLocation, SkyCoord
from astropy.time import Time

from phoenix.simulation.atmosphere import extinction_mag
from phoenix.simulation.detector import Detector, add_cosmics, frame_generator
from phoenix.simulation.sky import pointing
from phoenix.simulation.stamps import (
    PARANAL_HEIGHT_M,
    PARANAL_LATITUDE_DEG,
    PARANAL_LONGITUDE_DEG,
    arcfile,
    lst_deg,
    mjd,
    utc_s,
)
from phoenix.simulation.stars import LIGHT_KMS, STARS
from phoenix.simulation.uves.light import LineAtlas, line_atlas

MOMENT = datetime(2019, 3, 5, 4, 5, 6, 123000, UTC)


def test_times_agree_with_astropy():
    time = Time("2019-03-05T04:05:06.123", scale="utc")
    assert mjd(MOMENT) == pytest.approx(time.mjd, abs=1e-8)
    sidereal = time.sidereal_time("mean", longitude=PARANAL_LONGITUDE_DEG * units.deg).deg
    assert lst_deg(MOMENT) == pytest.approx(sidereal, abs=0.01)
    assert utc_s(MOMENT) == 14706.123
    assert arcfile("UVES", MOMENT) == "UVES.2019-03-05T04:05:06.123.fits"


def test_pointing_agrees_with_astropy():
    site = EarthLocation.from_geodetic(PARANAL_LONGITUDE_DEG, PARANAL_LATITUDE_DEG, PARANAL_HEIGHT_M)
    frame = AltAz(obstime=Time(MOMENT), location=site)
    of_date = FK5(equinox=Time(MOMENT))  # we leave out precession
    there = SkyCoord(150.0 * units.deg, -10.0 * units.deg, frame=of_date).transform_to(frame)
    ours = pointing(150.0, -10.0, MOMENT)
    assert ours.altitude_deg == pytest.approx(there.alt.deg, abs=0.02)
    assert (ours.azimuth_deg + 180.0) % 360.0 == pytest.approx(there.az.deg, abs=0.05)


def test_extinction_resembles_a_dry_site():
    at = extinction_mag(np.array([340.0, 400.0, 550.0, 700.0]))
    assert np.all(np.diff(at) < 0)
    np.testing.assert_allclose(at, [0.65, 0.33, 0.13, 0.05], atol=0.06)


def test_star_lines_stand_where_the_velocity_puts_them():
    star = STARS[3]
    line = star.lines[100]
    for velocity_kms in (-150.0, 0.0, 60.0):
        centre_nm = line.wave_nm * (1 + velocity_kms / LIGHT_KMS)
        grid = centre_nm * (1 + np.linspace(-30, 30, 601) / LIGHT_KMS)
        ratio = star.flux_at(grid, velocity_kms) / star.continuum.at(grid)
        assert np.argmin(ratio) == 300
        assert ratio[300] == pytest.approx(1 - line.depth, abs=1e-6)
        area_kms = np.sum(1 - ratio) * 0.1
        assert area_kms == pytest.approx(line.depth * line.sigma_kms * np.sqrt(2 * np.pi), rel=0.01)


def test_detector_noise_is_photons_plus_read_noise_in_counts():
    ccd = Detector(ron_e=4.0, conad_e_adu=2.0, bias_adu=150.0, prescan_px=10, overscan_px=12)
    counts = ccd.read_out(np.full((400, 300), 900.0), frame_generator(1, "a")).astype(float)
    assert counts.shape == (400, 322)
    light, edge = counts[:, 10:310], counts[:, 310:]
    assert light.mean() == pytest.approx(150 + 450, abs=0.3)
    assert light.var() == pytest.approx((900 + 16) / 4, rel=0.02)
    assert edge.mean() == pytest.approx(150, abs=0.2)
    assert edge.std() == pytest.approx(np.sqrt(4 + 1 / 12), rel=0.03)


def test_detector_saturates_and_cosmics_leave_their_input_alone():
    ccd = Detector(4.0, 2.0, 150.0, 0, 0)
    electrons = np.full((50, 60), 1e6)
    assert ccd.read_out(electrons, frame_generator(1, "a")).min() == 65535
    hit = add_cosmics(electrons, 20, frame_generator(1, "b"))
    assert np.all(electrons == 1e6)
    assert 20 <= np.sum(hit > electrons) <= 60


def test_isolated_lines_have_no_strong_neighbour():
    atlas = LineAtlas(np.array([1.0, 1.5, 5.0, 5.2, 9.0]), np.array([100.0, 90.0, 100.0, 5.0, 3.0]))
    np.testing.assert_array_equal(atlas.isolated(1.0, 4.0).wave_nm, [5.0])
    np.testing.assert_array_equal(atlas.isolated(0.1, 4.0).wave_nm, [1.0, 1.5, 5.0, 5.2])


def test_the_atlas_is_fixed():
    atlas = line_atlas()
    assert np.all(np.diff(atlas.wave_nm) >= 0)
    assert len(atlas.between(374.0, 499.0).wave_nm) == 1146
    assert atlas.wave_nm[0] == 300.00415
