import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_ab import ABS, PROCESSINGS, science_ab, stack_ab
from phoenix.errors import AssociationError
from phoenix.model.ab import AssociationBlock, Completeness, McalibStatus, PgiEntry, raws_of
from phoenix.model.ab_text import Processing, content_sha256, parse, write
from phoenix.model.outcome import Outcome


@given(ABS, PROCESSINGS)
@settings(max_examples=300)
def test_what_is_written_is_read_back(ab: AssociationBlock, processing: Processing | None) -> None:
    text = write(ab, processing)
    document = parse(text, "x.ab")
    assert document.ab == ab
    assert document.processing == processing
    assert document.render() == text
    assert text.isascii()


#: A text as a person leaves it: other order, comments, blanks, tabs, CRLF, unknown keys, no last newline.
LOOSE_LINES = st.lists(
    st.sampled_from(
        ["# by hand\n", "\n", "  \t\n", "PACK_DIR\tFLAT # old\n", "MASSOC a b\r\n", "#\r\n", "PRODUCTS x\n"]
    )
)


@given(
    ab=ABS,
    loose=LOOSE_LINES,
    random=st.randoms(use_true_random=False),
    last=st.sampled_from(["", "X 1", "# end"]),
)
def test_a_text_of_any_shape_is_rendered_byte_for_byte(ab, loose, random, last) -> None:
    lines = re.findall(r"[^\n]*\n", write(ab)) + loose
    random.shuffle(lines)
    text = "".join(lines) + last
    assert parse(text, "x.ab").render() == text


@given(ABS, ABS, PROCESSINGS, LOOSE_LINES, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_an_edited_document_says_the_new_and_keeps_the_comments(
    before, after, processing, loose, random
) -> None:
    lines = re.findall(r"[^\n]*\n", write(before)) + loose
    random.shuffle(lines)
    document = parse("".join(lines), "x.ab")
    edited = document.edited(after, processing)
    assert (edited.ab, edited.processing) == (after, processing)
    kept = [line.text for line in edited.lines]
    assert all(line.text in kept for line in document.lines if not line.key)


def test_editing_nothing_changes_nothing() -> None:
    text = "# mine\n" + write(science_ab()).replace("RECIPE  ", "RECIPE\t\t") + "PACK_DIR FLAT # old\n"
    document = parse(text, "x.ab")
    assert document.edited(document.ab).render() == text
    assert document.ab.extras == ("PACK_DIR FLAT # old",)


def test_an_edit_touches_its_own_line_only() -> None:
    text = write(science_ab()).replace("DRS_TYPE        CON", "DRS_TYPE   CON # parallel")
    document = parse(text, "x.ab")
    edited = document.edited(replace(document.ab, drs_type="INT", pgis=(PgiEntry("p", "1", "00"),)))
    assert "DRS_TYPE        INT # parallel\n" in edited.render()
    assert "PGI             p 1 00\n" in edited.render()
    untouched = [line for line in text.splitlines() if not line.startswith("DRS_TYPE")]
    assert [line for line in edited.render().splitlines() if line in untouched][: len(untouched)] == untouched


def test_the_form_looks_as_documented() -> None:
    text = write(science_ab(), Processing(Outcome.OK, 3.5, products=(("/p/red.fits", "RED_SCI_POINT_BLUE"),)))
    for line in (
        "AB_NAME         UVES.2019-03-05T03:04:05.678.ab",
        "MJD-OBS_MOD     58547.13131571",
        "PROD_ROOT_NAME  r.UVES.2019-03-05T03:04:05.678",
        "RAW_MATCH_KEY   binx=2",
        "RAWFILE         /data/raw/UVES.2019-03-05T03:04:05.678.fits SCI_POINT_BLUE",
        "MCALIB          REAL /data/masters/bias.fits MASTER_BIAS_BLUE -0.512 0 MANDATORY",
        "MCALIB          STATIC /data/static/ext.fits EXTCOEFF_TABLE 0.0 0 OPTIONAL",
        "WAITFOR         UVES.2019-03-05T10:00:00.000_tpl.ab",
        "PARAM           reduce.tiltcorr=true",
        "TEXEC_AB        3.5",
        "PRODUCT         /p/red.fits RED_SCI_POINT_BLUE",
    ):
        assert f"\n{line}\n" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" COMPLETE\n", " COMPLET\n", "'COMPLET'; expected one of COMPLETE, INCOMPLETE"),
        ("58547.12784349", "nan", "finite number"),
        ("0 MANDATORY", "0 MUST", "MANDATORY or OPTIONAL"),
        ("-0.512 0", "-0.512 high", "a whole number"),
        ("/data/raw/UVES", '"/data/raw/UVES', "cannot be read"),
        ("/data/raw/UVES", '"/data/raw"UVES', "cannot be read"),
        ("/data/raw/UVES", '"/data/raw\\q" UVES', "cannot be read"),
        ("binx=2", "binx", "name=value"),
        ("REAL /data", "/data", "MCALIB with 5 value(s)"),
        ("AB_NAME  ", "DATE x\nAB_NAME  ", "DATE for the second time, first in line 5"),
        ("WAITFOR         UVES", "WAITFOR         UVEX", "WAITFOR names UVEX"),
        ("r.UVES", "UVES", "as AB_NAME says"),
        ("phoenix-ab/1", "phoenix-ab/2", "phoenix-ab/1"),
    ],
)
def test_an_error_names_file_and_line(old: str, new: str, message: str) -> None:
    before = write(science_ab())
    after = before.replace(old, new, 1)
    pairs = enumerate(zip(before.splitlines(), after.splitlines(), strict=False), start=1)
    wrong_line = next(number for number, (one, other) in pairs if one != other)
    with pytest.raises(AssociationError) as caught:
        parse(after, "source/x.ab")
    assert caught.value.subject == f"source/x.ab, line {wrong_line}"
    assert message in str(caught.value)


