"""The contract of our own recipes, held against those who run recipes: what they parse, read and judge."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from phoenix.archive.fitsverify import fitsverify
from phoenix.execution.products import read_products
from phoenix.execution.recipe_log import Severity, parse_line
from phoenix.headers.reader import read_header
from phoenix.idp.card import parse_card
from phoenix.recipes.contract import run
from phoenix.recipes.failure import CplCode, ReductionError
from phoenix.recipes.frames import FrameGroup, Frames, InputClass
from phoenix.recipes.messages import Messages
from phoenix.recipes.parameters import Parameter, ParameterValues
from phoenix.recipes.product import Product
from phoenix.recipes.product_header import text_card
from phoenix.recipes.recipe import Pipeline, Recipe
from phoenix.recipes.registry import PIPELINE

LONG_NAME = "UVES.2019-03-04T10:00:00.000_tpl_a_master_bias_of_a_very_long_name_blue.fits"


def write_frame(path: Path, **keywords: object) -> Path:
    """Write an image; words of a keyword are joined by two underscores."""
    hdu = fits.PrimaryHDU(np.arange(12, dtype=np.float32).reshape(3, 4))
    for name, value in keywords.items():
        words = name.replace("__", " ")
        hdu.header[f"HIERARCH {words}" if " " in words else words] = value
    hdu.writeto(path, checksum=True)
    return path


def add_frames(frames: Frames, parameters: ParameterValues, messages: Messages) -> Sequence[Product]:
    """Add images; told to, it fails in one of the ways a recipe can."""
    match parameters.text("end"):
        case "refuse":
            raise ReductionError(CplCode.DATA_NOT_FOUND, "spectrum", "empty")
        case "crash":
            raise KeyError("an error of ours")
        case "doubt":
            messages.warning("one frame is odd")
    images = [fits.getdata(frame.path) for frame in frames.of_group(FrameGroup.RAW)]
    primary = fits.PrimaryHDU(np.sum(images, axis=0) * parameters.number("scale"))
    primary.header["OBJECT"] = "of the product"
    return [Product("sum.fits", "SUM", fits.HDUList([primary]))]


TOY = Pipeline(
    "toy",
    "2.3.4",
    (
        Recipe(
            "toy_add",
            "Add frames",
            "Adds.",
            (InputClass("IMAGE_*", at_least=1, at_most=3), InputClass("MASTER_*", FrameGroup.CALIB)),
            (
                Parameter("end", "well", "How it ends.", choices=("well", "refuse", "crash", "doubt")),
                Parameter("scale", 1.0, "Factor.", at_least=0.0, at_most=10.0),
                Parameter("count", 3, "A number.", at_least=1),
                Parameter("fast", False, "Hurry."),
            ),
            add_frames,
        ),
    ),
    notice="TOY: not for the sky",
)


@pytest.fixture
def sof(tmp_path: Path) -> Path:
    raw = {"OBJECT": "star", "ESO__OBS__ID": 12, "ESO__DPR__CATG": "SCIENCE", "PRODCATG": "SCIENCE.IMAGE"}
    first = write_frame(
        tmp_path / "a.fits", **raw, ESO__PRO__REC1__ID="x", ESO__PRO__REC1__PIPE__ID="stand-in/1"
    )
    second = write_frame(tmp_path / "b.fits", **raw)
    master = write_frame(tmp_path / LONG_NAME, DATAMD5="0123456789abcdef")
    path = tmp_path / "job.sof"
    path.write_text(f"# comment\n{first} IMAGE_BLUE\n\n{second} IMAGE_BLUE\n{master} MASTER_BIAS\n")
    return path


def execute(tmp_path: Path, sof: Path, *parameters: str, pipeline: Pipeline = TOY) -> int:
    options = [f"--output-dir={tmp_path}", f"--log-dir={tmp_path}", "--log-file=esorex.log"]
    listing = f"--products-sof={tmp_path / 'products.json'}"
    return run(pipeline, [*options, listing, pipeline.recipes[0].name, *parameters, str(sof)])


def test_a_product_is_whole_and_names_all_it_was_made_of(tmp_path: Path, sof: Path) -> None:
    assert execute(tmp_path, sof, "--scale=2.5") == 0
    (product,) = read_products(tmp_path).products
    assert (product.pro_catg, product.problem) == ("SUM", "")
    assert fitsverify(tmp_path / "sum.fits") == []
    assert np.array_equal(fits.getdata(tmp_path / "sum.fits").ravel(), 5.0 * np.arange(12))
    keywords = product.keywords
    recorded = {
        "PRO.CATG": "SUM",
        "PRO.DATANCOM": 2,
        "PRO.SCIENCE": True,
        "PRO.REC1.ID": "toy_add",
        "PRO.REC1.PIPE.ID": "toy/2.3.4",
        "PRO.REC1.RAW1.NAME": "a.fits",
        "PRO.REC1.RAW2.CATG": "IMAGE_BLUE",
        "PRO.REC1.CAL1.NAME": LONG_NAME[:44],
        "PRO.REC1.CAL1.CATG": "MASTER_BIAS",
        "PRO.REC1.CAL1.DATAMD5": "0123456789abcdef",
        "PRO.REC1.PARAM2.NAME": "scale",
        "PRO.REC1.PARAM2.VALUE": "2.5",
        "PRO.REC1.PARAM4.VALUE": "false",
    }
    assert {name: keywords.get(name) for name in recorded} == recorded
    assert (keywords["OBS.ID"], keywords["OBJECT"]) == (12, "of the product")
    assert "PRODCATG" not in keywords


def test_the_pipelines_before_are_remembered(tmp_path: Path, sof: Path) -> None:
    execute(tmp_path, sof)
    keywords = read_header(tmp_path / "sum.fits")
    assert (keywords["PRO.REC2.ID"], keywords["PRO.REC2.PIPE.ID"]) == ("x", "stand-in/1")
    assert "PRO.REC3.PIPE.ID" not in keywords


def test_datamd5_is_that_of_the_data(tmp_path: Path, sof: Path) -> None:
    sums = set()
    for scale in ("1", "1.0", "2"):
        execute(tmp_path, sof, f"--scale={scale}")
        sums.add(read_header(tmp_path / "sum.fits")["DATAMD5"])
    assert len(sums) == 2
    assert all(re.fullmatch("[0-9a-f]{32}", str(md5)) for md5 in sums)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        (["--end=refuse"], CplCode.DATA_NOT_FOUND),
        (["--end=crash"], CplCode.UNSPECIFIED),
        (["--end=maybe"], CplCode.COMMAND_LINE),
        (["--scale=11"], CplCode.COMMAND_LINE),
        (["--scale=nan"], CplCode.COMMAND_LINE),
        (["--count=2.5"], CplCode.COMMAND_LINE),
        (["--fast=perhaps"], CplCode.COMMAND_LINE),
        (["--nonsense=1"], CplCode.COMMAND_LINE),
        (["--scale=2", "another.sof"], CplCode.COMMAND_LINE),
    ],
)
def test_a_bad_end_has_a_code_and_an_error_line_and_no_product(
    tmp_path: Path, sof: Path, capsys: pytest.CaptureFixture[str], parameters: list[str], code: CplCode
) -> None:
    assert execute(tmp_path, sof, *parameters) == code
    lines = [line for text in capsys.readouterr().out.splitlines() if (line := parse_line(text))]
    assert [line for line in lines if line.severity is Severity.ERROR]
    assert not list(tmp_path.glob("*sum.fits*"))
    assert read_products(tmp_path).problem == "the recipe wrote no products.json"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", CplCode.DATA_NOT_FOUND),
        ("{0}/a.fits IMAGE_BLUE\n" * 4, CplCode.DATA_NOT_FOUND),
        ("{0}/a.fits UNKNOWN\n", CplCode.ILLEGAL_INPUT),
        ("{0}/lost.fits IMAGE_BLUE\n", CplCode.FILE_NOT_FOUND),
        ("{0}/a.fits\n", CplCode.BAD_FILE_FORMAT),
    ],
)
def test_a_sof_is_held_against_the_recipe(tmp_path: Path, sof: Path, content: str, code: CplCode) -> None:
    sof.write_text(content.format(tmp_path))
    assert execute(tmp_path, sof) == code


def test_a_missing_sof_is_file_not_found(tmp_path: Path) -> None:
    assert execute(tmp_path, tmp_path / "no.sof") == CplCode.FILE_NOT_FOUND


def test_messages_reach_terminal_and_log(
    tmp_path: Path, sof: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execute(tmp_path, sof, "--end=doubt")
    printed = capsys.readouterr().out.splitlines()
    logged = (tmp_path / "esorex.log").read_text().splitlines()
    assert "TOY: not for the sky" in printed[0]
    assert "TOY: not for the sky" in logged[0]
    assert "[WARNING] toy_add: one frame is odd" in printed
    assert all(re.match(r"\d\d:\d\d:\d\d \[.{7}\] toy_add: \[tid=000\] ", line) for line in logged)
    assert [
        line.text for text in printed if (line := parse_line(text)) and line.severity is Severity.WARNING
    ] == ["one frame is odd"]


def test_questions_are_answered_as_esorex_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = tmp_path / "parameters.json"
    assert run(TOY, [f"--create-config={answer}", "toy_add"]) == 0
    by_name = {entry["display_name"]: entry for entry in json.loads(answer.read_text())}
    assert by_name["end"]["valenum"] == ["well", "refuse", "crash", "doubt"]
    assert (by_name["scale"]["valtype"], by_name["scale"]["valmin"], by_name["scale"]["valmax"]) == (
        "double",
        0,
        10,
    )
    assert (by_name["count"]["valtype"], by_name["fast"]["valtype"]) == ("int", "bool")
    assert (
        run(TOY, ["--man-page", "toy_add"])
        == run(TOY, ["--recipes"])
        == run(TOY, ["--params", "toy_add"])
        == 0
    )
    said = capsys.readouterr().out
    assert "  toy_add -- version 2.3.4\n" in said
    assert re.search(r"^  toy_add\s+: Add frames$", said, re.MULTILINE)
    assert re.search(r"^  scale\s+: 1.0$", said, re.MULTILINE)


def test_what_is_not_known_is_refused() -> None:
    assert run(TOY, ["--man-page", "toy_subtract"]) == 13
    assert run(TOY, ["--colour", "toy_add"]) == CplCode.COMMAND_LINE
    assert run(TOY, ["toy_add"]) == CplCode.COMMAND_LINE


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=100))
def test_a_text_is_cut_to_one_card_as_by_cpl(text: str) -> None:
    card = text_card("HIERARCH ESO PRO REC1 CAL12 NAME", text)
    assert len(card.image) == 80
    # Not read by astropy, which loses a slash behind a quote.
    again = str(parse_card(card.image).value)
    # Blanks at the end of a string mean nothing (FITS standard 4.0, section 4.2.1.1).
    assert text.startswith(again)
    if len(text) + text.count("'") <= 43:
        assert again.rstrip() == text.rstrip()


def test_verified_inputs_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verify = Pipeline("phoenix", "1", tuple(r for r in PIPELINE.recipes if r.name == "phoenix_verify_inputs"))
    good, bad = write_frame(tmp_path / "good.fits"), write_frame(tmp_path / "bad.fits")
    content = bytearray(bad.read_bytes())
    content[2880:2884] = b"\x7f\xc0\x00\x00"  # the first pixel: not a number
    bad.write_bytes(content)
    sof = tmp_path / "job.sof"
    sof.write_text(f"{good} ANY\n{bad} ANY\n")
    assert execute(tmp_path, sof, pipeline=verify) == 0
    assert "bad.fits, HDU 0: DATASUM wrong" in capsys.readouterr().out
    with fits.open(tmp_path / "input_report.fits") as hdus:
        rows = {row["FILE"]: row for row in hdus[1].data}
    assert (rows["good.fits"]["DATASUM"], rows["good.fits"]["N_NOT_FINITE"]) == ("fits", 0)
    assert (rows["bad.fits"]["DATASUM"], rows["bad.fits"]["N_NOT_FINITE"]) == ("wrong", 1)
    assert execute(tmp_path, sof, "--wrong-sums=fail", pipeline=verify) == CplCode.BAD_FILE_FORMAT
    bad.write_bytes(content[:3000])
    assert execute(tmp_path, sof, pipeline=verify) == CplCode.BAD_FILE_FORMAT
