"""Measuring by configuration: what fails is told, and nothing else is lost."""

from contextlib import closing
from pathlib import Path

import pytest

from phoenix.config.qc import Parameter
from phoenix.errors import ConfigError
from phoenix.qc import registry
from phoenix.qc.measure import measure_all
from phoenix.qc.products import Products
from phoenix.qc.registry import Source, find_measurement, measurement
from qc_products import ProductFolder, ab_of

WORDS = {"chip": ("BLUE", "REDL", "REDU"), "type": ("SCI_POINT", "SCI_SLICER")}


@pytest.fixture
def folder(tmp_path: Path) -> ProductFolder:
    return ProductFolder(tmp_path)


@pytest.fixture(autouse=True)
def own_measurements(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measurements registered by a test are gone after it."""
    monkeypatch.setattr(registry, "_measurements", dict(registry._measurements))


def parameter(name: str, **fields: object) -> Parameter:
    return Parameter.model_validate({"name": name, "description": "d", **fields})


def source(folder: ProductFolder, *expected: str) -> Source:
    return Source(ab_of("science"), Products(tuple(folder.products), WORDS, expected))


def values(
    folder: ProductFolder, *parameters: Parameter, expected: tuple[str, ...] = ()
) -> tuple[dict, dict]:
    looked_at = source(folder, *expected)
    with closing(looked_at.products):
        measured, problems = measure_all(looked_at, parameters)
    return (
        {one.qc1.parameter: one.qc1.value for one in measured},
        {problem.subject: problem.reason for problem in problems},
    )


def test_one_value_for_each_chip(folder: ProductFolder) -> None:
    folder.write("LINE_TABLE_REDL", ESO__QC__NLINSOL=900)
    folder.write("LINE_TABLE_REDU", ESO__QC__NLINSOL=700)
    found, problems = values(
        folder, parameter("lines_{chip}", product="LINE_TABLE_{chip}", keyword="QC.NLINSOL", unit="lines")
    )
    assert found == {"lines_REDL": 900.0, "lines_REDU": 700.0}
    assert problems == {}


def test_the_words_of_a_template_fit_known_values_alone(folder: ProductFolder) -> None:
    folder.write("RED_SCI_POINT_BLUE", ESO__QC__EX__NORD=31)
    folder.write("RED_2D_SCI_POINT_BLUE", ESO__QC__EX__NORD=99)
    found, _ = values(folder, parameter("n_{chip}", product="RED_{type}_{chip}", keyword="QC.EX.NORD"))
    assert found == {"n_BLUE": 31.0}


def test_the_first_keyword_present_counts(folder: ProductFolder) -> None:
    folder.write("MASTER_BIAS_REDL", ESO__QC__OUT4__RON=2.0)
    ron = parameter("ron_{chip}", product="MASTER_BIAS_{chip}", keyword=["QC.OUT1.RON", "QC.OUT4.RON"])
    assert values(folder, ron)[0] == {"ron_REDL": 2.0}


def test_plain_keywords_are_found_with_and_without_eso(folder: ProductFolder) -> None:
    folder.write("MASTER_FLAT_BLUE", ESO__FNOISE=0.06)
    flat = "MASTER_FLAT_{chip}"
    found, _ = values(
        folder,
        parameter("exptime_{chip}", product=flat, keyword="EXPTIME"),
        parameter("noise_{chip}", product=flat, keyword="FNOISE"),
    )
    assert found == {"exptime_BLUE": 600.0, "noise_BLUE": 0.06}


def test_a_missing_keyword_a_text_and_a_missing_product_are_told_and_lose_nothing_else(
    folder: ProductFolder,
) -> None:
    folder.write("LINE_TABLE_REDL", ESO__QC__NLINSOL=900, ESO__QC__DID="UVES-1.14")
    line_table = "LINE_TABLE_{chip}"
    found, problems = values(
        folder,
        parameter("absent_{chip}", product=line_table, keyword="QC.ABSENT"),
        parameter("text_{chip}", product=line_table, keyword="QC.DID"),
        parameter("lines_{chip}", product=line_table, keyword="QC.NLINSOL"),
        parameter("typo_{chip}", product="LINE_TABEL_{chip}", keyword="QC.NLINSOL"),
        parameter("rare_{chip}", product="FLUXCAL_{type}_{chip}", keyword="QC.NLINSOL", optional=True),
        expected=("LINE_TABLE_REDL", "LINE_TABLE_REDU"),
    )
    assert found == {"lines_REDL": 900.0}
    assert "not in the header" in problems["absent_REDL"]
    assert "'UVES-1.14'" in problems["text_REDL"]
    assert "did not write" in problems["lines_REDU"]
    assert "LINE_TABEL_{chip}" in problems["typo_{chip}"]
    assert not any(subject.startswith("rare") for subject in problems)


def test_a_measurement_that_breaks_keeps_its_traceback_and_the_others_go_on(folder: ProductFolder) -> None:
    @measurement("test.breaks")
    def breaks(_: Source) -> float:
        return 1 / 0

    @measurement("test.works")
    def works(_: Source) -> float:
        return 7.0

    measured, problems = measure_all(
        source(folder), [parameter("a", measure="test.breaks"), parameter("b", measure="test.works")]
    )
    assert [one.qc1.value for one in measured] == [7.0]
    assert problems[0].reason == "ZeroDivisionError: division by zero"
    assert "in breaks" in problems[0].trace


def test_a_measurement_with_many_values_gives_one_parameter_for_each_item(folder: ProductFolder) -> None:
    @measurement("test.orders")
    def orders(one: Source) -> dict[str, float]:
        assert one.sibling("ERRORBAR_{type}_{chip}") == "ERRORBAR_SCI_POINT_BLUE"
        return {"01": 1.0, "02": float("nan")}

    folder.write("RED_SCI_POINT_BLUE")
    found, problems = values(
        folder, parameter("snr_{chip}_{item}", product="RED_{type}_{chip}", measure="test.orders")
    )
    assert found == {"snr_BLUE_01": 1.0}
    assert problems == {"snr_BLUE_02": "the value is nan"}


def test_a_parameter_that_does_not_apply_is_absent_without_a_word(folder: ProductFolder) -> None:
    measurement("test.none")(lambda _: None)
    assert values(folder, parameter("a", measure="test.none")) == ({}, {})


def test_two_products_for_one_name_are_told(folder: ProductFolder) -> None:
    folder.write("RED_SCI_POINT_BLUE", ESO__QC__EX__NORD=31)
    folder.write("RED_SCI_SLICER_BLUE", ESO__QC__EX__NORD=30)
    found, problems = values(folder, parameter("n_{chip}", product="RED_{type}_{chip}", keyword="QC.EX.NORD"))
    assert found == {"n_BLUE": 31.0}
    assert "second product" in problems["n_BLUE"]


def test_an_unknown_measurement_names_the_nearest() -> None:
    measurement("test.snr")(lambda _: 1.0)
    with pytest.raises(ConfigError, match=r"did you mean test\.snr\?"):
        find_measurement("test.snrr")


def test_a_name_is_registered_once() -> None:
    measurement("test.one")(lambda _: 1.0)
    with pytest.raises(ConfigError, match="twice"):
        measurement("test.one")(lambda _: 2.0)


def test_a_damaged_product_is_a_problem_of_its_parameters_alone(folder: ProductFolder) -> None:
    folder.write("LINE_TABLE_BLUE", ESO__QC__NLINSOL=900)
    folder.write("ORDER_TABLE_BLUE", ESO__QC__ORD__NDET=31).write_bytes(b"not FITS at all")
    found, problems = values(
        folder,
        parameter("orders_{chip}", product="ORDER_TABLE_{chip}", keyword="QC.ORD.NDET"),
        parameter("lines_{chip}", product="LINE_TABLE_{chip}", keyword="QC.NLINSOL"),
    )
    assert found == {"lines_BLUE": 900.0}
    assert "order_table_blue.fits" in problems["orders_BLUE"]
