"""The MUSE converter: what is in the IDP against the numbers its products were made of."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import ConfigError, IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.cube_depth import point_source_limit
from phoenix.idp.job import LeftOutError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_muse import (
    COLUMNS,
    CONFIG,
    EXPTIME_S,
    FIRST_ANGSTROM,
    MJD_OBS,
    NOISE,
    OVERHEAD_S,
    PLANES,
    ROWS,
    STEM,
    STEP_ANGSTROM,
    UNIT,
    Combined,
    arcfile,
)

load("MUSE", "idp")
#: Units as the standard spells them.
pytestmark = pytest.mark.filterwarnings("ignore:'unitfix' made the change")


def convert(tmp_path: Path, products: Combined | None = None, **changes: object) -> list[Path]:
    """Convert and return the files, the science product first."""
    products = (products or Combined(tmp_path / "products")).write()
    return [Path(idp.path) for idp in find_converter("muse_cube")(products.job(tmp_path / "conv", **changes))]


def header_of(tmp_path: Path, **cards: object) -> fits.Header:
    """Primary header of the IDP of a cube whose recipe wrote these cards."""
    return fits.getheader(convert(tmp_path, Combined(tmp_path / "products", cube_cards=cards))[0])


DEEP = {"config": CONFIG | {"deep": True}}


@pytest.mark.parametrize(("exposures", "changes"), [(3, {}), (1, {}), (3, DEEP)])
def test_idps_pass_our_checks_and_fitsverify(tmp_path, exposures, changes):
    products = Combined(tmp_path / "products", exposures)
    paths = convert(tmp_path, products, **changes)
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, products.sources) == []


@pytest.mark.parametrize(
    ("exposures", "changes", "codes"),
    [(3, {}, ("SCBC", "SIMC")), (1, {}, ("SCBX", "SIMX")), (3, DEEP, ("SCBD", "SIMD", "SXPM"))],
)
def test_names_and_categories(tmp_path, exposures, changes, codes):
    products = Combined(tmp_path / "products", exposures).write()
    idps = find_converter("muse_cube")(products.job(tmp_path / "conv", **changes))
    head = f"MU_{codes[0]}_{STEM}.fits"
    categories = ["SCIENCE.CUBE.IFS", "ANCILLARY.IMAGE.WHITELIGHT", "ANCILLARY.EXPMAP"]
    files = [(f"MU_{code}_{STEM}.fits", category) for code, category in zip(codes, categories, strict=False)]
    files += [(f"MU_{codes[0]}_{STEM}_qc.png", "ANCILLARY.PREVIEW")]
    files += [(f"MU_{codes[0]}_{STEM}_ab.txt", "ANCILLARY.README")]
    assert [(idp.origfile, idp.prodcatg) for idp in idps] == files
    assert [idp.parent for idp in idps] == ["", *[head] * (len(files) - 1)]
    for idp in idps:
        content = Path(idp.path).read_bytes()
        assert (idp.size_bytes, idp.sha256) == (len(content), hashlib.sha256(content).hexdigest())


def test_data_and_variance_are_the_recipes_bit_by_bit(tmp_path):
    products = Combined(tmp_path / "products")
    path = convert(tmp_path, products)[0]
    with fits.open(path, checksum=True) as hdus, fits.open(products.cube) as source:
        for name in ("DATA", "STAT"):
            np.testing.assert_array_equal(hdus[name].data, source[name].data)
            assert hdus[name].header["DATASUM"] == source[name].header["DATASUM"]


def test_times_programme_and_sources_are_those_of_the_frames_on_target(tmp_path):
    header = fits.getheader(convert(tmp_path)[0])
    sources = [header[f"PROV{number}"] for number in (1, 2, 3)]
    assert sources == [arcfile(number) for number in range(3)]
    assert "PROV4" not in header  # the lamp
    assert (header["NCOMBINE"], header["TEXPTIME"], header["OBID1"]) == (3, 1800.0, 302550001)
    assert header["MJD-OBS"] == pytest.approx(MJD_OBS, abs=1e-8)
    end = MJD_OBS + (2 * (EXPTIME_S + OVERHEAD_S) + EXPTIME_S) / 86400
    assert header["MJD-END"] == pytest.approx(end, abs=2e-8)
    assert (header["OBJECT"], header["PROCSOFT"], header["OBSTECH"]) == ("NGC 1'2", "muse/2.8.7", "IFU")
    assert (header["PROG_ID"], header["PHX SIMULATED"]) == ("099.A-0023(B)", True)


def test_several_obs_and_programmes_are_told(tmp_path):
    other = {"ESO OBS ID": 302550002, "ESO OBS PROG ID": "099.A-0023(C)"}
    products = Combined(tmp_path / "products", raw_cards={2: other})
    paths = convert(tmp_path, products, **DEEP)
    header = fits.getheader(paths[0])
    assert [header[key] for key in ("PROG_ID", "PROGID1", "PROGID2")] == [
        "MULTI", "099.A-0023(B)", "099.A-0023(C)"
    ]  # fmt: skip
    assert (header["OBID1"], header["OBID2"]) == (302550001, 302550002)
    assert [finding for path in paths for finding in check_file(path, None)] == []
    assert check_batch(paths, products.sources) == []
    Combined(products.folder, raw_cards={2: other | {"ESO OBS PROG ID": "099.A-0023(D)"}}).write()
    assert [finding.message for finding in check_batch(paths, products.sources)] == [
        "PROGIDi is 099.A-0023(B), 099.A-0023(C), its sources have 099.A-0023(B), 099.A-0023(D)"
    ]


def test_exptime_is_that_of_the_median_spaxel(tmp_path):
    products = Combined(tmp_path / "products")
    header = fits.getheader(convert(tmp_path, products)[0])
    times = products.exposed_s()
    assert header["EXPTIME"] == np.median(times[times > 0]) == 1200.0


@pytest.mark.parametrize(("told", "exptime_s"), [(28731.0, 1800.0), (900.0, 900.0), (None, 1800.0)])
def test_without_the_fields_exptime_is_the_recipes_but_never_above_texptime(tmp_path, told, exptime_s):
    products = Combined(tmp_path / "products", images=False, cube_cards={"EXPTIME": told})
    assert fits.getheader(convert(tmp_path, products)[0])["EXPTIME"] == exptime_s


def test_a_single_exposure_was_exposed_as_long_as_it_was(tmp_path):
    header = fits.getheader(convert(tmp_path, Combined(tmp_path / "products", 1))[0])
    assert (header["EXPTIME"], header["TEXPTIME"], header["SINGLEXP"]) == (600.0, 600.0, True)


def test_the_exposure_map_is_the_fields_moved_by_their_offsets(tmp_path):
    products = Combined(tmp_path / "products")
    path = convert(tmp_path, products, **DEEP)[2]
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(hdus["DATA"].data, products.exposed_s())
        assert (hdus[0].header["PRODCATG"], hdus["DATA"].header["BUNIT"]) == ("ANCILLARY.EXPMAP", "s")


def test_no_exposure_map_is_invented(tmp_path):
    names = [
        path.name[:7] for path in convert(tmp_path, Combined(tmp_path / "products", images=False), **DEEP)
    ]
    assert "MU_SXPM" not in names


@pytest.mark.parametrize("images", [True, False])
def test_the_white_light_image_lies_on_the_cube(tmp_path, images):
    products = Combined(tmp_path / "products", images=images)
    cube, white = convert(tmp_path, products)[:2]
    with fits.open(cube) as hdus, fits.open(white) as image:
        seen = products.exposed_s() > 0
        expected = np.full(seen.shape, np.nan)
        expected[seen] = hdus["DATA"].data[1:, seen].mean(axis=0)
        np.testing.assert_allclose(image["DATA"].data, expected, rtol=1e-4, atol=1e-3)
        assert image[0].header["PRODCATG"] == "ANCILLARY.IMAGE.WHITELIGHT"
        assert image["DATA"].header["BUNIT"] == UNIT
        sky, plane = WCS(hdus["DATA"].header).celestial, WCS(image["DATA"].header)
        np.testing.assert_allclose(
            sky.all_pix2world(3, 5, 0), plane.all_pix2world(3, 5, 0), rtol=0, atol=1e-10
        )
        assert fits.getheader(cube)["ASSON1"] == white.name


def test_an_image_of_other_pixels_is_not_shipped(tmp_path):
    products = Combined(tmp_path / "products").write()
    with fits.open(products.folder / "IMAGE_FOV_0001.fits", mode="update") as hdus:
        hdus["DATA"].data[:] = 4.0
        hdus["DATA"].header["CRPIX1"] += 1
    white = find_converter("muse_cube")(products.job(tmp_path / "conv"))[1]
    assert not (fits.getdata(white.path, "DATA") == 4.0).any()


def test_the_position_is_the_middle_of_the_cube(tmp_path):
    path = convert(tmp_path)[0]
    with fits.open(path) as hdus:
        ra, dec = WCS(hdus["DATA"].header).celestial.all_pix2world(COLUMNS / 2 + 0.5, ROWS / 2 + 0.5, 1)
        assert (hdus[0].header["RA"], hdus[0].header["DEC"]) == pytest.approx(
            (float(ra), float(dec)), abs=1e-8
        )


def test_wavelengths_are_those_of_planes_with_data(tmp_path):
    header = fits.getheader(convert(tmp_path)[0])
    assert header["WAVELMIN"] == pytest.approx(
        (FIRST_ANGSTROM + STEP_ANGSTROM) / 10
    )  # the first plane is empty
    assert header["WAVELMAX"] == pytest.approx((FIRST_ANGSTROM + (PLANES - 1) * STEP_ANGSTROM) / 10)


def test_what_the_recipe_writes_wrong_or_not_at_all_is_set_right(tmp_path):
    path = convert(tmp_path, Combined(tmp_path / "products", data_cards={"CRDER3": 0.03}))[0]
    with fits.open(path) as hdus:
        assert hdus[0].header["PIXNOISE"] == pytest.approx(NOISE * 1e-20, rel=0.03)
        for name in ("DATA", "STAT"):
            header = hdus[name].header
            assert (header["HDUDOC"], header["HDUVERS"]) == ("SDP", "SDP version 8")
            assert (header["CSYER1"], header["CSYER2"], header["CRDER3"]) == (0.001, 0.001, 0.03)


def test_a_magnitude_the_recipe_could_not_tell_is_estimated(tmp_path):
    header = header_of(tmp_path, ABMAGLIM=-99.0)
    # 11 planes are averaged; 4 pi (0.6278 / 2.3548)^2 / 0.04 spaxels, 5 sigma, at 6968 Angstrom.
    sigma = 5 * NOISE / np.sqrt(11) * 1e-20 * np.sqrt(4 * np.pi * (0.6278 / 2.3548) ** 2 / 0.04)
    expected = -2.5 * np.log10(sigma * 6967.75**2 / 2.998e18) - 48.6
    assert header["ABMAGLIM"] == pytest.approx(expected, abs=0.1)
    assert header.comments["ABMAGLIM"].endswith("estimated")


def test_a_magnitude_the_recipe_tells_is_kept(tmp_path):
    assert header_of(tmp_path)["ABMAGLIM"] == 21.6


def test_an_image_without_noise_has_no_depth():
    assert point_source_limit(np.full((3, 3), np.nan, np.float32), 1e-20, 700, 0.8, 0.04) is None
    assert point_source_limit(np.ones((3, 3), np.float32), 1e-20, 700, 0.8, 0.04) is None


@pytest.mark.parametrize(
    ("cards", "sky_res", "sky_rerr"),
    [
        ({}, 0.6278, 0.3),
        ({"SKY_RES": 0.853823}, 0.82, 0.0297),  # the recipe's constant: measured sources are better
        ({"SKY_RES": None, "SKY_RERR": None, "ESO QC EXPCOMB FWHM NVALID": 2}, 0.8538, 0.4955),
        ({"SKY_RERR": None}, 0.6278, 0.4955),
    ],
)
def test_the_size_of_a_point_source(tmp_path, cards, sky_res, sky_rerr):
    header = header_of(tmp_path, **cards)
    assert header["SKY_RES"] == pytest.approx(sky_res, abs=1e-4)
    assert header["SKY_RERR"] == pytest.approx(sky_rerr, abs=1e-4)


@pytest.mark.parametrize(("told", "power"), [(3001.7, 3001.7), (None, 2600.0), (-1.0, 2600.0)])
def test_the_resolving_power_is_the_recipes_or_configured(tmp_path, told, power):
    assert header_of(tmp_path, SPEC_RES=told)["SPEC_RES"] == power


def test_an_uncalibrated_cube_is_held_back(tmp_path):
    products = Combined(tmp_path / "products", cube_cards={"FLUXCAL": "UNCALIBRATED"})
    products.data_cards = {"BUNIT": "count"}
    found = [(finding.rule, finding.message) for finding in check_file(convert(tmp_path, products)[0], None)]
    assert ("CUB-02", "ABMAGLIM is missing") in found
    assert ("CUB-02", "PIXNOISE is missing") in found


def test_score_bits_go_into_the_header(tmp_path):
    assert "QCFLAG" not in fits.getheader(convert(tmp_path)[0])
    header = fits.getheader(convert(tmp_path / "bits", score_bits=lambda _item: "001000000")[0])
    assert header["QCFLAG"] == "001000000"


def test_a_sky_is_named_so(tmp_path):
    assert convert(tmp_path, Combined(tmp_path / "products", 1, kind="SKY"))[0].stem.endswith("_SKY")


def test_a_stored_pixel_table_stands_for_its_raw_frame(tmp_path):
    cards = {"ESO DPR TYPE": None, "ESO PRO CATG": "PIXTABLE_OBJECT", "ESO PRO REC1 ID": "muse_scibasic"}
    products = Combined(tmp_path / "products", 1, raw_cards={0: cards})
    header = fits.getheader(convert(tmp_path, products)[0])
    assert header["PROV1"] == arcfile(0)
    assert list(header).count("ESO PRO CATG") == 1
    assert "ESO PRO REC1 ID" not in header


def test_an_ab_without_a_cube_is_left_out(tmp_path):
    with pytest.raises(LeftOutError, match="makes no cube"):
        find_converter("muse_cube")(
            Combined(tmp_path / "products").write().job(tmp_path / "conv", products=[])
        )


@pytest.mark.parametrize(
    ("raw_cards", "message"),
    [
        ({0: {"ESO INS MODE": "../up"}}, "INS MODE"),
        ({1: {"ESO INS MODE": "NFM-AO-N"}}, "NFM-AO-N, WFM-NOAO-N"),
        ({n: {"ESO DPR TYPE": "STD"} for n in range(3)}, "none of its 4 raw frames is on target"),
        ({2: {"ESO OBS ID": None}}, "raw2.fits, OBS.ID"),
    ],
)
def test_raw_frames_that_make_no_sense_are_refused(tmp_path, raw_cards, message):
    with pytest.raises(IdpError, match=message):
        convert(tmp_path, Combined(tmp_path / "products", raw_cards=raw_cards))


def test_a_damaged_cube_is_refused(tmp_path):
    products = Combined(tmp_path / "products").write()
    content = bytearray(products.cube.read_bytes())
    content[-4000] ^= 1
    products.cube.write_bytes(bytes(content))
    with pytest.raises(IdpError, match="DATASUM"):
        find_converter("muse_cube")(products.job(tmp_path / "conv"))


def test_a_cube_of_another_format_is_refused(tmp_path):
    products = Combined(tmp_path / "products", data_cards={"BUNIT": "10**(-20)*erg/s/cm**2/Angstrom"})
    with pytest.raises(IdpError, match="--format=sdpCube"):
        convert(tmp_path, products)


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (CONFIG | {"wave_error_angstrom": -1}, "conversion.config.wave_error_angstrom"),
        (CONFIG | {"modes": {}}, "conversion.config.modes"),
    ],
)
def test_a_wrong_configuration_names_its_field(tmp_path, config, field):
    with pytest.raises(ConfigError, match=field):
        convert(tmp_path, config=config)
