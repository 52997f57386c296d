"""Each rule is broken on its own in a good file, and found; nothing else is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from idp_draft import Draft
from phoenix.archive.fitsverify import fitsverify
from phoenix.idp.card import format_card
from phoenix.idp.checks.batch import check_batch
from phoenix.idp.checks.rules import RULES
from phoenix.idp.checks.runner import check_file
from phoenix.idp.fitsfile import read_fits
from phoenix.idp.registry import find_converter
from phoenix.instruments import load
from products_uves import ARCFILE, STEM, Science

load("UVES", "idp")

PRIMARY, TABLE = 0, 1


def column(draft: Draft, name: str) -> np.ndarray:
    """Return a column, writable, in the byte order of the file."""
    offset = 0
    for label, code, repeat in read_fits(draft.path).hdus[TABLE].column_layout():
        dtype = np.dtype({"D": ">f8", "E": ">f4", "J": ">i4"}[code])
        if label == name:
            return np.frombuffer(memoryview(draft.data[TABLE]), dtype, repeat, offset)
        offset += repeat * dtype.itemsize
    raise KeyError(name)


Mutation = Callable[[Draft], None]


def put(hdu: int, **values: object) -> Mutation:
    """Set keywords; MJD_OBS stands for MJD-OBS."""

    def change(draft: Draft) -> None:
        for keyword, value in values.items():
            draft.set(hdu, keyword.replace("MJD_", "MJD-"), value)

    return change


def both(**values: object) -> Mutation:
    def change(draft: Draft) -> None:
        put(PRIMARY, **values)(draft)
        put(TABLE, **values)(draft)

    return change


def append(hdu: int, card: str) -> Mutation:
    return lambda draft: draft.cards[hdu].append(f"{card:<80}")


def pixel(name: str, index: int, value: float) -> Mutation:
    def change(draft: Draft) -> None:
        column(draft, name)[index] = value

    return change


def extension(name: str) -> Mutation:
    """Add an image extension."""

    def change(draft: Draft) -> None:
        cards = [format_card("XTENSION", "IMAGE"), format_card("BITPIX", 8), format_card("NAXIS", 0)]
        cards += [format_card("PCOUNT", 0), format_card("GCOUNT", 1)]
        draft.cards.append([*cards, *([format_card("EXTNAME", name)] if name else [])])
        draft.data.append(bytearray())

    return change


def another_row(draft: Draft) -> None:
    """A second row, as files of other projects have."""
    draft.set(TABLE, "NAXIS2", 2)
    draft.data[TABLE] *= 2


def heap(draft: Draft) -> None:
    """Room for arrays of variable length."""
    draft.set(TABLE, "PCOUNT", 2880)
    draft.data[TABLE] += bytes(2880)


def outside(draft: Draft) -> None:
    """A name that leads to a file that is there, but not beside the product."""
    (draft.path.parent.parent / "outside.fits").write_bytes(b"x")
    draft.set(PRIMARY, "ASSON1", "../outside.fits")


#: (rule, rules that cannot help being broken as well, what is done to a good file).
BROKEN: list[tuple[str, set[str], Mutation]] = [
    ("ALL-03", set(), append(PRIMARY, "CONTINUE  'more'")),
    ("ALL-03", set(), append(TABLE, "LONGSTRN= 'OGIP 1.0'")),
    ("ALL-04", set(), put(PRIMARY, PROG_ID=None)),
    ("ALL-04", set(), put(PRIMARY, PROCSOFT="")),
    ("ALL-04", set(), put(PRIMARY, REFERENC=None)),
    ("ALL-04", set(), put(PRIMARY, ORIGIN="NASA")),
    ("ALL-04", set(), put(PRIMARY, DATE="yesterday")),
    ("ALL-05", set(), put(TABLE, PRODCATG="SCIENCE.SPECTRUM")),
    ("ALL-05", set(), put(TABLE, ORIGFILE="x.fits")),
    ("ALL-05", set(), put(PRIMARY, PRODCATG="SCIENCE.MAGIC")),
    ("ALL-06", set(), put(PRIMARY, RADESYS="FK4")),
    ("ALL-06", set(), put(PRIMARY, EQUINOX=None)),
    ("ALL-06", set(), put(PRIMARY, EQUINOX=1950.0)),
    ("ALL-06", set(), both(RA=361.0)),
    ("ALL-06", set(), both(DEC=-90.5)),
    ("ALL-07", set(), put(PRIMARY, TIMESYS="TT")),
    ("ALL-07", {"SPC-11"}, put(PRIMARY, MJD_END=88069.0)),
    ("ALL-07", {"SPC-11", "ALL-08"}, put(PRIMARY, MJD_END=58547.0)),
    ("ALL-07", {"SPC-11"}, put(PRIMARY, MJD_OBS=40000.0)),
    ("ALL-08", set(), put(PRIMARY, EXPTIME=600.02)),
    ("ALL-08", set(), put(PRIMARY, EXPTIME=0.0)),
    ("ALL-08", {"SPC-11"}, put(PRIMARY, TEXPTIME=601.0)),
    ("ALL-09", set(), put(PRIMARY, CDELT1=0.1)),
    ("ALL-09", set(), put(TABLE, CROTA2=1.0)),
    ("ALL-10", set(), put(PRIMARY, PROG_ID="MULTI")),
    ("ALL-10", set(), put(PRIMARY, PROGID1="099.A-0023(B)")),
    ("ALL-10", set(), put(PRIMARY, INSTRUME="MULTI", INSTR1="UVES", INSTR2="UVES")),
    ("ALL-10", set(), put(PRIMARY, OBID02=1)),
    ("ALL-10", set(), put(PRIMARY, OBID2=200123)),
    ("ALL-11", set(), put(PRIMARY, NCOMBINE=0)),
    ("ALL-11", set(), put(PRIMARY, ABMAGLIM=-99.0)),
    ("ALL-11", set(), put(PRIMARY, FLUXCAL="RELATIVE")),
    ("ALL-11", set(), put(PRIMARY, STREHL=1.5)),
    ("ALL-12", set(), put(PRIMARY, PROV1=None)),
    ("ALL-12", set(), put(PRIMARY, PROV1=None, PROV01=ARCFILE)),
    ("ALL-12", set(), put(PRIMARY, PROV2=ARCFILE)),
    ("ALL-12", set(), put(PRIMARY, PROV1=f"{ARCFILE}[1]")),
    ("ALL-12", set(), put(PRIMARY, PROVXTN=True)),
    ("ALL-12", set(), put(PRIMARY, PROV3="b.fits")),
    ("ALL-13", {"SPC-03"}, put(TABLE, EXTNAME=None)),
    ("ALL-13", {"SPC-06"}, put(TABLE, EXTNAME="PHASE3CATALOG")),
    ("ALL-13", {"SPC-01"}, extension("SPECTRUM")),
    ("ALL-14", set(), put(PRIMARY, ASSOM2=None)),
    ("ALL-14", set(), put(PRIMARY, ASSOM2="0" * 32)),
    ("ALL-14", set(), put(PRIMARY, ASSOC2="ANCILLARY.MAGIC")),
    ("ALL-14", set(), put(PRIMARY, ASSOC1="ANCILLARY.README")),
    ("ALL-14", set(), put(PRIMARY, ASSON1="missing.fits")),
    ("ALL-14", set(), outside),
    ("ALL-14", set(), put(PRIMARY, ASSOC9="ANCILLARY.README")),
    ("ALL-15", set(), put(PRIMARY, PROCSOFT="stand-in/1.0.0")),
    ("ALL-15", set(), append(PRIMARY, "HIERARCH ESO PRO REC2 PIPE ID = 'stand-in/1.0.0'")),
    ("SPC-01", set(), another_row),
    ("SPC-01", set(), heap),
    ("SPC-01", set(), extension("OTHER")),
    ("SPC-02", set(), put(PRIMARY, SNR=None)),
    ("SPC-02", set(), put(PRIMARY, EXT_OBJ=None)),
    ("SPC-03", set(), put(TABLE, VOPUB=None)),
    ("SPC-03", set(), put(TABLE, TDMIN1=None)),
    ("SPC-04", set(), put(PRIMARY, BUNIT="adu")),
    ("SPC-04", set(), put(PRIMARY, CD1_1=1.0)),
    ("SPC-04", set(), put(TABLE, BUNIT="adu")),
    ("SPC-05", set(), put(PRIMARY, SPECSYS="MARS")),
    ("SPC-06", set(), put(TABLE, VOPUB="MAST")),
    ("SPC-06", set(), put(TABLE, VOCLASS="SPECTRUM v3.0")),
    ("SPC-06", set(), put(TABLE, EXTNAME="SPEC")),
    ("SPC-07", set(), put(TABLE, APERTURE=1.0)),
    ("SPC-07", set(), put(PRIMARY, SPEC_RES=0.0)),
    ("SPC-08", set(), put(PRIMARY, CONTNORM="F")),
    ("SPC-09", set(), put(TABLE, TUCD4=None)),
    ("SPC-09", set(), put(TABLE, NELEM=5)),
    ("SPC-09", set(), put(TABLE, TFORM8="850PE(3)")),
    ("SPC-10", set(), put(TABLE, RA=83.000001)),
    ("SPC-10", set(), put(TABLE, OBJECT="another")),
    ("SPC-10", set(), put(TABLE, TITLE="nameless")),
    ("SPC-11", set(), put(TABLE, TELAPSE=601.0)),
    ("SPC-11", set(), put(TABLE, TMID=58547.2)),
    ("SPC-11", set(), put(TABLE, SPEC_VAL=400.0)),
    ("SPC-11", set(), put(TABLE, SPEC_BW=1.0)),
    ("SPC-11", set(), put(TABLE, TDMIN1=374.2)),
    ("SPC-12", set(), put(PRIMARY, SPEC_BIN=0.5)),
    ("SPC-12", {"SPC-11"}, put(PRIMARY, WAVELMIN=3749.5)),
    ("SPC-12", {"SPC-11"}, put(PRIMARY, WAVELMIN=370.0)),
    ("SPC-12", set(), pixel("WAVE", 400, 3742.0)),
    ("SPC-13", set(), put(TABLE, TUTYP2="spec:Data.FluxAxis.Magic")),
    ("SPC-13", set(), put(TABLE, TTYPE3="SIGMA")),
    ("SPC-13", set(), put(TABLE, TUNIT3="percent")),
    ("SPC-13", set(), put(TABLE, TTYPE4="SKYBACK")),
    ("SPC-13", set(), put(TABLE, TUNIT1="parsec")),
    ("SPC-13", set(), put(TABLE, TUCD1="em.freq")),
    ("SPC-14", set(), put(PRIMARY, FLUXERR=-1.0)),
    ("SPC-14", set(), put(PRIMARY, FLUXERR=101.0)),
    ("SPC-14", set(), put(PRIMARY, FLUXCAL="UNCALIBRATED")),
    ("SPC-14", set(), put(PRIMARY, FLUXCAL="UNCALIBRATED", FLUXERR=-1.0, TOT_FLUX=True)),
    ("SPC-14", set(), pixel("FLUX", 7, np.inf)),
]
#: Rules with a test of their own below or, for FIT-01, in the tests of the reader.
ELSEWHERE = {"FIT-01", "FIT-02", "ALL-01", "ALL-02", "BAT-01"}


@pytest.fixture(scope="module")
def delivery(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("delivery")
    find_converter("uves_spectrum")(Science(folder / "products").write().job(folder / "conv"))
    return folder / "conv"


@pytest.fixture
def good(delivery, tmp_path) -> Path:
    """A good spectrum with its ancillary files, free to be broken."""
    shutil.copytree(delivery, tmp_path / "conv")
    return tmp_path / "conv" / f"{STEM}.fits"


def rules(path: Path) -> set[str]:
    return {finding.rule for finding in check_file(path, None)}


def test_a_good_file_has_no_findings(good):
    Draft(good).write()
    assert check_file(good, fitsverify) == []


@pytest.mark.parametrize(("rule", "besides", "mutation"), BROKEN)
def test_a_broken_rule_is_found_alone(good, rule, besides, mutation):
    draft = Draft(good)
    mutation(draft)
    draft.write()
    assert rules(good) == {rule} | besides


def test_every_rule_is_broken_by_some_test():
    of_spectra = {rule for rule in RULES if not rule.startswith(("CUB-", "IMG-"))}
    assert {rule for rule, _, _ in BROKEN} | ELSEWHERE == of_spectra


@pytest.mark.parametrize(
    "name", ["with blank.fits", "x" * 64 + ".fits", "spectrum.dat", "s.fits.fz", "semi;colon.fits"]
)
def test_a_bad_name_is_found(good, name):
    path = good.rename(good.with_name(name))
    assert rules(path) == {"ALL-01"}


def test_names_of_other_files_count_too(good):
    assert rules(good.with_name(f"{STEM}_qc.png")) == set()
    assert rules(good.with_name(f"{STEM}_qc.png").rename(good.with_name("a b.png"))) == {"ALL-01"}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"/ observatory", b"/ Observatory", ["CHECKSUM is wrong"]),
        (b"CHECKSUM=", b"CHECKSUN=", ["CHECKSUM is missing"]),
        (b"DATASUM =", b"DATASUN =", ["CHECKSUM is wrong", "DATASUM is missing"]),
    ],
)
def test_a_changed_header_is_found(good, old, new, found):
    good.write_bytes(good.read_bytes().replace(old, new, 1))
    assert [finding.message for finding in check_file(good, None)] == found


def test_a_changed_bit_of_the_data_is_found(good):
    content = bytearray(good.read_bytes())
    content[-4000] ^= 1
    good.write_bytes(bytes(content))
    assert [(finding.rule, finding.message) for finding in check_file(good, None)] == [
        ("ALL-02", "CHECKSUM is wrong"),
        ("ALL-02", "DATASUM is wrong"),
    ]


def test_what_only_fitsverify_sees_is_found(good):
    draft = Draft(good)
    append(PRIMARY, "lower   =                    1")(draft)
    draft.write()
    assert rules(good) == set()
    assert {finding.rule for finding in check_file(good, fitsverify)} == {"FIT-02"}


def test_an_ancillary_file_is_checked_as_one(good):
    path = good.with_name(f"{STEM}_2d.fits")
    assert check_file(path, fitsverify) == []
    draft = Draft(path)
    draft.set(PRIMARY, "PRODCATG", "ANCILLARY.MOSSKY")
    draft.write()
    assert rules(path) == {"ALL-05"}


def test_xshooter_may_leave_out_ext_obj(good):
    draft = Draft(good)
    put(PRIMARY, INSTRUME="XSHOOTER", EXT_OBJ=None)(draft)
    draft.write()
    assert rules(good) == set()


def test_provenance_of_several_sources_and_programmes_is_fine(good):
    draft = Draft(good)
    put(PRIMARY, PROV2="b.fits", PROG_ID="MULTI", PROGID1="a", PROGID2="b", OBID2=7, NCOMBINE=2)(draft)
    draft.write()
    assert rules(good) == set()


def test_a_good_batch_has_no_findings(good, delivery):
    raws = {ARCFILE: delivery.parent / "products" / "raw.fits"}
    assert check_batch(sorted(good.parent.iterdir()), raws) == []


def copy(good: Path, **values: object) -> Path:
    """A second product beside the first."""
    path = good.with_name("second.fits")
    shutil.copy(good, path)
    draft = Draft(path)
    for keyword, value in values.items():
        hdu = TABLE if keyword == "TITLE" else PRIMARY
        put(hdu, **{keyword: value})(draft)
    draft.write()
    return path


def told(paths: list[Path], raws: dict[str, Path] | None = None) -> str:
    findings = check_batch(paths, raws)
    assert {finding.rule for finding in findings} == {"BAT-01"}
    return "; ".join(f"{finding.where}: {finding.message}" for finding in findings)


def test_a_title_that_is_there_twice_is_found(good):
    assert "2 spectra have it" in told([good, copy(good)])


def test_a_name_that_is_there_twice_is_found(good, delivery):
    assert "the file name is there 2 times" in told([good, delivery / good.name])


def test_a_file_nobody_names_is_found(good):
    stray = good.with_name("stray.png")
    stray.write_bytes(b"x")
    assert told([good, stray]) == "stray.png: neither a science product nor the ancillary file of one"


def test_an_unknown_source_is_found(good):
    assert f"source {ARCFILE} is not known" in told([good], {})


def test_an_unreadable_source_is_found(good, tmp_path):
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"no FITS")
    assert f"source {ARCFILE} cannot be read" in told([good], {ARCFILE: broken})


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("TELESCOP", "ESO-VLT-U1"),
        ("INSTRUME", "FORS2"),
        ("PROG_ID", "060.A-9022(A)"),
        ("OBID1", 7),
        ("NCOMBINE", 2),
        ("MJD_OBS", 58547.2),
        ("MJD_END", 58547.2),
        ("TEXPTIME", 300.0),
    ],
)
def test_a_keyword_its_sources_contradict_is_found(good, delivery, keyword, value):
    path = copy(good, **{keyword: value, "TITLE": "HD 1'2 second"})
    assert keyword.replace("MJD_", "MJD-").replace("OBID1", "OBIDi") in told(
        [path], {ARCFILE: delivery.parent / "products" / "raw.fits"}
    )


def test_a_frame_on_the_sky_is_no_source_of_a_spectrum(good, delivery):
    raw = delivery.parent / "products" / "raw.fits"
    fits.setval(raw, "HIERARCH ESO DPR TYPE", value="SKY")
    assert f"source {ARCFILE} is a frame on the sky" in told([good], {ARCFILE: raw})


def test_a_product_made_of_products_of_the_same_delivery_is_fine(good):
    path = copy(good, PROV1=good.name, TITLE="HD 1'2 stack")
    findings = check_batch([good, path], {ARCFILE: good.parent.parent / "nowhere.fits"})
    assert [finding.where for finding in findings] == [good.name]
