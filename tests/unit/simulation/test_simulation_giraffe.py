"""One simulated GIRAFFE night on disk: frames, headers, tables, statics, truth, a second call."""

import hashlib
import json

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from giraffe_frames import MONTH, NIGHT, giraffe_night
from phoenix.errors import UsageError
from phoenix.simulation import simulator
from phoenix.simulation.giraffe.fibres import Use, fibres_of
from phoenix.simulation.giraffe.field import Field, broadened
from phoenix.simulation.giraffe.month import nights_of
from phoenix.simulation.giraffe.optics import emission_lines, image, trace_px, wave_of_rows_nm
from phoenix.simulation.giraffe.settings import EDGE_PX, LAYOUTS, LR3, LR6, ROWS, SETUPS
from phoenix.simulation.giraffe.truth import load_truth
from phoenix.simulation.plan import SimulationPlan

COLUMNS = LAYOUTS["small"].columns


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    out = tmp_path_factory.mktemp("giraffe")
    giraffe_night(out)
    return out


@pytest.fixture(scope="module")
def headers(night):
    return {path: fits.getheader(path) for path in sorted(night.glob(f"raw/{NIGHT}/*.fits"))}


@pytest.fixture(scope="module")
def truth(night):
    return load_truth(night / "truth.json")


def frames(headers, dpr_type):
    return [path for path, header in headers.items() if header["ESO DPR TYPE"] == dpr_type]


def light(path):
    return fits.getdata(path).astype(float)[:, EDGE_PX:-EDGE_PX] - 200.0


def test_a_night_has_blocks_alike_alone_and_unlike(headers, truth):
    types = [header["ESO DPR TYPE"] for header in headers.values()]
    assert [types.count(name) for name in ("BIAS", "LAMP,FLAT", "LAMP,WAVE")] == [5, 3, 1]
    blocks = {}
    for exposure in truth.exposures:
        blocks.setdefault(exposure.ob_id, []).append((exposure.exptime_s, exposure.simcal_lit))
    assert list(blocks.values()) == [
        [(1200.0, False)] * 3 + [(60.0, True)],
        [(900.0, False)],
        [(1200.0, False)] * 2 + [(400.0, False)],
    ]


def test_headers_say_what_rules_quality_and_archive_ask_for(headers):
    for path, header in headers.items():
        assert header["ARCFILE"] == path.name == f"GIRAF.{header['DATE-OBS']}.fits"
        assert header["INSTRUME"] == "GIRAFFE"
        assert header["PHX SIMULATED"] is True
        assert 12.0 <= header["ESO INS TEMP1 VAL"] <= 14.0
        assert len(set(header)) == len([key for key in header if key != "COMMENT"]) + 1
        assert header["ESO OBS PROG ID"] == (
            "60.A-9999(G)" if header["ESO DPR CATG"] == "SCIENCE" else "60.A-9999(C)"
        )
        lit = header["ESO INS LAMP4 ST"]
        assert lit is (header["ESO DPR TYPE"] in ("LAMP,FLAT", "LAMP,WAVE", "OBJECT,SimCal"))


def test_tables_lead_from_slit_to_plate(headers, truth):
    path = next(path for path in headers if path.name == truth.exposures[0].arcfile)
    with fits.open(path, checksum=True) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "OzPoz_table", "FLAMES FIBRE Table"]
        assert hdus[0].data.shape == (ROWS, COLUMNS + 2 * EDGE_PX)
        plate = {row["BUTTON"]: row for row in hdus[1].data}
        for row in hdus[2].data:
            fibre = truth.exposures[0].fibre(int(row["FPS"]))
            if fibre.use == "CALSIM":
                assert row["Retractor"].startswith("Calibration")
                assert int(row["RP"]) not in plate
                continue
            target = plate[int(row["RP"])]
            assert (target["OBJECT"], target["TYPE"]) == (fibre.target, fibre.use)
            if fibre.use == "M":
                star = truth.stars[fibre.target]
                assert (target["RA"], target["MAGNITUDE"]) == (star.ra_deg, star.magnitude)


