"""The KMOS converter: what is in the IDPs against the numbers their products were made of; all simulated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import LeftOutError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.product import Idp
from products_kmos import (
    ARMS,
    CONFIG,
    DEC_DEG,
    EXPTIME_S,
    FIRST_UM,
    MJD_OBS,
    NOISE,
    OB,
    OVERHEAD_S,
    PLANES,
    RA_DEG,
    STEP_UM,
    UNIT,
    Combined,
    arcfile,
)

load("KMOS", "idp")
STEM = f"{OB}_2021-03-05T02:09:36.000_HK"


def convert(tmp_path: Path, products: Combined | None = None, **changes: object) -> list[Idp]:
    products = (products or Combined(tmp_path / "products")).write()
    return find_converter("kmos_cube")(products.job(tmp_path / "conv", **changes))


def cubes(idps: list[Idp]) -> dict[str, Path]:
    """Science products by object."""
    paths = [Path(idp.path) for idp in idps if not idp.parent]
    return {fits.getval(path, "OBJECT"): path for path in paths}


def test_idps_pass_our_checks_and_fitsverify(tmp_path):
    products = Combined(tmp_path / "products")
    paths = [Path(idp.path) for idp in convert(tmp_path, products)]
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, products.sources) == []


def test_a_stand_in_is_told_and_nothing_else(tmp_path):
    idps = convert(tmp_path, Combined(tmp_path / "products", pipeline="stand-in/1.0.0"))
    found = {finding.rule for idp in idps for finding in check_file(Path(idp.path), fitsverify)}
    assert found == {"ALL-15"}


def test_every_object_has_a_cube_with_its_white_light_image(tmp_path):
    idps = convert(tmp_path)
    heads = [f"KM_SCBC_{STEM}_{name}.fits" for name in ("COSMOS-4-2", "star", "galaxy-17")]
    assert [idp.origfile for idp in idps if not idp.parent] == heads
    assert list(cubes(idps)) == list(ARMS)
    for head in heads:
        stem = head.removesuffix(".fits")
        assert [(idp.origfile, idp.prodcatg) for idp in idps if idp.parent == head] == [
            (head.replace("SCBC", "SIMC"), "ANCILLARY.IMAGE.WHITELIGHT"),
            (f"{stem}_qc.png", "ANCILLARY.PREVIEW"),
            (f"{stem}_ab.txt", "ANCILLARY.README"),
        ]


def test_data_and_noise_are_the_recipes_bit_by_bit(tmp_path):
    products = Combined(tmp_path / "products")
    for name, path in cubes(convert(tmp_path, products)).items():
        with fits.open(path, checksum=True) as hdus, fits.open(products.cube(name)) as source:
            np.testing.assert_array_equal(hdus["DATA"].data, source[f"{name}.DATA"].data)
            np.testing.assert_array_equal(hdus["ERROR"].data, source[f"{name}.NOISE"].data)


def test_extensions_tell_what_they_are(tmp_path):
    with fits.open(cubes(convert(tmp_path))["star"]) as hdus:
        data, error = hdus["DATA"].header, hdus["ERROR"].header
    assert (data["HDUCLAS2"], data["ERRDATA"], data["BUNIT"]) == ("DATA", "ERROR", UNIT)
    assert (error["HDUCLAS2"], error["HDUCLAS3"], error["SCIDATA"]) == ("ERROR", "RMSE", "DATA")
    assert (data["CD1_2"], data["CD2_1"]) == (0.0, 0.0)
    assert not [keyword for keyword in data if keyword.startswith("CDELT")]


def test_an_object_has_the_frames_in_which_an_arm_was_on_it(tmp_path):
    looks = {"COSMOS 4/2": "OSO", "star": "SOS", "galaxy-17": "OSO"}
    headers = {
        name: fits.getheader(path)
        for name, path in cubes(convert(tmp_path, Combined(tmp_path / "products", looks=looks))).items()
    }
    star = headers["star"]
    assert (star["NCOMBINE"], star["PROV1"], star["TEXPTIME"]) == (1, arcfile(1), EXPTIME_S)
    other = headers["galaxy-17"]
    assert [other["PROV1"], other["PROV2"], other["NCOMBINE"]] == [arcfile(0), arcfile(2), 2]
    assert (other["EXPTIME"], other["TEXPTIME"]) == (2 * EXPTIME_S, 2 * EXPTIME_S)
    assert other["MJD-OBS"] == pytest.approx(MJD_OBS, abs=1e-8)
    end = MJD_OBS + (2 * (EXPTIME_S + OVERHEAD_S) + EXPTIME_S) / 86400
    assert other["MJD-END"] == pytest.approx(end, abs=2e-8)


def test_exposure_times_are_dit_times_ndit(tmp_path):
    products = Combined(tmp_path / "products", raw_cards={number: {"EXPTIME": 100.0} for number in range(3)})
    assert fits.getval(cubes(convert(tmp_path, products))["star"], "TEXPTIME") == 2 * EXPTIME_S


def test_quality_is_that_of_the_cube(tmp_path):
    header = fits.getheader(cubes(convert(tmp_path))["star"])
    # Plane 1 is less than half full, the last one more.
    assert header["WAVELMIN"] == pytest.approx(1000 * (FIRST_UM + 2 * STEP_UM))
    assert header["WAVELMAX"] == pytest.approx(1000 * (FIRST_UM + (PLANES - 1) * STEP_UM))
    assert header["PIXNOISE"] == pytest.approx(NOISE, rel=0.02)
    assert (header["SPEC_RES"], header["FLUXCAL"], header["SPECSYS"]) == (2000.0, "ABSOLUTE", "TOPOCENT")
    assert (header["RA"], header["DEC"]) == pytest.approx((RA_DEG, DEC_DEG))
    assert (header["PROCSOFT"], header["OBSTECH"], header["OBID1"]) == ("kmos/4.5.3", "IFU", OB)
    for keyword in ("ABMAGLIM", "SKY_RES", "SKY_RERR"):
        assert keyword not in header


@pytest.mark.parametrize(
    ("unit", "factor"),
    [(UNIT, 1.0), (f"10**(-18){UNIT}", 1e-18), (UNIT.replace("angstrom", "um"), 1e-4)],
)
def test_noise_is_told_per_angstrom_whatever_the_unit(tmp_path, unit, factor):
    products = Combined(tmp_path / "products", data_cards={"BUNIT": unit})
    header = fits.getheader(cubes(convert(tmp_path, products))["star"])
    assert header["PIXNOISE"] == pytest.approx(NOISE * factor, rel=0.02)


def test_a_cube_in_counts_is_not_flux_calibrated(tmp_path):
    products = Combined(tmp_path / "products", data_cards={"BUNIT": "ADU"})
    header = fits.getheader(cubes(convert(tmp_path, products))["star"])
    assert header["FLUXCAL"] == "UNCALIBRATED"
    assert "PIXNOISE" not in header


def test_the_white_light_image_is_the_mean_of_the_cube(tmp_path):
    products = Combined(tmp_path / "products")
    path = cubes(convert(tmp_path, products))["star"]
    image = fits.getdata(path.with_name(path.name.replace("SCBC", "SIMC")), "DATA")
    values = products.data("star").astype("f8")
    known = np.isfinite(values)
    count = known.sum(axis=0)
    expected = np.where(count > 0, np.where(known, values, 0).sum(axis=0) / np.maximum(count, 1), np.nan)
    np.testing.assert_allclose(image, expected, rtol=1e-5)


def test_score_bits_go_into_the_header(tmp_path):
    header = fits.getheader(cubes(convert(tmp_path, score_bits=lambda _item: "0000001"))["star"])
    assert header["QCFLAG"] == "0000001"


def test_objects_whose_names_look_alike_have_files_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setitem(ARMS, "COSMOS 4:2", 2)
    products = Combined(tmp_path / "products", looks={"COSMOS 4/2": "OSO", "COSMOS 4:2": "OSO"})
    paths = cubes(convert(tmp_path, products))
    assert [path.name for path in paths.values()] == [
        f"KM_SCBC_{STEM}_COSMOS-4-2.fits",
        f"KM_SCBC_{STEM}_COSMOS-4-2_2.fits",
    ]


def test_a_name_never_leaves_the_folder(tmp_path, monkeypatch):
    monkeypatch.setitem(ARMS, "../../etc/x", 2)
    products = Combined(tmp_path / "products", looks={"../../etc/x": "OSO"})
    (path,) = cubes(convert(tmp_path, products)).values()
    assert path.parent == tmp_path / "conv"
    assert path.name == f"KM_SCBC_{STEM}_etc-x.fits"


@pytest.mark.parametrize(
    ("products", "told"),
    [
        ({"looks": {"star": "SSS"}}, "in none of 3 raw frames an arm is on it"),
        ({"data_cards": {"BUNIT": "erg/s/cm2/A"}}, "is 'erg/s/cm2/A'"),
        ({"data_cards": {"CTYPE3": "FREQ"}}, "is 'FREQ'"),
        ({"raw_cards": {1: {"ESO INS GRAT1 ID": "K"}}}, "INS GRAT1 ID HK, K"),
        ({"raw_cards": {1: {"ESO OBS PROG ID": None}}, "looks": {"star": "OOO"}}, "is missing or empty"),
    ],
)
def test_what_cannot_be_right_is_told(tmp_path, products, told):
    with pytest.raises(IdpError, match=told):
        convert(tmp_path, Combined(tmp_path / "products", **products))


def test_data_without_noise_are_told(tmp_path):
    products = Combined(tmp_path / "products").write()
    with fits.open(products.cube("star"), mode="update") as hdus:
        del hdus["star.NOISE"]
    with pytest.raises(IdpError, match="has no noise"):
        find_converter("kmos_cube")(products.job(tmp_path / "conv"))


def test_a_grating_nobody_configured_is_told(tmp_path):
    config = CONFIG | {"resolving_power": {"K": 4200}}
    with pytest.raises(ConfigError, match="no entry for grating HK"):
        convert(tmp_path, config=config)


def test_a_template_alone_is_no_idp(tmp_path):
    products = Combined(tmp_path / "products").write()
    with pytest.raises(LeftOutError):
        find_converter("kmos_cube")(products.job(tmp_path / "conv", products=[]))
