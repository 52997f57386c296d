"""One simulated UVES night on disk: frames, headers, statics, truth, and what a second call does."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.errors import UsageError
from phoenix.simulation import simulator
from phoenix.simulation.plan import SimulationPlan
from phoenix.simulation.truth import load_truth
from phoenix.simulation.uves.geometry import Echellogram

PLAN = SimulationPlan("UVES", "2019-03", 1, 7, "small")


@pytest.fixture(scope="module")
def month(tmp_path_factory):
    out = tmp_path_factory.mktemp("month")
    simulator("UVES").simulate(PLAN, out, lambda _done, _all, _name: None)
    return out


@pytest.fixture(scope="module")
def headers(month):
    return {path.name: fits.getheader(path) for path in sorted(month.glob("raw/2019-03-04/*.fits"))}


def frame(month, headers, dpr_type, chips):
    name = next(
        name
        for name, header in headers.items()
        if header["ESO DPR TYPE"] == dpr_type and header["ESO DET CHIPS"] == chips
    )
    return month / "raw" / "2019-03-04" / name


def digests(month):
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest() for path in month.rglob("*") if path.is_file()
    }


def test_a_night_holds_every_class_of_frame(headers):
    found = [(header["ESO DPR TYPE"], header["ESO DET CHIPS"]) for header in headers.values()]
    for chips in (1, 2):
        counts = {dpr_type: found.count((dpr_type, chips)) for dpr_type, _ in found}
        assert counts["BIAS"] == counts["LAMP,FLAT"] == 5
        for once in ("LAMP,FMTCHK", "LAMP,ORDERDEF", "LAMP,WAVE", "STD"):
            assert counts[once] == 1
        assert counts["OBJECT,POINT"] == {1: 4, 2: 3}[chips]


def test_headers_are_written_as_eso_writes_them(month, headers):
    for name, header in headers.items():
        assert header["ARCFILE"] == name == f"UVES.{header['DATE-OBS']}.fits"
        assert (header["ORIGIN"], header["TELESCOP"], header["INSTRUME"]) == (
            "ESO-PARANAL",
            "ESO-VLT-U2",
            "UVES",
        )
        assert header["PHX SIMULATED"] is True
        assert 180 <= len(header) <= 260
        groups = [key.split()[1] for key in header if key.startswith("ESO ")]
        assert list(dict.fromkeys(groups)) == ["DPR", "OBS", "TPL", "TEL", "ADA", "INS", "DET"]
        assert len(set(header)) == len([key for key in header if key != "COMMENT"]) + 1
        assert header["DATE-OBS"] >= header["ESO TPL START"] >= header["ESO OBS START"]
        assert "CHECKSUM" in header
        if header["ESO DPR CATG"] == "SCIENCE":
            assert header["ESO OBS PROG ID"] == "60.A-9999(S)"
            assert header["OBJECT"] == header["ESO OBS TARG NAME"]


def test_the_cards_the_pipeline_reads_as_floats_are_floats(month, headers):
    path = frame(month, headers, "BIAS", 1)
    with path.open("rb") as handle:
        cards = handle.read(2880)
    assert b"BSCALE  =                  1.0 " in cards
    assert b"BZERO   =              32768.0 " in cards


def test_exposures_of_a_template_count_up_and_share_their_start(headers):
    by_template = {}
    for header in headers.values():
        by_template.setdefault((header["ESO TPL START"], header["ESO DPR TYPE"]), []).append(header)
    for members in by_template.values():
        assert [header["ESO TPL EXPNO"] for header in members] == list(range(1, len(members) + 1))
        assert {header["ESO TPL NEXP"] for header in members} == {len(members)}


def test_images_have_the_shape_of_their_chips(month, headers):
    with fits.open(frame(month, headers, "BIAS", 1), checksum=True) as hdus:
        assert hdus[0].data.shape == (750, 536)
        assert hdus[0].data.dtype == np.uint16
    with fits.open(frame(month, headers, "BIAS", 2), checksum=True) as hdus:
        assert hdus[0].data is None
        assert [hdu.header["EXTNAME"] for hdu in hdus[1:]] == ["WIN1.CHIP1.OUT1", "WIN1.CHIP2.OUT1"]
        assert [hdu.data.shape for hdu in hdus[1:]] == [(2048, 1074)] * 2
        assert "ESO DET CHIP2 ID" in hdus[2].header


@pytest.mark.parametrize(
    ("chips", "extension", "key", "edge", "binning"),
    [(1, 0, "B437_blue", 12, 4), (2, 1, "R580_redu", 25, 2), (2, 2, "R580_redl", 25, 2)],
)
def test_raw_frames_are_oriented_so_that_the_pipeline_finds_the_orders(
    month, headers, chips, extension, key, edge, binning
):
    raw = fits.getdata(frame(month, headers, "LAMP,ORDERDEF", chips), extension).astype(float)[:, edge:-edge]
    # The pipeline turns BLUE by 90 degrees and mirrors RED at the other diagonal.
    standard = np.rot90(raw, -1) if chips == 1 else raw[::-1, ::-1].T

    def light_on_orders(image):
        orders = Echellogram(key, binning)
        columns = np.arange(orders.nx // 3, 2 * orders.nx // 3)
        rows = np.rint(orders.rows(columns.astype(float))).astype(int)
        inside = (rows >= 0) & (rows < orders.ny)
        return np.mean(image[rows[inside], np.broadcast_to(columns, rows.shape)[inside]]) - 150.0

    assert light_on_orders(standard) > 2 * light_on_orders(standard[::-1, ::-1])


def test_static_tables_can_be_told_apart_by_their_headers(month):
    found = {}
    for path in sorted(month.glob("static/*.fits")):
        header = fits.getheader(path)
        assert header["INSTRUME"] == "UVES"
        assert header["MJD-OBS"] < 58000
        assert header["PHX SIMULATED"] is True
        wlen = header.get("ESO INS GRAT1 WLEN", header.get("ESO INS GRAT2 WLEN"))
        found[header["ESO PRO CATG"], wlen, header.get("ESO PRO TASK")] = path
    expected = {
        (catg, None, None) for catg in ("EXTCOEFF_TABLE", "FLUX_STD_TABLE", "RESP_FIT_POINTS_CATALOG")
    }
    for wlen in (437.0, 580.0):
        expected |= {("LINE_REFER_TABLE", wlen, task) for task in ("FORMAT_CHECK", "WAVELENGTH")}
        expected.add(("LINE_INTMON_TABLE", wlen, "WAVELENGTH"))
    assert set(found) == expected
    sparse = fits.getdata(found["LINE_REFER_TABLE", 437.0, "FORMAT_CHECK"])
    dense = fits.getdata(found["LINE_REFER_TABLE", 437.0, "WAVELENGTH"])
    assert 200 < len(sparse) < len(dense)
    assert set(sparse["WAVE"]) <= set(dense["WAVE"])


def test_standard_stars_of_the_frames_are_in_the_flux_table(month, headers):
    table = fits.getdata(month / "static" / "FLUX_STD_TABLE.fits")
    for header in headers.values():
        if header["ESO DPR TYPE"] == "STD":
            near = (abs(table["RA_DEG"] - header["RA"]) < 1e-3) & (
                abs(table["DEC_DEG"] - header["DEC"]) < 1e-3
            )
            assert list(table["OBJECT"][near]) == [header["ESO OBS TARG NAME"]]


def test_truth_tells_every_science_exposure(month, headers):
    truth = load_truth(month / "truth.json")
    science = {name for name, header in headers.items() if header["ESO DPR CATG"] == "SCIENCE"}
    assert {exposure.arcfile for exposure in truth.exposures} == science
    for exposure in truth.exposures:
        header = headers[exposure.arcfile]
        assert exposure.ob_id == header["ESO OBS ID"]
        assert exposure.exptime_s == header["EXPTIME"]
        assert exposure.airmass == pytest.approx(
            (header["ESO TEL AIRM START"] + header["ESO TEL AIRM END"]) / 2, abs=1e-3
        )
        assert exposure.velocity_kms + exposure.barycentric_correction_kms == pytest.approx(
            exposure.star.velocity_kms
        )
        assert max(noise.snr_per_column for noise in exposure.snr) > 100
        wave_nm = np.linspace(400.0, 401.0, 5)
        assert np.all(exposure.science_flux(wave_nm) <= exposure.star.continuum.at(wave_nm))
    assert truth.exposure(truth.exposures[0].arcfile) is truth.exposures[0]
    with pytest.raises(UsageError):
        truth.exposure("UVES.2000-01-01T00:00:00.000.fits")
    kinds = {template["kind"] for template in truth.nights["2019-03-04"]}
    assert {"bias", "flat", "arc", "standard", "science"} <= kinds


def test_a_broken_truth_file_is_named(tmp_path):
    (tmp_path / "truth.json").write_text('{"plan": {}}')
    with pytest.raises(UsageError, match=r"truth\.json"):
        load_truth(tmp_path / "truth.json")


@pytest.mark.skipif(shutil.which("fitsverify") is None, reason="fitsverify is not installed")
def test_fitsverify_finds_nothing(month):
    files = sorted(str(path) for path in month.rglob("*.fits"))
    done = subprocess.run(["fitsverify", "-q", *files], capture_output=True, text=True, check=False)
    assert done.stdout.count("verification OK") == len(files), done.stdout


def test_a_second_call_writes_nothing(month):
    before = {path: path.stat().st_mtime_ns for path in month.rglob("*")}
    said = []
    simulator("UVES").simulate(PLAN, month, lambda done, total, name: said.append((done, total, name)))
    assert {path: path.stat().st_mtime_ns for path in month.rglob("*")} == before
    assert len(said) == 1


def test_lost_and_cut_files_come_back_byte_by_byte(month, headers):
    before = digests(month)
    frame(month, headers, "OBJECT,POINT", 1).unlink()
    (month / "static" / "FLUX_STD_TABLE.fits").unlink()
    (month / "truth.json").unlink()
    cut = frame(month, headers, "STD", 2)
    cut.write_bytes(cut.read_bytes()[:5000])
    simulator("UVES").simulate(PLAN, month, lambda _done, _all, _name: None)
    assert digests(month) == before


def test_nothing_half_written_is_left(month):
    assert not [path for path in month.rglob("*") if path.name.startswith(".")]


def test_another_plan_in_the_same_folder_is_refused(month):
    other = SimulationPlan("UVES", "2019-03", 1, 8, "small")
    with pytest.raises(UsageError) as caught:
        simulator("UVES").simulate(other, month, lambda _done, _all, _name: None)
    assert caught.value.remedy


def test_a_folder_with_frames_of_unknown_origin_is_refused(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(UsageError, match="empty folder"):
        simulator("UVES").simulate(PLAN, tmp_path, lambda _done, _all, _name: None)


@pytest.mark.parametrize("text", ["", "[]", json.dumps({"format": 1})])
def test_an_unreadable_manifest_is_refused(tmp_path: Path, text):
    (tmp_path / "simulation.json").write_text(text)
    with pytest.raises(UsageError, match=r"simulation\.json"):
        simulator("UVES").simulate(PLAN, tmp_path, lambda _done, _all, _name: None)


def test_an_interrupted_simulation_leaves_whole_frames_and_can_go_on(tmp_path, month):
    class StopError(Exception):
        pass

    def stop_after_five(done, _total, _name):
        if done == 5:
            raise StopError

    with pytest.raises(StopError):
        simulator("UVES").simulate(PLAN, tmp_path, stop_after_five)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.glob("*/**/*.fits")}
    assert len([path for path in made if path.parts[0] == "raw"]) == 5
    assert all((month / path).read_bytes() == content for path, content in made.items())
    assert not (tmp_path / "truth.json").exists()
    with pytest.raises(StopError):  # the same plan is welcome again in the unfinished folder
        simulator("UVES").simulate(PLAN, tmp_path, stop_after_five)
