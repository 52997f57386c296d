import pytest

from phoenix.config.loader import Configuration
from phoenix.config.rules import Rules
from phoenix.headers.classify import FrameClass, classification_version, classify, explain_unclassified
from phoenix.model.frame import FrameKind, Value

RAW: dict[str, Value] = {"DPR.CATG": "CALIB", "DPR.TYPE": "LAMP,FLAT", "DPR.TECH": "ECHELLE", "DET.CHIPS": 2}


@pytest.fixture(scope="module")
def rules() -> Rules:
    return Configuration().rules("UVES")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, FrameClass("FLAT_RED", FrameKind.RAW)),
        ({"DPR.TYPE": "BIAS", "DET.CHIPS": 1}, FrameClass("BIAS_BLUE", FrameKind.RAW)),
        (
            {"DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT", "DET.CHIPS": 1},
            FrameClass("SCI_POINT_BLUE", FrameKind.RAW, {"type": "SCI_POINT"}),
        ),
        (
            {"DPR.CATG": "SCIENCE", "DPR.TYPE": "OBJECT", "DPR.TECH": "ECHELLE,SLIC#1"},
            FrameClass("SCI_SLICER_RED", FrameKind.RAW, {"type": "SCI_SLICER"}),
        ),
    ],
)
def test_first_rule_that_holds_gives_class_kind_and_tags(
    rules: Rules, changes: dict[str, Value], expected: FrameClass
) -> None:
    assert classify(RAW | changes, rules) == expected


def test_static_table_and_master_are_known_by_pro_catg(rules: Rules) -> None:
    static = classify({"PRO.CATG": "EXTCOEFF_TABLE"}, rules)
    assert static == FrameClass("EXTCOEFF_TABLE", FrameKind.STATIC)
    master = classify({"PRO.CATG": "MASTER_BIAS_REDL", "DPR.CATG": "CALIB"}, rules)
    assert master == FrameClass("MASTER_BIAS_REDL", FrameKind.MASTER)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"DPR.TYPE": "LAMP,FLATS"}, "nearest rule FLAT_RED: DPR.TYPE is 'LAMP,FLATS', expected 'LAMP,FLAT'"),
        ({"DET.CHIPS": 3}, "nearest rule FLAT_BLUE: DET.CHIPS is 3, expected 1"),
        (
            {"DPR.TYPE": "LAMP,WAVES"},
            "nearest rule ARC_LAMP_RED: DPR.TYPE is 'LAMP,WAVES', expected 'LAMP,WAVE'",
        ),
    ],
)
def test_reason_names_nearest_rule_and_both_values(rules: Rules, changes: dict[str, Value], why: str) -> None:
    assert classify(RAW | changes, rules) is None
    assert explain_unclassified(RAW | changes, rules) == why


def test_reason_for_an_empty_header(rules: Rules) -> None:
    assert "is missing, expected" in explain_unclassified({}, rules)


def test_alias_may_stand_in_a_condition(rules: Rules) -> None:
    by_alias = Rules.model_validate(
        rules.model_dump(by_alias=True, exclude={"tasks", "classification", "breakpoints"})
        | {"tasks": [], "classification": [{"class": "BLUE", "when": {"wlen": {"below": 500}}}]}
    )
    assert classify({"INS.GRAT1.WLEN": 437.0}, by_alias) == FrameClass("BLUE", FrameKind.RAW)
    assert explain_unclassified({"INS.GRAT2.WLEN": 580.0}, by_alias) == (
        "nearest rule BLUE: wlen is 580.0, expected below 500"
    )


def test_version_changes_with_any_edit_of_the_classification_and_with_nothing_else(rules: Rules) -> None:
    version = classification_version(rules)
    assert version.startswith(rules.version)
    assert classification_version(rules.model_copy(update={"breakpoints": (1.0,)})) == version
    assert (
        classification_version(rules.model_copy(update={"classification": rules.classification[1:]}))
        != version
    )
    assert classification_version(rules.model_copy(update={"aliases": {"chips": ("OTHER",)}})) != version
