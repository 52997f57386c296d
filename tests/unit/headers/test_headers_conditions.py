import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from phoenix.config.conditions import When
from phoenix.headers.conditions import Failure, first_failure, lookup, same
from phoenix.model.frame import Value

KEYWORDS: dict[str, Value] = {
    "DPR.TYPE": "LAMP,FLAT",
    "DPR.TECH": "ECHELLE,SLIC#1",
    "DET.CHIPS": 1,
    "INS.GRAT2.WLEN": 580.0,
    "INS.LAMP1.ST": True,
    "EXPTIME": 0.0,
}
ALIASES = {"wlen": ("INS.GRAT1.WLEN", "INS.GRAT2.WLEN"), "exptime": ("EXPTIME",), "nothing": ("NO.SUCH",)}


def check(when: object) -> Failure | None:
    return first_failure(TypeAdapter(When).validate_python(when), lambda key: lookup(KEYWORDS, ALIASES, key))


@pytest.mark.parametrize(
    "when",
    [
        {},
        {"DPR.TYPE": "LAMP,FLAT"},
        {"DPR.TYPE": ["BIAS", "LAMP,FLAT"]},
        {"DPR.TECH": {"like": "ECHELLE,SLIC%"}},
        {"DPR.TECH": {"like": "%SLIC%"}},
        {"DPR.TECH": {"unlike": "%MOS%"}},
        {"DPR.TECH": {"like": "ECHELLE%", "unlike": "%MOS%"}},
        {"DPR.TYPE": {"none_of": ["BIAS", "DARK"]}},
        {"DET.CHIPS": 1, "wlen": 580},
        {"wlen": {"at_least": 580, "at_most": 580}},
        {"wlen": {"above": 579.9, "below": 580.1}},
        {"INS.LAMP1.ST": True},
        {"wlen": {"present": True}, "nothing": {"present": False}},
        {"NO.SUCH": {"none_of": [True]}},
        {"NO.SUCH": {"unlike": "%"}},
        {"exptime": 0},
    ],
)
def test_holds(when: object) -> None:
    assert check(when) is None


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"DPR.TYPE": "BIAS"}, "DPR.TYPE is 'LAMP,FLAT', expected 'BIAS'"),
        ({"DPR.TYPE": ["BIAS", "DARK"]}, "DPR.TYPE is 'LAMP,FLAT', expected one of 'BIAS', 'DARK'"),
        ({"DPR.TYPE": {"none_of": ["LAMP,FLAT"]}}, "DPR.TYPE is 'LAMP,FLAT', expected not 'LAMP,FLAT'"),
        ({"DPR.TECH": {"like": "ECHELLE"}}, "DPR.TECH is 'ECHELLE,SLIC#1', expected like 'ECHELLE'"),
        (
            {"DPR.TECH": {"like": "ECHELLE,SLIC_1"}},
            "DPR.TECH is 'ECHELLE,SLIC#1', expected like 'ECHELLE,SLIC_1'",
        ),
        ({"DPR.TECH": {"unlike": "%SLIC%"}}, "DPR.TECH is 'ECHELLE,SLIC#1', expected unlike '%SLIC%'"),
        ({"wlen": {"above": 580}}, "wlen is 580.0, expected above 580"),
        ({"wlen": {"below": 580}}, "wlen is 580.0, expected below 580"),
        ({"wlen": {"at_least": 580.5}}, "wlen is 580.0, expected at least 580.5"),
        ({"wlen": {"at_most": 400}}, "wlen is 580.0, expected at most 400"),
        ({"DPR.TYPE": {"at_least": 0}}, "DPR.TYPE is 'LAMP,FLAT', expected at least 0"),
        ({"INS.LAMP1.ST": 1}, "INS.LAMP1.ST is True, expected 1"),
        ({"INS.LAMP1.ST": {"above": 0}}, "INS.LAMP1.ST is True, expected above 0"),
        ({"DET.CHIPS": True}, "DET.CHIPS is 1, expected True"),
        ({"NO.SUCH": 1}, "NO.SUCH is missing, expected 1"),
        ({"NO.SUCH": {"like": "%"}}, "NO.SUCH is missing, expected like '%'"),
        ({"nothing": {"present": True}}, "nothing is missing, expected any value"),
        ({"exptime": {"present": False}}, "exptime is 0.0, expected no such keyword"),
    ],
)
def test_failure_names_key_and_both_values(when: object, words: str) -> None:
    assert str(check(when)) == words


def test_first_failing_condition_is_the_one_told() -> None:
    failure = check({"DET.CHIPS": 1, "DPR.TYPE": "BIAS", "wlen": 437})
    assert failure == Failure("DPR.TYPE", "LAMP,FLAT", "'BIAS'")


@given(st.text("a.*%", max_size=3), st.text("a.*%", max_size=3), st.text("a.*", max_size=8))
def test_percent_stands_for_any_text_and_nothing_else_is_special(start: str, end: str, value: str) -> None:
    start, end = start.replace("%", ""), end.replace("%", "")
    when = TypeAdapter(When).validate_python({"K": {"like": f"{start}%{end}"}})
    fits = len(value) >= len(start + end) and value.startswith(start) and value.endswith(end)
    assert (first_failure(when, {"K": value}.get) is None) == fits


def test_same_keeps_logicals_and_numbers_apart() -> None:
    assert same(580, 580.0)
    assert not same(True, 1)
    assert not same(float("nan"), float("nan"))
    assert not same(None, 0)
