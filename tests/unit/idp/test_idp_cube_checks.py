"""Each rule for cubes is broken on its own in a good file, and found; nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from idp_draft import Draft
from phoenix.archive.fitsverify import fitsverify
from phoenix.idp.card import format_card
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.rules import RULES
from phoenix.idp.checks.runner import check_file
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_muse import CONFIG, PLANES, STEM, Combined

load("MUSE", "idp")

PRIMARY, DATA, STAT = 0, 1, 2
Mutation = Callable[[Draft], None]


def put(*hdus: int, **values: object) -> Mutation:
    """Set keywords; None removes them."""

    def change(draft: Draft) -> None:
        for hdu in hdus:
            for keyword, value in values.items():
                draft.set(hdu, keyword.replace("DATE_", "DATE-"), value)

    return change


def both(**values: object) -> Mutation:
    return put(DATA, STAT, **values)


def voxel(hdu: int, value: float) -> Mutation:
    """Set the first voxel, or all for NaN."""

    def change(draft: Draft) -> None:
        values = np.frombuffer(memoryview(draft.data[hdu]), ">f4")
        values[slice(None) if np.isnan(value) else slice(1)] = value

    return change


def append(kind: str, name: str) -> Mutation:
    """Add an extension like the data, of another kind."""

    def change(draft: Draft) -> None:
        draft.cards.append([card for card in draft.cards[DATA] if not card.startswith("ERRDATA")])
        draft.data.append(draft.data[DATA][:])
        draft.set(3, "HDUCLAS2", kind)
        draft.set(3, "EXTNAME", name)

    return change


def quality(**values: object) -> Mutation:
    """Add the quality extension the standard knows, as 32-bit flags, with its partners."""

    def change(draft: Draft) -> None:
        append("QUALITY", "DQ")(draft)
        put(3, HDUCLAS3="FLAG32BIT", SCIDATA="DATA", ERRDATA="STAT", BITPIX=32)(draft)
        both(QUALDATA="DQ")(draft)
        put(3, **values)(draft)

    return change


def unit_of_the_error(kind: str, unit: str) -> Mutation:
    return put(STAT, HDUCLAS3=kind, BUNIT=unit)


def no_data(draft: Draft) -> None:
    """What is called the data is another variance."""
    put(DATA, HDUCLAS2="SPECTRUM")(draft)
    put(STAT, SCIDATA=None)(draft)


FLUX = "10**(-20)erg.s**(-1).cm**(-2).angstrom**(-1)"

#: (rule, rules that cannot help being broken as well, what is done to a good file).
BROKEN: list[tuple[str, set[str], Mutation]] = [
    ("CUB-01", set(), append("DATA", "EXTRA")),
    ("CUB-01", set(), both(NAXIS=4, NAXIS4=1)),
    ("CUB-01", set(), append("SPECTRUM", "EXTRA")),
    ("CUB-01", set(), no_data),
    ("CUB-02", set(), put(PRIMARY, DATE_OBS=None)),
    ("CUB-02", set(), put(PRIMARY, SPEC_RES=None)),
    ("CUB-02", set(), put(PRIMARY, PIXNOISE=None)),
    ("CUB-02", set(), put(PRIMARY, ABMAGLIM=None)),
    ("CUB-02", set(), put(PRIMARY, SKY_RES=None)),
    ("CUB-03", set(), both(CSYER1=None)),
    ("CUB-03", set(), both(HDUVERS=None)),
    ("CUB-03", {"CUB-09"}, both(CD2_2=None)),
    ("CUB-04", set(), put(PRIMARY, SPEC_BIN=0.125)),
    ("CUB-04", set(), put(DATA, FILTER="white")),
    ("CUB-05", set(), put(PRIMARY, SPECSYS="BARY")),
    ("CUB-06", set(), put(DATA, HDUCLASS="OGIP")),
    ("CUB-06", set(), put(STAT, HDUDOC="DICD")),
    ("CUB-06", set(), put(STAT, HDUCLAS1="CUBE")),
    ("CUB-06", set(), put(STAT, HDUCLAS3="VARIANCE")),
    ("CUB-06", set(), quality(HDUCLAS3="MSE")),
    ("CUB-07", set(), put(DATA, ERRDATA=None)),
    ("CUB-07", set(), put(DATA, ERRDATA="NOISE")),
    ("CUB-07", set(), put(DATA, SCIDATA="DATA")),
    ("CUB-07", set(), put(STAT, QUALDATA="DQ")),
    ("CUB-07", set(), quality(SCIDATA=None)),
    ("CUB-08", set(), put(STAT, CRPIX1=1.0)),
    ("CUB-08", set(), put(STAT, CUNIT3="nm")),
    ("CUB-09", set(), put(PRIMARY, RA=137.0)),
    ("CUB-09", set(), put(PRIMARY, DEC=50.272)),
    ("CUB-09", set(), both(CTYPE3="VELO")),
    ("CUB-09", set(), both(CUNIT1="arcsec")),
    ("CUB-09", set(), both(CD1_1=0.0)),
    ("CUB-10", set(), put(PRIMARY, WAVELMIN=695.0)),
    ("CUB-10", set(), put(PRIMARY, WAVELMAX=705.0)),
    ("CUB-10", set(), put(PRIMARY, WAVELMIN=697.4, WAVELMAX=696.2)),
    ("CUB-10", set(), both(CSYER1=-1.0, CSYER2=-1.0)),
    ("CUB-10", set(), put(PRIMARY, SKY_RES=0.0)),
    ("CUB-10", {"ALL-11"}, put(PRIMARY, ABMAGLIM=-99.0)),
    ("CUB-11", set(), put(DATA, BUNIT="count")),
    ("CUB-11", set(), put(DATA, BUNIT="10**(-20)*erg/s/cm**2/Angstrom")),
    ("CUB-11", set(), unit_of_the_error("MSE", FLUX)),
    ("CUB-11", set(), unit_of_the_error("RMSE", "10**(-40)erg**2.s**(-2).cm**(-4).angstrom**(-2)")),
    ("CUB-12", set(), voxel(DATA, np.inf)),
    ("CUB-12", set(), voxel(STAT, -np.inf)),
    ("CUB-12", set(), voxel(DATA, np.nan)),
    ("CUB-12", set(), put(DATA, BITPIX=32)),
    ("CUB-13", {"ALL-14"}, put(PRIMARY, ASSON1="elsewhere.fits")),
    ("CUB-13", set(), put(PRIMARY, ASSON1=f"MU_SXPM_{STEM}.fits")),
    ("CUB-13", set(), both(CRPIX1=20.5)),
]

#: The same for the white-light image and the exposure map.
BROKEN_IMAGES: list[Mutation] = [
    put(DATA, BUNIT=None),
    put(DATA, HDUCLAS2=None),
    put(DATA, HDUCLASS="OGIP"),
    put(DATA, CUNIT2="arcsec"),
    put(DATA, CRVAL1=None),
    put(DATA, NAXIS=3, NAXIS3=1),
]


@pytest.fixture(scope="module")
def delivery(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("delivery")
    products = Combined(folder / "products").write()
    find_converter("muse_cube")(products.job(folder / "conv", config=CONFIG | {"deep": True}))
    return folder / "conv"


@pytest.fixture
def good(delivery, tmp_path) -> Path:
    """A good cube with its ancillary files, free to be broken."""
    shutil.copytree(delivery, tmp_path / "conv")
    return tmp_path / "conv" / f"MU_SCBD_{STEM}.fits"


def rules(path: Path) -> set[str]:
    return {finding.rule for finding in check_file(path, None)}


def test_a_good_delivery_has_no_findings(good):
    Draft(good).write()
    assert [finding for path in good.parent.iterdir() for finding in check_file(path, fitsverify)] == []


@pytest.mark.parametrize(("rule", "besides", "mutation"), BROKEN)
def test_a_broken_rule_is_found_alone(good, rule, besides, mutation):
    draft = Draft(good)
    mutation(draft)
    draft.write()
    assert rules(good) == {rule} | besides


@pytest.mark.parametrize("mutation", BROKEN_IMAGES)
@pytest.mark.parametrize("code", ["SIMD", "SXPM"])
def test_a_broken_image_is_found(good, code, mutation):
    path = good.with_name(f"MU_{code}_{STEM}.fits")
    draft = Draft(path)
    mutation(draft)
    draft.write()
    assert rules(path) == {"CUB-14"}


def test_every_rule_for_cubes_is_broken_by_some_test():
    assert {rule for rule, _, _ in BROKEN} | {"CUB-14"} == {rule for rule in RULES if rule.startswith("CUB-")}


def test_a_quality_extension_with_its_partners_is_fine(good):
    draft = Draft(good)
    quality()(draft)
    draft.write()
    assert rules(good) == set()


def test_kmos_need_not_tell_depth_and_seeing(good):
    draft = Draft(good)
    put(PRIMARY, INSTRUME="KMOS", ABMAGLIM=None, SKY_RES=None, SKY_RERR=None)(draft)
    draft.write()
    assert rules(good) == set()


def test_a_white_light_image_of_another_size_is_found(good):
    path = good.with_name(f"MU_SIMD_{STEM}.fits")
    draft = Draft(path)
    rows = 29
    draft.set(DATA, "NAXIS2", rows)
    del draft.data[DATA][rows * 40 * 4 :]
    draft.write()
    assert rules(path) == set()
    assert [(found.rule, found.message) for found in check_file(good, None)] == [
        ("CUB-13", "the white-light image is of other pixels: 40 x 29 pixels, the cube 40 x 30")
    ]


def test_a_cube_in_the_primary_hdu_is_found(good):
    draft = Draft(good)
    structure = [format_card("NAXIS", 1), format_card("NAXIS1", PLANES)]
    draft.cards[PRIMARY][2:3] = structure
    draft.data[PRIMARY] = bytearray(PLANES)
    draft.write()
    assert rules(good) == {"CUB-01"}


def test_a_delivery_without_the_cube_of_an_image_is_found(good):
    paths = sorted(path for path in good.parent.iterdir() if path != good)
    assert {finding.rule for finding in check_batch(paths)} == {"BAT-01"}
