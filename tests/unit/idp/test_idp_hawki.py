"""The HAWK-I converter: what is in the IDPs against the numbers their products were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from phoenix.archive.fitsverify import fitsverify
from phoenix.errors import IdpError
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.job import LeftOutError
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from phoenix.model.product import Idp
from products_hawki import DIT_S, HALF_RADIUS, MJD_OBS, NDIT, STEM, STEP_S, WCS_RMS, Imaged, arcfile

load("HAWKI", "idp")
KINDS = ["pawprint", "tile"]
#: astropy adds DATE-END, which the standard does not ask for.
pytestmark = pytest.mark.filterwarnings("ignore:'datfix' made the change")


def convert(tmp_path: Path, kind: str, products: Imaged | None = None, **changes: object) -> list[Idp]:
    """Convert and return the records, the image first."""
    products = (products or Imaged(tmp_path / "products")).write()
    job = getattr(products, f"{kind}_job")(tmp_path / "conv", **changes)
    return find_converter("hawki_image")(job)


@pytest.mark.parametrize("kind", KINDS)
def test_idps_pass_our_checks_and_fitsverify(tmp_path, kind):
    products = Imaged(tmp_path / "products")
    paths = [Path(idp.path) for idp in convert(tmp_path, kind, products)]
    assert [finding for path in paths for finding in check_file(path, fitsverify)] == []
    assert check_batch(paths, products.sources) == []


def test_a_pawprint_is_an_image_of_four_detectors_with_maps_and_a_source_list_of_its_own(tmp_path):
    idps = convert(tmp_path, "pawprint")
    head = f"HA_SPAW_{STEM}.fits"
    assert [(idp.origfile, idp.prodcatg, idp.parent) for idp in idps] == [
        (head, "SCIENCE.MEFIMAGE", ""),
        (f"HA_SPAC_{STEM}.fits", "ANCILLARY.WEIGHTMAP", head),
        (f"HA_SPAV_{STEM}.fits", "ANCILLARY.VARMAP", head),
        (f"HA_SPAW_{STEM}_qc.png", "ANCILLARY.PREVIEW", head),
        (f"HA_SPAW_{STEM}_ab.txt", "ANCILLARY.README", head),
        (f"HA_SPAS_{STEM}.fits", "SCIENCE.SRCTBL", ""),
    ]
    assert fits.getheader(idps[-1].path)["PROV1"] == head
    with fits.open(idps[0].path) as hdus:
        assert [hdu.name for hdu in hdus[1:]] == ["CHIP1.INT1", "CHIP2.INT1", "CHIP4.INT1", "CHIP3.INT1"]


def test_the_pawprint_behind_a_tile_goes_with_it(tmp_path):
    idps = convert(tmp_path, "tile")
    head = f"HA_STIL_{STEM}.fits"
    found = {idp.origfile: (idp.prodcatg, idp.parent) for idp in idps}
    assert found[head] == ("SCIENCE.IMAGE", "")
    assert found[f"HA_SPAW_{STEM}.fits"] == ("ANCILLARY.IMAGE", head)
    assert found[f"HA_SPAC_{STEM}.fits"] == ("ANCILLARY.WEIGHTMAP", head)
    assert found[f"HA_STIS_{STEM}.fits"] == ("SCIENCE.SRCTBL", "")
    assert f"HA_SPAS_{STEM}.fits" not in found
    named = set(fits.getheader(idps[0].path)["ASSON*"].values())
    assert named == {name for name, (_, parent) in found.items() if parent}


@pytest.mark.parametrize("kind", KINDS)
def test_times_are_those_of_all_integrations_on_target(tmp_path, kind):
    off_target = {1: {"ESO DPR TYPE": "SKY"}}
    header = fits.getheader(
        convert(tmp_path, kind, Imaged(tmp_path / "products", raw_cards=off_target))[0].path
    )
    assert header["EXPTIME"] == header["TEXPTIME"] == 2 * DIT_S * NDIT
    assert header["MJD-OBS"] == pytest.approx(MJD_OBS, abs=1e-8)
    assert header["MJD-END"] == pytest.approx(MJD_OBS + (2 * STEP_S + DIT_S * NDIT) / 86400, abs=1e-8)
    assert list(header["PROV*"].values()) == [arcfile(0), arcfile(2)]
    assert (header["NCOMBINE"], header["DIT"], header["NDIT"]) == (2, DIT_S, NDIT)
    assert (header["PROG_ID"], header["FILTER"], header["RADESYS"]) == ("60.A-9999(S)", "Ks", "ICRS")
    assert header["PROCSOFT"] == "hawki/2.4.11"


def test_pixels_are_the_recipes_and_their_header_is_put_right(tmp_path):
    idps = convert(tmp_path, "pawprint")
    with fits.open(idps[0].path) as ours, fits.open(tmp_path / "products/stack_1.fits") as recipe:
        for image, original in zip(ours[1:], recipe[1:], strict=True):
            np.testing.assert_array_equal(image.data, original.data)
            assert image.header["BUNIT"] == "adu"
            assert image.header["CRDER1"] == pytest.approx(WCS_RMS / 3600)
            for keyword in ("PHOTZP", "PHOTZPER", "PHOTSYS", "ABMAGLIM", "ABMAGSAT", "PSF_FWHM"):
                assert image.header[keyword] == original.header[keyword]
    weight, variance = (fits.getheader(idps[place].path, 1) for place in (1, 2))
    assert (weight.get("BUNIT"), variance["BUNIT"]) == (None, "adu**2")
    assert not {"PHOTZP", "PSF_FWHM", "ABMAGLIM"} & set(weight)


def test_errors_already_in_degrees_stay(tmp_path):
    products = Imaged(tmp_path / "products", image_cards={"CRDER1": 7.7e-6, "CRDER2": 7.7e-6})
    assert fits.getheader(convert(tmp_path, "pawprint", products)[0].path, 1)["CRDER1"] == 7.7e-6


def test_a_guessed_size_of_stars_is_replaced_by_the_measured_one(tmp_path):
    idps = convert(tmp_path, "tile")
    measured = fits.getheader(idps[0].path)["PSF_FWHM"]
    assert measured == pytest.approx(2 * HALF_RADIUS * 0.106, abs=1e-3)
    assert fits.getheader(idps[-1].path, 1)["PSF_FWHM"] == measured


@pytest.mark.parametrize("kind", KINDS)
def test_the_position_is_the_middle_of_the_field(tmp_path, kind):
    path = convert(tmp_path, kind)[0].path
    header = fits.getheader(path)
    with fits.open(path) as hdus:
        corners = [WCS(hdu.header).calc_footprint() for hdu in hdus if hdu.header["NAXIS"] == 2]
    middle = np.concatenate(corners).mean(axis=0)
    assert (header["RA"], header["DEC"]) == pytest.approx(tuple(middle), abs=1e-6)


@pytest.mark.parametrize(
    "cards", [{"primary_cards": {"FLUXCAL": "UNCALIBRATED"}}, {"image_cards": {"ZPFUDGED": True}}]
)
@pytest.mark.parametrize("kind", KINDS)
def test_without_standard_stars_image_and_source_list_are_held_back(tmp_path, kind, cards):
    idps = convert(tmp_path, kind, Imaged(tmp_path / "products", **cards))
    science = [idp for idp in idps if not idp.parent]
    assert len(science) == 2
    for idp in science:
        assert fits.getheader(idp.path)["FLUXCAL"] == "UNCALIBRATED"
        assert "IMG-05" in {finding.rule for finding in check_file(Path(idp.path), fitsverify)}


def test_units_of_the_source_list_are_those_of_fits(tmp_path):
    with fits.open(convert(tmp_path, "pawprint")[-1].path) as hdus:
        units = {column.name: column.unit for column in hdus[1].columns}
        assert hdus[1].header["TCRD1"] == pytest.approx(WCS_RMS / 3600)
    assert (units["X_coordinate"], units["Aper_flux_3"], units["RA"]) == ("pixel", "adu", "deg")
    assert (units["Classification"], units["Blank63"]) == (None, None)


@pytest.mark.parametrize(
    ("raw_cards", "told"),
    [
        ({0: {"ESO DET NDIT": None}}, "DET.NDIT"),
        ({1: {"ESO INS FILT2 NAME": "H"}}, "FILT"),
        ({1: {"ESO INS FILT1 NAME": "../x"}}, "FILT"),
        ({1: {"ESO OBS ID": 5}}, "OBS.ID"),
        ({number: {"ESO DPR TYPE": "SKY"} for number in range(3)}, "on target"),
    ],
)
def test_raw_frames_that_cannot_be_right_are_refused(tmp_path, raw_cards, told):
    with pytest.raises(IdpError, match=told):
        convert(tmp_path, "pawprint", Imaged(tmp_path / "products", raw_cards=raw_cards))


def test_data_that_changed_are_refused(tmp_path):
    products = Imaged(tmp_path / "products").write()
    path = products.folder / "stack_1.fits"
    content = bytearray(path.read_bytes())
    content[-2881] ^= 1
    path.write_bytes(content)
    with pytest.raises(IdpError, match="DATASUM"):
        find_converter("hawki_image")(products.pawprint_job(tmp_path / "conv"))


def test_what_makes_no_stack_is_left_out(tmp_path):
    with pytest.raises(LeftOutError):
        find_converter("hawki_image")(Imaged(tmp_path).write().pawprint_job(tmp_path / "conv", products=[]))
