"""Rules IMG-01 to IMG-11: a good image passes, each way to break one is caught by its rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.runner import check_file
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_hawki import Imaged

load("HAWKI", "idp")
Edit = Callable[[fits.HDUList], object]


def delivery(tmp_path: Path, kind: str) -> list[Path]:
    """Return the files of a good delivery: the image first, its source list last."""
    products = Imaged(tmp_path / "products").write()
    job = getattr(products, f"{kind}_job")(tmp_path / "conv")
    return [Path(idp.path) for idp in find_converter("hawki_image")(job)]


def rules_after(path: Path, edit: Edit) -> set[str]:
    """Return the rules of images a file breaks after an edit; checksums are made anew."""
    with fits.open(path, mode="update", checksum=True) as hdus:
        edit(hdus)
    return {finding.rule for finding in check_file(path, None) if finding.rule.startswith("IMG")}


def put(keyword: str, value: object, *places: int) -> Edit:
    """Return an edit that sets a keyword, or with None removes it, in these HDUs."""

    def edit(hdus: fits.HDUList) -> None:
        for place in places:
            if value is None:
                del hdus[place].header[keyword]
            else:
                hdus[place].header[keyword] = value

    return edit


def pixels(value: float, place: int) -> Edit:
    def edit(hdus: fits.HDUList) -> None:
        hdus[place].data[:] = value

    return edit


def without_extensions(count: int) -> Edit:
    def edit(hdus: fits.HDUList) -> None:
        for _ in range(count):
            del hdus[-1]

    return edit


BROKEN = [
    ("IMG-01", "pawprint", without_extensions(4)),
    ("IMG-01", "pawprint", put("PRODCATG", "SCIENCE.IMAGE", 0)),
    ("IMG-01", "tile", put("PRODCATG", "SCIENCE.MEFIMAGE", 0)),
    ("IMG-01", "tile", lambda hdus: hdus.append(fits.ImageHDU(np.ones((4, 4), "f4"), name="MORE"))),
    ("IMG-02", "tile", put("FILTER", None, 0)),
    *[("IMG-03", "tile", put(keyword, None, 0)) for keyword in ("PHOTZP", "BUNIT", "ABMAGLIM", "CD1_1")],
    ("IMG-03", "pawprint", put("PHOTSYS", None, 3)),
    ("IMG-04", "tile", put("PHOTSYS", "STMAG", 0)),
    ("IMG-04", "tile", put("ABMAGSAT", 24.0, 0)),
    ("IMG-04", "tile", put("ABMAGLIM", 99.0, 0)),
    ("IMG-04", "tile", put("PSF_FWHM", -1.0, 0)),
    ("IMG-04", "pawprint", put("PSF_FWHM", -1.0, 1, 2, 3, 4)),
    ("IMG-04", "pawprint", put("PSF_FWHM", 0.0, 2)),
    ("IMG-04", "tile", put("PHOTZPER", -0.1, 0)),
    ("IMG-04", "pawprint", put("CRDER1", 0.0277, 2)),
    ("IMG-05", "tile", put("FLUXCAL", "UNCALIBRATED", 0)),
    ("IMG-05", "pawprint", put("ZPFUDGED", True, 3)),
    ("IMG-06", "pawprint", put("BUNIT", "ADU", 2)),
    ("IMG-07", "tile", put("CUNIT1", "arcsec", 0)),
    ("IMG-07", "tile", put("RA", 129.2, 0)),
    ("IMG-07", "pawprint", put("DEC", -48.7, 0)),
    ("IMG-08", "tile", put("HDUCLASS", "ESO", 0)),
    ("IMG-09", "pawprint", pixels(np.inf, 2)),
    ("IMG-09", "pawprint", pixels(np.nan, 4)),
    ("IMG-09", "tile", pixels(0, 0)),
]


@pytest.mark.parametrize(("rule", "kind", "edit"), BROKEN)
def test_a_broken_image_is_caught(tmp_path, rule, kind, edit):
    assert rule in rules_after(delivery(tmp_path, kind)[0], edit)


def test_one_detector_may_tell_no_size(tmp_path):
    assert rules_after(delivery(tmp_path, "pawprint")[0], put("PSF_FWHM", -1.0, 2)) == set()


@pytest.mark.parametrize(("kind", "place"), [("pawprint", 2), ("tile", 0)])
def test_a_map_of_other_pixels_is_caught(tmp_path, kind, place):
    """The finding is the image's: each file alone is whole."""
    paths = delivery(tmp_path, kind)
    rules_after(paths[1], put("CRPIX1", 1.0, place))
    assert "IMG-10" in {finding.rule for finding in check_file(paths[0], None)}


@pytest.mark.parametrize(
    "edit",
    [
        put("PHOTSYS", None, 1),
        put("ABMAGLIM", None, 2),
        put("PROV2", "other.fits", 0),
        without_extensions(1),
    ],
)
def test_a_broken_source_list_is_caught(tmp_path, edit):
    assert rules_after(delivery(tmp_path, "pawprint")[-1], edit) == {"IMG-11"}


def test_exposure_of_infrared_frames_is_that_of_all_integrations(tmp_path):
    products = Imaged(tmp_path / "products").write()
    idps = find_converter("hawki_image")(products.tile_job(tmp_path / "conv"))
    paths = [Path(idp.path) for idp in idps]
    assert check_batch(paths, products.sources) == []
    with fits.open(paths[0], mode="update", checksum=True) as hdus:
        hdus[0].header["TEXPTIME"] = 30.0
    assert any("TEXPTIME" in finding.message for finding in check_batch(paths, products.sources))