def test_flats_show_each_fibre_where_it_belongs(headers):
    middle = light(frames(headers, "LAMP,FLAT")[0])[ROWS // 2 - 50 : ROWS // 2 + 50].mean(axis=0)
    total = []
    for fibre in fibres_of("Medusa1", "small"):
        near = np.arange(int(fibre.column_px) - 12, int(fibre.column_px) + 14)
        assert np.average(near, weights=middle[near]) == pytest.approx(trace_px(fibre)[ROWS // 2], abs=0.1)
        total.append(middle[near].sum() / fibre.transmission)
    assert np.std(total) / np.mean(total) < 0.005


def test_calibration_fibres_are_dark_but_when_lamps_are_lit(headers):
    calibration = next(fibre for fibre in fibres_of("Medusa1", "small") if fibre.use is Use.SIMCAL)
    near = slice(int(calibration.column_px) - 8, int(calibration.column_px) + 9)
    dark, lit = (light(frames(headers, name)[0])[:, near] for name in ("OBJECT,OzPoz", "OBJECT,SimCal"))
    assert abs(np.median(dark)) < 1.5
    assert np.percentile(lit.sum(axis=1), 99) > 1000


def test_light_in_the_frame_is_that_of_the_truth(night, truth):
    exposure = truth.exposures[0]
    middle = light(night / "raw" / NIGHT / exposure.arcfile)[ROWS * 4 // 9 : ROWS * 5 // 9]
    for fibre, place in zip(exposure.fibres, fibres_of("Medusa1", "small"), strict=True):
        near = slice(int(place.column_px) - 12, int(place.column_px) + 14)
        electrons = 1.5 * np.median(middle[:, near].sum(axis=1) - 26 * np.median(middle))
        assert electrons == pytest.approx(fibre.star_e + fibre.sky_e, rel=0.05, abs=25)


def test_truth_tells_saturated_pixels_of_the_star_that_is_too_bright(night, truth):
    counts = {exposure.exptime_s: exposure.saturated_pixels for exposure in truth.exposures}
    assert counts.pop(900.0) > 1000
    assert set(counts.values()) == {0}
    bright = next(exposure for exposure in truth.exposures if exposure.saturated_pixels)
    assert truth.stars[bright.fibre(1).target].magnitude == 8.5
    assert (fits.getdata(night / "raw" / NIGHT / bright.arcfile) == 65535).sum() == bright.saturated_pixels


def test_stars_keep_their_velocity_while_the_earth_moves(truth):
    first, *_, last = (exposure for exposure in truth.exposures if exposure.ob_id == truth.exposures[0].ob_id)
    for early, late in zip(first.fibres, last.fibres, strict=True):
        if early.use == "M":
            star = truth.stars[early.target]
            for seen in (early, late):
                total = seen.velocity_kms + seen.barycentric_correction_kms
                assert total == pytest.approx(star.velocity_barycentric_kms, abs=1e-4)
            assert 0.01 < abs(early.velocity_kms - late.velocity_kms) < 0.5


def test_statics_hold_the_model_but_not_the_offset_that_is_to_be_found(night):
    rows = fits.getdata(night / "static" / "GRATING_DATA_LR.fits", 1)
    assert list(rows["SETUP"]) == [setup.name for setup in SETUPS]
    assert set(rows["SDX"]) == {0.0}
    geometry = fits.getdata(night / "static" / "SLIT_GEOMETRY_Medusa1_L479.7.fits", 1)
    assert list(geometry["FPS"]) == list(range(1, 13))
    lines = fits.getdata(night / "static" / "LINE_CATALOG.fits", 1)
    assert np.diff(lines["WLEN"]).min() >= 0.2499
    for setup in SETUPS:
        inside = (lines["WLEN"] > setup.shortest_nm) & (lines["WLEN"] < setup.longest_nm)
        assert inside.sum() > 50
    for path in sorted(night.glob("static/*.fits")):
        assert fits.getheader(path)["PHX SIMULATED"] is True


def test_the_same_plan_gives_the_same_bytes_and_another_seed_other_noise(night, tmp_path):
    name = min(path.name for path in night.glob(f"raw/{NIGHT}/*.fits"))

    class EnoughError(Exception):
        pass

    def first_only(done, total, name):
        raise EnoughError

    images = {}
    for seed in (1, 2):
        plan = SimulationPlan("GIRAFFE", MONTH, 1, seed, "small")
        with pytest.raises(EnoughError):
            simulator("GIRAFFE").simulate(plan, tmp_path / str(seed), first_only)
        images[seed] = next((tmp_path / str(seed)).glob("raw/*/*.fits")).read_bytes()
    original = (night / "raw" / NIGHT / name).read_bytes()
    assert hashlib.sha256(images[1]).digest() == hashlib.sha256(original).digest()
    assert images[2] != images[1]


def test_a_second_call_writes_nothing_and_another_plan_is_refused(night):
    before = {path: path.stat().st_mtime_ns for path in night.rglob("*.fits")}
    giraffe_night(night)
    assert {path: path.stat().st_mtime_ns for path in night.rglob("*.fits")} == before
    with pytest.raises(UsageError, match="another plan"):
        giraffe_night(night, seed=2)


def test_truth_of_another_instrument_is_refused(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps({"plan": {}, "exposures": []}))
    with pytest.raises(UsageError, match="simulate again"):
        load_truth(tmp_path / "truth.json")
    with pytest.raises(UsageError, match="instrument"):
        simulator("GIRAFFE").simulate(SimulationPlan("UVES", MONTH, 1, 1, "small"), tmp_path, lambda *_: None)


def test_a_full_slit_has_120_fibres_on_the_plate():
    fibres = fibres_of("Medusa2", "full")
    uses = [fibre.use for fibre in fibres]
    assert [uses.count(use) for use in Use] == [108, 12, 5]
    assert len({fibre.button for fibre in fibres}) == 121
    columns = [fibre.column_px for fibre in fibres]
    assert np.diff(columns).min() > 7 * 2.0
    assert columns[0] > 12
    assert columns[-1] < 2048 - 12


def test_both_setups_fall_on_the_detector_as_the_grating_table_says():
    for setup, slit in ((LR3, "Medusa1"), (LR6, "Medusa2")):
        for fibre in fibres_of(slit, "full"):
            wave_nm = wave_of_rows_nm(setup, fibre)
            assert (np.diff(wave_nm) > 0).all()
            assert wave_nm[0] == pytest.approx(setup.shortest_nm, abs=2.0)
            assert wave_nm[-1] == pytest.approx(setup.longest_nm, abs=2.0)


def test_the_second_night_has_another_setup_and_warm_arcs():
    _, second, third = nights_of(SimulationPlan("GIRAFFE", MONTH, 3, 1, "small"))
    assert {(t.setup.slit, t.setup.setup.name) for t in second.templates} == {("Medusa2", "L682.2")}
    arcs = [t for t in second.templates if t.setup.kind.name == "arc"]
    assert all(t.setup.warmer_c > 1.5 for t in arcs)
    assert len({t.setup.slit for t in third.templates if t.setup.on_sky}) == 2


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 47), st.floats(0.01, 0.05))
def test_a_spectrograph_broadens_lines_but_keeps_their_areas(number, sigma_nm):
    fibre = fibres_of("Medusa1", "small")[0]
    star = Field(number).targets(fibres_of("Medusa1", "small"))[fibre.fps].star
    for before, after in zip(star.lines, broadened(star, sigma_nm).lines, strict=True):
        assert after.depth * after.sigma_kms == pytest.approx(before.depth * before.sigma_kms)
        assert after.sigma_kms > before.sigma_kms


@settings(max_examples=25, deadline=None)
@given(st.floats(455.0, 503.0), st.integers(0, 11))
def test_no_electron_is_lost_between_line_and_pixels(centre_nm, index):
    fibre = fibres_of("Medusa1", "small")[index]
    wave_nm = wave_of_rows_nm(LR3, fibre)
    spectrum = emission_lines(wave_nm, np.array([centre_nm]), np.array([1e4]), LR3.line_sigma_nm)
    assert spectrum.sum() == pytest.approx(1e4, rel=1e-3)
    assert np.average(wave_nm, weights=spectrum) == pytest.approx(centre_nm, abs=1e-4)
    assert image((fibre,), spectrum[np.newaxis], COLUMNS).sum() == pytest.approx(1e4, rel=1e-3)