def test_a_missing_key_is_named() -> None:
    text = re.sub(r"RECIPE .*\n", "", write(science_ab()))
    with pytest.raises(AssociationError, match=r"x\.ab: there is no RECIPE line"):
        parse(text, "x.ab")


@pytest.mark.parametrize(
    "wrong",
    [
        {"mjd_obs": float("nan")},
        {"parameters": (("a=b", "1"),)},
        {"extras": ("RAWFILE a b",)},
        {"extras": ("X 1\nRAWFILE a b",)},
        {"extras": ("# only a comment",)},
    ],
)
def test_what_could_not_be_read_back_is_not_written(wrong: dict[str, object]) -> None:
    with pytest.raises(AssociationError, match="AB UVES"):
        write(science_ab(**wrong))


def test_header_text_cannot_smuggle_lines_in() -> None:
    evil = "B\nMCALIB REAL /etc/passwd MASTER_BIAS_BLUE 0.0 0 MANDATORY\n# "
    ab = science_ab(match_keys=(("slicer", evil),), obs_id=evil)
    assert parse(write(ab), "x.ab").ab == ab
    assert "/etc/passwd" not in [m.source for m in parse(write(ab), "x.ab").ab.mcalibs]


def test_the_content_is_the_same_under_another_version_of_the_rules() -> None:
    assert content_sha256(science_ab()) == content_sha256(science_ab(rules_version="2027-01"))
    assert content_sha256(science_ab()) != content_sha256(science_ab(completeness=Completeness.INCOMPLETE))


def test_a_virtual_calibration_is_waited_for_once() -> None:
    ab = science_ab()
    twice = replace(ab, mcalibs=(*ab.mcalibs, replace(ab.mcalibs[1], tag="MASTER_FLAT_REDL")))
    assert write(twice).count("WAITFOR") == 1
    assert [m.status for m in twice.mcalibs].count(McalibStatus.VIRTUAL) == 2


def test_a_second_step_says_what_it_combines() -> None:
    stack = stack_ab()
    text = write(stack)
    for line in (
        "INPUT           UVES.2019-03-05T03:04:05.678.ab RED_SCI_POINT_BLUE 0 MANDATORY",
        "INPUT           UVES.2019-03-05T03:04:05.678.ab FLUXCAL_SCI_POINT_BLUE 0 OPTIONAL",
        "INPUT           UVES.2019-03-05T03:15:05.678.ab RED_SCI_POINT_BLUE 1 MANDATORY",
        "MIN_INPUTS      2",
        "WAITFOR         UVES.2019-03-05T03:15:05.678.ab",
    ):
        assert text.count(f"\n{line}\n") == 1
    assert (stack.level, stack.waits_for) == (1, stack.input_abs)
    assert "INPUT" not in write(science_ab())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("BLUE 1 MANDATORY", "BLUE one MANDATORY", "a calibration level, a whole number"),
        ("BLUE 1 MANDATORY", "BLUE 1 MUST", "MANDATORY or OPTIONAL"),
        ("BLUE 1 MANDATORY", "BLUE MANDATORY", "INPUT with 3 value(s)"),
        ("MIN_INPUTS      2", "MIN_INPUTS      two", "how many ABs, a whole number"),
    ],
)
def test_a_wrong_input_line_is_told(old: str, new: str, message: str) -> None:
    with pytest.raises(AssociationError, match=r"x\.ab, line \d+") as caught:
        parse(write(stack_ab()).replace(old, new), "x.ab")
    assert message in str(caught.value)


def test_an_input_added_by_hand_needs_its_waitfor_line() -> None:
    text = re.sub(r"WAITFOR .*\n", "", write(stack_ab()))
    with pytest.raises(AssociationError, match="the ABs of the INPUT and VIRTUAL MCALIB lines: UVES"):
        parse(text, "x.ab")


def test_raw_frames_are_reached_through_the_inputs() -> None:
    one, two, deep = science_ab(), science_ab(name="UVES.2019-03-05T03:15:05.678.ab"), stack_ab(inputs=())
    two = replace(two, raws=(*one.raws, replace(one.raws[0], path="/data/raw/second.fits")))
    deep = replace(deep, name="deep.ab", inputs=(replace(stack_ab().inputs[0], ab=stack_ab().name),))
    made_by = {ab.name: ab for ab in (one, two, stack_ab())}
    assert raws_of(deep, made_by) == (one.raws[0], two.raws[1])


def test_a_setting_gives_numbers_as_numbers() -> None:
    ab = science_ab(
        match_keys=(("binx", "2"), ("wlen", "437.5"), ("slicer", "FREE"), ("odd", "nan"), ("no", "1.2.3"))
    )
    assert ab.setting == {"binx": 2, "wlen": 437.5, "slicer": "FREE", "odd": "nan", "no": "1.2.3"}
