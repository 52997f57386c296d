"""Simulated MUSE nights: pixel tables as the pipeline reads them, headers, truth, the pattern of OBs."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from muse_frames import MONTH, NIGHT, one_ob, one_unit
from phoenix.config.loader import Configuration
from phoenix.errors import UsageError
from phoenix.headers.classify import classify
from phoenix.headers.reader import read_header
from phoenix.model.frame import FrameKind
from phoenix.simulation import simulator
from phoenix.simulation.muse.field import FIELD_RADIUS_ARCSEC, SEPARATION_ARCSEC, field_at
from phoenix.simulation.muse.month import POINTING_ERROR_ARCSEC, Aim, nights_of
from phoenix.simulation.muse.pixtable import BAD_PIXEL, on_sky
from phoenix.simulation.muse.settings import (
    READ_NOISE,
    SIZES,
    SKY_LINE_SIGMA_A,
    SKY_LINES_A,
    SKY_PER_S_A,
    STEP_A,
)
from phoenix.simulation.muse.truth import FieldTruth, load_truth
from phoenix.simulation.plan import SimulationPlan

TWO_NIGHTS = SimulationPlan("MUSE", MONTH, 2, 1, "small")
COLUMNS = ["xpos", "ypos", "lambda", "data", "dq", "stat", "origin"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("muse")
    one_ob(out, (0.0, 90.0))
    return out


@pytest.fixture(scope="module")
def truth(folder: Path) -> FieldTruth:
    return load_truth(folder / "truth.json")


@pytest.fixture(scope="module")
def tables(folder: Path) -> list[Path]:
    return sorted((folder / "raw" / NIGHT).glob("*.fits"))


def test_files_say_that_they_are_simulated_and_what_they_stand_for(
    tables: list[Path], truth: FieldTruth
) -> None:
    assert [path.name for path in tables] == [exposure.file for exposure in truth.exposures]
    for path, exposure in zip(tables, truth.exposures, strict=True):
        header = fits.getheader(path)
        assert path.name == f"SIMULATED_PIXTABLE_OBJECT_{header['ARCFILE']}"
        assert header["PHX SIMULATED"] is True
        assert header["PHX SIMULATED AS"] == "output of muse_scibasic"
        assert header["ARCFILE"] == exposure.arcfile
        assert header["ESO OBS PROG ID"] == exposure.run == "099.A-0023(B)"


def test_the_catalogue_takes_pixel_tables_for_frames(folder: Path, tables: list[Path]) -> None:
    rules = Configuration().rules("MUSE")
    found = classify(read_header(tables[0]), rules)
    assert found is not None
    assert (found.name, found.kind) == ("PIXTABLE_OBJECT", FrameKind.RAW)
    for path in sorted((folder / "static").glob("*.fits")):
        static = classify(read_header(path), rules)
        assert static is not None
        assert static.kind is FrameKind.STATIC
        assert path.name.startswith(static.name)


def test_pixel_tables_have_the_columns_and_limits_of_the_pipeline(tables: list[Path]) -> None:
    with fits.open(tables[0], checksum=True) as hdus:
        assert [hdu.name.lower() for hdu in hdus[1:]] == COLUMNS
        rows = SIZES["small"].rows
        assert {hdu.data.shape for hdu in hdus[1:]} == {(rows, 1)}
        kinds = {hdu.name.lower(): hdu.data.dtype.kind for hdu in hdus[1:]}
        assert [kinds[name] for name in COLUMNS] == ["f", "f", "f", "f", "i", "f", "i"]
        for axis, column in (("X", "xpos"), ("Y", "ypos"), ("LAMBDA", "lambda")):
            low, high = (
                hdus[0].header[f"ESO DRS MUSE PIXTABLE LIMITS {axis} {word}"] for word in ("LOW", "HIGH")
            )
            assert (low, high) == (hdus[column].data.min(), hdus[column].data.max())
            if axis != "LAMBDA":  # the recipe takes their middle for the centre of the field
                assert low + high == pytest.approx(0.0, abs=1e-4)


def test_the_variance_is_that_of_the_noise(tables: list[Path]) -> None:
    with fits.open(tables[0]) as hdus:
        data, stat, good = hdus["data"].data, hdus["stat"].data, hdus["dq"].data == 0
        normalized = (data - (stat - READ_NOISE**2))[good] / np.sqrt(stat[good])
        assert np.std(normalized) == pytest.approx(1.0, abs=0.01)
        assert stat.min() > READ_NOISE**2
        assert set(np.unique(hdus["dq"].data)) == {0, BAD_PIXEL}


def test_headers_point_where_the_truth_says(tables: list[Path], truth: FieldTruth) -> None:
    for path, exposure in zip(tables, truth.exposures, strict=True):
        header, field = fits.getheader(path), truth.fields[exposure.field]
        told = np.add(exposure.dither_arcsec, exposure.pointing_error_arcsec)
        east = (header["RA"] - field.ra_deg) * 3600 * np.cos(np.radians(field.dec_deg))
        np.testing.assert_allclose([east, (header["DEC"] - field.dec_deg) * 3600], told, atol=2e-4)
        assert header["ESO INS DROT POSANG"] == exposure.posang_deg
        assert np.abs(exposure.pointing_error_arcsec).max() <= POINTING_ERROR_ARCSEC


@pytest.mark.parametrize(
    ("posang_deg", "east", "north"),
    [(0.0, 0.0, 1.0), (90.0, 1.0, 0.0), (180.0, 0.0, -1.0), (270.0, -1.0, 0.0)],
)
def test_the_field_turns_from_north_over_east(posang_deg: float, east: float, north: float) -> None:
    up = on_sky(np.array(0.0), np.array(5.0), Aim(posang_deg, (0.0, 0.0), (9.0, 9.0)))
    np.testing.assert_allclose(up, (east, north), atol=1e-12)


def test_two_nights_hold_the_cases_of_combined_and_deep_cubes() -> None:
    templates = [template for night in nights_of(TWO_NIGHTS) for template in night.templates]
    obs = Counter(template.setup.field.name for template in templates)
    assert sorted(obs.values()) == [1, 1, 2]
    (deep,) = [name for name, count in obs.items() if count == 2]
    assert {t.block.programme for t in templates if t.setup.field.name == deep} == {"099.A-0023(B)"}
    assert {t.block.programme for t in templates} == {"099.A-0023(B)", "099.B-0417(A)"}
    assert sorted(len(template.starts) for template in templates) == [1, 3, 3, 4]
    assert len({template.block.ob_id for template in templates}) == 4


def test_a_sky_lies_between_the_exposures_of_an_ob() -> None:
    sequences = [
        "".join("S" if aim.sky else "O" for aim in template.setup.aims)
        for night in nights_of(TWO_NIGHTS)
        for template in night.templates
    ]
    assert sequences == ["OOOO", "OSO", "OOO", "O"]


def test_a_sky_shows_the_sky_and_nothing_else(tmp_path: Path) -> None:
    truth = one_ob(tmp_path, (0.0,), sky=True)
    blank = truth.exposures[1]
    assert (blank.sky, blank.file) == (True, f"SIMULATED_PIXTABLE_SKY_{blank.arcfile}")
    path = tmp_path / "raw" / NIGHT / blank.file
    found = classify(read_header(path), Configuration().rules("MUSE"))
    assert found is not None
    assert (found.name, found.kind) == ("PIXTABLE_SKY", FrameKind.RAW)
    with fits.open(path) as hdus:
        assert hdus[0].header["OBJECT"] == "SKY"
        away = np.abs(np.subtract.outer([line for line, _ in SKY_LINES_A], hdus["lambda"].data.ravel()))
        good = (hdus["dq"].data.ravel() == 0) & (away.min(axis=0) > 6 * SKY_LINE_SIGMA_A)
        expected = SKY_PER_S_A * STEP_A * blank.exptime_s
        assert hdus["data"].data.ravel()[good].mean() == pytest.approx(expected, rel=1e-3)
        assert np.ptp(hdus["stat"].data.ravel()[good]) < 0.01 * expected, "no source anywhere"


def test_raw_frames_of_a_unit_are_those_of_a_night_with_its_tables(tmp_path: Path) -> None:
    rules = Configuration().rules("MUSE")
    found = [classify(read_header(path), rules) for path in one_unit(tmp_path)]
    assert [each.name for each in found if each] == ["BIAS"] * 3 + ["FLAT"] * 3 + ["OBJECT"]
    (wavelengths,) = (tmp_path / "masters").glob("*.fits")
    assert fits.getval(wavelengths, "ESO PRO CATG") == "WAVECAL_TABLE"
    assert (tmp_path / "static" / "GEOMETRY_TABLE.fits").is_file()


def test_raw_frames_as_well_are_refused_where_there_are_no_others(tmp_path: Path) -> None:
    plan = SimulationPlan("KMOS", MONTH, 1, 1, "small", raw=True)
    with pytest.raises(UsageError, match="raw frames anyhow"):
        simulator("KMOS").simulate(plan, tmp_path, lambda *_: None)


def test_sources_of_a_field_are_apart_and_inside() -> None:
    for hour in range(24):
        field = field_at(hour, hour)
        places = np.array(
            [
                *((star.east_arcsec, star.north_arcsec) for star in field.stars),
                (field.galaxy.east_arcsec, field.galaxy.north_arcsec),
            ]
        )
        assert np.hypot(*places.T).max() <= FIELD_RADIUS_ARCSEC
        distances = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
        assert distances[np.triu_indices(len(places), 1)].min() >= SEPARATION_ARCSEC


def test_the_same_plan_gives_the_same_bytes_and_another_seed_does_not(
    folder: Path, tables: list[Path], tmp_path: Path
) -> None:
    one_ob(tmp_path / "again", (0.0, 90.0))
    one_ob(tmp_path / "other", (0.0, 90.0), seed=2)
    again = sorted((tmp_path / "again" / "raw" / NIGHT).glob("*.fits"))
    other = sorted((tmp_path / "other" / "raw" / NIGHT).glob("*.fits"))
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in tables]
    assert other[0].read_bytes() != tables[0].read_bytes()
    assert (tmp_path / "again" / "truth.json").read_bytes() == (folder / "truth.json").read_bytes()


def test_a_finished_simulation_is_left_alone(tmp_path: Path) -> None:
    plan = SimulationPlan("MUSE", MONTH, 1, 1, "small")
    simulator("MUSE").simulate(plan, tmp_path, lambda *_: None)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    told: list[str] = []
    simulator("MUSE").simulate(plan, tmp_path, lambda _done, _total, name: told.append(name))
    assert told == ["already simulated"]
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_another_instruments_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="MUSE"):
        simulator("MUSE").simulate(SimulationPlan("UVES", MONTH, 1, 1, "small"), tmp_path, lambda *_: None)


def test_a_file_that_is_no_truth_is_refused(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text('{"plan": {}, "targets": {"x": {}}, "exposures": []}')
    with pytest.raises(UsageError, match="simulation of MUSE"):
        load_truth(tmp_path / "truth.json")
