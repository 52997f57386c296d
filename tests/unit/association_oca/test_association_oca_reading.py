"""OCA text becomes a syntax tree, or an error that names file, line and column."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from phoenix.association.oca.parser import parse, read
from phoenix.association.oca.tokens import OcaError
from phoenix.association.oca.tree import (
    And,
    Comparison,
    Constant,
    Defined,
    Expression,
    Keyword,
    Not,
    Or,
    Sum,
)
from phoenix.association.oca.wording import written

WHOLE = """
// classification
if DPR.CATG == "CALIB" and (DPR.TYPE == 'BIAS' or DPR.TYPE like "%DARK%") then
{
  RAW.TYPE = "BIAS"; /* two
  lines */ REFLEX.CATG = "BIAS_RED";
}

minRet = 5;
select execute(MAKE_BIAS) from inputFiles where RAW.TYPE=="BIAS"
  group by DET.WIN1.BINX, TPL.START as (TPL_A,tpl);
select execute(SCIENCE) from inputFiles where SIG.FRAME == 1;

action MAKE_BIAS { recipe mbias; product MASTER_BIAS { PRO.CATG="MASTER_BIAS"; PRO.EXT="tpl_0000.fits"; } }

action SCIENCE
{
  minRet = 0; maxRet = 2;
  select file as BIAS from calibFiles where PRO.CATG=="MASTER_BIAS" and inputFile.DET.CHIPS==DET.CHIPS;
  select file as DARK from calibFiles where PRO.CATG=="DARK" and MJD-OBS < inputFile.MJD-OBS + 3;
  priority = 30;
  recipe scired { "--tiltcorr=true"; "--nifu=-1 --merge" ; };
}
"""


def condition(text: str) -> Expression:
    return parse(f'if {text} then {{ A = "b"; }}').classifications[0].condition


def test_a_whole_file_becomes_its_tree() -> None:
    oca = parse(WHOLE, "uves.oca")

    (rule,) = oca.classifications
    assert rule.condition == And(
        (
            Comparison(Keyword("DPR.CATG"), "==", Constant("CALIB")),
            Or(
                (
                    Comparison(Keyword("DPR.TYPE"), "==", Constant("BIAS")),
                    Comparison(Keyword("DPR.TYPE"), "like", Constant("%DARK%")),
                )
            ),
        )
    )
    assert [(a.keyword, a.value) for a in rule.assignments] == [
        ("RAW.TYPE", Constant("BIAS")),
        ("REFLEX.CATG", Constant("BIAS_RED")),
    ]
    assert str(rule.position) == "uves.oca:3:1"

    bias, science = oca.organisations
    assert (bias.action, bias.source, bias.group_by, bias.event) == (
        "MAKE_BIAS",
        "inputFiles",
        ("DET.WIN1.BINX", "TPL.START"),
        ("TPL_A", "tpl"),
    )
    assert bias.minimum == 5
    assert (science.group_by, science.event) == ((), ())
    assert science.minimum is None, "a minRet holds for the next select only"

    make, reduce = oca.actions
    assert make.products[0].tag == "MASTER_BIAS"
    assert make.recipe is not None
    assert (make.recipe.name, make.recipe.options) == ("mbias", ())
    assert reduce.recipe is not None
    assert reduce.recipe.options == ("--tiltcorr=true", "--nifu=-1 --merge")
    assert [(a.tag, a.minimum, a.maximum) for a in reduce.associations] == [
        ("BIAS", 0, 2),
        ("DARK", None, None),
    ]
    assert [(s.keyword, s.value) for s in reduce.settings] == [("priority", Constant(30))]
    assert reduce.associations[1].condition == And(
        (
            Comparison(Keyword("PRO.CATG"), "==", Constant("DARK")),
            Comparison(
                Keyword("MJD-OBS"), "<", Sum(((1, Keyword("MJD-OBS", of_input=True)), (1, Constant(3))))
            ),
        )
    )
    assert oca.association_count == 2
    assert oca.action("SCIENCE") is reduce
    assert oca.action("NONE") is None


def test_and_binds_closer_than_or_and_not_closer_than_and() -> None:
    a, b, c = (Comparison(Keyword(name), "==", Constant(1)) for name in "ABC")
    assert condition("A==1 or B==1 and not C==1") == Or((a, And((b, Not(c)))))
    assert condition("(A==1 or B==1) and C==1") == And((Or((a, b)), c))
    assert condition("not not A==1") == a


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("USERTBL is undefined", Defined(Keyword("USERTBL"), wanted=False)),
        ("USERTBL is not undefined", Defined(Keyword("USERTBL"), wanted=True)),
        ("A is 'x'", Comparison(Keyword("A"), "==", Constant("x"))),
        ("A regexp 'MUSE_[wn]fm'", Comparison(Keyword("A"), "regexp", Constant("MUSE_[wn]fm"))),
        ("A == 1.50e1", Comparison(Keyword("A"), "==", Constant(15.0))),
        ("A == -2", Comparison(Keyword("A"), "==", Sum(((-1, Constant(2)),)))),
        ("A == True", Comparison(Keyword("A"), "==", Constant(True))),
        ("MJD-OBS - 3 > 0", Comparison(Sum(((1, Keyword("MJD-OBS")), (-1, Constant(3)))), ">", Constant(0))),
        ("A LIKE '%' AND B != 2", None),
    ],
)
def test_each_kind_of_condition(text: str, tree: Expression | None) -> None:
    if tree is None:
        assert isinstance(condition(text), And), "the words of the language are known in any case"
    else:
        assert condition(text) == tree


@pytest.mark.parametrize(
    ("text", "place", "found", "expected"),
    [
        ('if A == "b then { C = 1; }', "x.oca:1:9", "a string that does not end", ""),
        ("if A == 1 then\n{ B = 1", "x.oca:2:7", "the end of the file", "';'"),
        ("if A == then { }", "x.oca:1:9", "'then'", "keyword, string, number"),
        ("\n\n  if A ? 1 then { }", "x.oca:3:8", "the character '?'", ""),
        ("select execute(X) from inputFiles where A==1 group ARCFILE;", "x.oca:1:52", "'ARCFILE'", "'by'"),
        ("select file as X from calibFiles where A==1;", "x.oca:1:8", "'file'", "'execute'"),
        ("action A { recipe r; recipe s; }", "x.oca:1:22", "a second recipe", "one recipe"),
        ("action A { }\naction A { }", "x.oca:1:1", "defined 2 times", "once"),
        ('action A { recipe r { "--a=1"; b } }', "x.oca:1:32", "'b'", "an option"),
        ("action A { 3 }", "x.oca:1:12", "'3'", "select file, recipe, product"),
        ("minRet = many;", "x.oca:1:1", "no whole number", "0, 1, 3"),
        ("priority = 3;", "x.oca:1:1", "begins no rule", "if, select execute"),
        ("/* never ends", "x.oca:1:1", "a comment that does not end", ""),
        ("if A regexp '[' then { }", "x.oca:1:13", "no regular expression", "compiles"),
        ("if A like B then { }", "x.oca:1:11", "'B'", "a string"),
        ("if " + "(" * 150 + "A", "x.oca:1:104", "more than 100", "people can read"),
        ("#ifdef UVES\n#endif", "x.oca:1:1", "#ifdef UVES", "#include"),
        ("#define F(x) x", "x.oca:1:1", "the macro F has arguments", "plain name"),
        ('A = 1 #include "b.h"', "x.oca:1:7", "does not begin the line", ""),
        ('#include "missing.h"', "x.oca:1:1", "includes missing.h", "a file"),
    ],
)
def test_an_error_names_place_what_was_found_and_what_was_expected(
    text: str, place: str, found: str, expected: str, tmp_path: Path
) -> None:
    with pytest.raises(OcaError) as caught:
        parse(text, "x.oca", tmp_path)
    assert caught.value.subject == place
    assert found in caught.value.found
    assert expected in caught.value.expected
    assert caught.value.exit_code == 2


def test_includes_and_macros_are_put_in_and_errors_name_the_included_file(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "OCA_macro.h").write_text(
        "#define SAME_CHIP inputFile.DET.CHIPS==DET.CHIPS \\\n  and UVES_ONLY // both\n"
        '#define UVES_ONLY INSTRUME=="UVES"\n'
    )
    (tmp_path / "parts" / "uves_association.h").write_text(
        "action A {\n select file as B from calibFiles where SAME_CHIP;\n}\n"
    )
    main = tmp_path / "uves.oca"
    main.write_text('#include "OCA_macro.h"\n#include "parts/uves_association.h"\n')

    association = read(main).actions[0].associations[0]
    assert written(association.condition) == 'inputFile.DET.CHIPS == DET.CHIPS and INSTRUME == "UVES"'
    assert str(association.position) == "uves_association.h:2:2"

    (tmp_path / "parts" / "uves_association.h").write_text("action A {\n mistake\n}\n")
    with pytest.raises(OcaError) as caught:
        read(main)
    assert caught.value.subject == "uves_association.h:3:1"


def test_files_that_include_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.h").write_text('#include "b.h"\n')
    (tmp_path / "b.h").write_text('#include "a.h"\n')
    with pytest.raises(OcaError, match=r"b\.h:1:1: includes a\.h, which includes this file"):
        read(tmp_path / "a.h")


def test_a_macro_may_be_taken_back_and_does_not_expand_within_itself() -> None:
    oca = parse("#define A A\n#define B 1\nif A == B then { C = 1; }\n#undef B\nif A == B then { C = 1; }\n")
    assert [written(rule.condition) for rule in oca.classifications] == ["A == 1", "A == B"]


def test_macros_that_grow_without_end_are_refused() -> None:
    lines = [f"#define M{i} M{i + 1} M{i + 1} M{i + 1} M{i + 1}" for i in range(40)]
    with pytest.raises(OcaError, match="words"):
        parse("\n".join([*lines, "M0"]))


def test_markers_of_the_preprocessor_give_places_in_the_original_files() -> None:
    text = (
        '# 1 "uves.oca"\n# 7 "uves_classification.h" 1\n\nif A == 1 then { B = 1; }\n# 2 "uves.oca" 2\nwrong'
    )
    with pytest.raises(OcaError) as caught:
        parse(text, "uves.RLS")
    assert caught.value.subject == "uves.oca:2:1"
    text = text.removesuffix("wrong")
    assert str(parse(text, "uves.RLS").classifications[0].position) == "uves_classification.h:8:1"


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OcaError, match=r"none\.oca: cannot be read"):
        read(tmp_path / "none.oca")


names = st.sampled_from(["DPR.CATG", "MJD-OBS", "TPL.ID", "DET.WIN1.BINX", "OBS.ID"])
constants = st.one_of(
    st.text(st.characters(codec="ascii", exclude_characters="\"'\n\r\\"), max_size=8).map(Constant),
    st.integers(0, 10**9).map(Constant),
    st.floats(0, 1e9).map(Constant),
    st.booleans().map(Constant),
)
operands = st.one_of(constants, st.builds(Keyword, names, st.booleans()))
signed = st.tuples(st.sampled_from([1, -1]), operands)
sums = st.builds(
    lambda first, rest: Sum(((1, first), *rest)), operands, st.lists(signed, min_size=1).map(tuple)
)
terms = st.one_of(
    st.builds(
        Comparison,
        st.one_of(operands, sums),
        st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
        st.one_of(operands, sums),
    ),
    st.builds(Comparison, st.builds(Keyword, names), st.just("like"), st.just(Constant("%A%"))),
    st.builds(Defined, st.builds(Keyword, names), st.booleans()),
)
conditions = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds(Not, inner.filter(lambda term: not isinstance(term, Not))),
        st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(conditions)
def test_a_written_condition_reads_as_itself(tree: Expression) -> None:
    assert condition(written(tree)) == tree


OCA_WORDS = """if then select execute file as from where group by action recipe product and or not like
regexp is undefined minRet maxRet inputFile.A DPR.CATG MJD-OBS ( ) { } ; , = == != < + - 1 2.5 "x" 'y' //
/* */ #define #include " # \\"""
vocabulary = st.sampled_from(OCA_WORDS.split())


@given(st.one_of(st.text(), st.lists(vocabulary).map(" ".join), st.lists(vocabulary).map("\n".join)))
@example("((" * 5000)
@example("if " + "not " * 5000 + "A")
@example("if " + "A - " * 5000)
@example("if A == " + "9" * 5000)
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    place = None
    try:
        parse(text, "any.oca", Path("/nonexistent"))
    except OcaError as error:
        place = error.subject
    # A line marker may name another file.
    assert place is None or re.fullmatch(r".*:-?\d+:\d+", place)
