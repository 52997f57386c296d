"""OCA conditions held against header values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix.association.oca.evaluate import class_of, classify, holds
from phoenix.association.oca.logic import alternatives
from phoenix.association.oca.parser import parse
from phoenix.association.oca.tokens import OcaError, Position
from phoenix.association.oca.tree import Expression
from phoenix.model.frame import Value

HEADER: dict[str, Value] = {
    "DPR.CATG": "CALIB",
    "DPR.TYPE": "LAMP,FLAT",
    "DET.CHIPS": 2,
    "MJD-OBS": 58546.25,
    "INS.SHUT1.ST": True,
}
PLACE = Position("x.oca", 1, 1)


def condition(text: str) -> Expression:
    return parse(f"if {text} then {{ A = 1; }}").classifications[0].condition


@pytest.mark.parametrize(
    "text",
    [
        'DPR.CATG == "CALIB"',
        'DPR.CATG != "SCIENCE"',
        'DPR.TYPE like "%FLAT%"',
        'DPR.TYPE like "LAMP%T"',
        'DPR.TYPE regexp "LAMP,[DF]LAT"',
        "DET.CHIPS == 2.0",
        "DET.CHIPS >= 2 and DET.CHIPS <= 2 and DET.CHIPS < 3 and DET.CHIPS > 1",
        "MJD-OBS > 58549 - 3",
        'DPR.CATG < "SCIENCE"',
        "INS.SHUT1.ST == true",
        "OBS.ID is undefined",
        "DPR.CATG is not undefined",
        'not (DPR.CATG == "SCIENCE")',
        'DPR.CATG == "SCIENCE" or DET.CHIPS == 2',
    ],
)
def test_these_hold(text: str) -> None:
    assert holds(condition(text), HEADER)


@pytest.mark.parametrize(
    "text",
    [
        'DPR.CATG == "calib"',
        'DPR.TYPE like "FLAT"',
        'DPR.TYPE like "l%"',
        'DET.CHIPS == "2"',
        "INS.SHUT1.ST == 1",
        'DET.CHIPS < "3"',
        "OBS.ID == 1",
        "OBS.ID != 1",
        "OBS.ID + 1 > 0",
        "DPR.CATG + 1 > 0",
        "OBS.ID is not undefined",
        "inputFile.DET.CHIPS == DET.CHIPS",
        "DET.CHIPS",
    ],
)
def test_these_do_not_hold(text: str) -> None:
    assert not holds(condition(text), HEADER)


def test_an_association_compares_candidate_and_input_file() -> None:
    same_binning = condition("inputFile.DET.CHIPS == DET.CHIPS and MJD-OBS < inputFile.MJD-OBS + 3")
    assert holds(same_binning, HEADER, {"DET.CHIPS": 2, "MJD-OBS": 58544.0})
    assert not holds(same_binning, HEADER, {"DET.CHIPS": 2, "MJD-OBS": 58543.0})
    assert not holds(same_binning, HEADER, {"DET.CHIPS": 1, "MJD-OBS": 58544.0})


def test_later_rules_overwrite_earlier_ones_and_see_what_they_set() -> None:
    oca = parse(
        """
        if DPR.TYPE like "%FLAT%" then { DO.CATG = "FLAT"; RAW.TYPE = "FLAT"; }
        if DPR.TYPE == "LAMP,FLAT" then { DO.CATG = "LAMP_FLAT"; }
        if RAW.TYPE == "FLAT" then { PACK.DIR = "SPEC_FLAT"; INS.BLUE = INS.OPTI1.NAME like "Blue%"; }
        """
    )
    attributes = classify(oca, HEADER)
    assert attributes == {
        "DO.CATG": "LAMP_FLAT",
        "RAW.TYPE": "FLAT",
        "PACK.DIR": "SPEC_FLAT",
        "INS.BLUE": False,
    }
    assert class_of(attributes) == "LAMP_FLAT"
    assert HEADER.get("RAW.TYPE") is None, "the header itself is not touched"
    assert classify(oca, {}) == {}
    assert class_of({}) is None


def test_the_class_is_reflex_s_before_that_of_dfos_and_gasgano() -> None:
    assert class_of({"DO.CATG": "A", "DO.CLASS": "B", "REFLEX.CATG": "C"}) == "C"
    assert class_of({"DO.CATG": "A", "DO.CLASS": "B"}) == "B"


values = st.fixed_dictionaries({name: st.integers(0, 2) for name in "ABC"})
atoms = st.builds(
    "{} {} {}".format, st.sampled_from("ABC"), st.sampled_from(["==", "!=", "<", ">="]), st.integers(0, 2)
)
texts = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({}) and ({})".format, inner, inner),
        st.builds("({}) or ({})".format, inner, inner),
        st.builds("not ({})".format, inner),
    ),
    max_leaves=6,
)


@given(texts, values)
def test_alternatives_together_mean_the_condition(text: str, header: dict[str, Value]) -> None:
    tree = condition(text)
    spread = alternatives(tree, PLACE)
    assert any(all(holds(term, header) for term in terms) for terms in spread) == holds(tree, header)


def test_what_always_holds_is_left_out_of_alternatives() -> None:
    tree = condition("A == 1 and (B == 2 or (M < inputFile.M or M >= inputFile.M))")
    assert alternatives(tree, PLACE) == alternatives(condition("A == 1"), PLACE)


def test_a_condition_with_thousands_of_alternatives_is_refused_at_its_place() -> None:
    tree = condition(" and ".join(f"(A == {i} or B == {i})" for i in range(20)))
    with pytest.raises(OcaError, match=r"x\.oca:1:1: a condition with 1048576 alternatives"):
        alternatives(tree, PLACE)
