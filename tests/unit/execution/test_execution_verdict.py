"""Each silent failure of the UVES recipes, as seen with exit code 0, and each loud one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_ab import science_ab
from builders_execution import NOW
from phoenix.config.loader import Configuration
from phoenix.execution.container import ContainerEnd
from phoenix.execution.products import ProductList, WrittenProduct
from phoenix.execution.recipe_log import parse_line
from phoenix.execution.staging import Input
from phoenix.execution.verdict import Evidence, Judgement, Yardstick, judge
from phoenix.execution.workfolder import DiskRoom
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus
from phoenix.model.outcome import Outcome

BIAS, FLAT = "d2abff30a6c349564062f5c589065f7a", "409b4090faa01bb00eed1d048661db90"
AB = science_ab(expected=("RED_SCI_POINT_BLUE", "FLUXCAL_SCI_POINT_BLUE"))
INPUTS = (
    Input(Path("/raw/sci.fits"), "SCI_POINT_BLUE", "sci.fits", raw=True, mandatory=True),
    Input(Path("/cal/b.fits"), "MASTER_BIAS_BLUE", "b.fits", raw=False, mandatory=True, fingerprint=BIAS),
    Input(Path("/cal/f.fits"), "MASTER_FLAT_BLUE", "f.fits", raw=False, mandatory=True, fingerprint=FLAT),
    Input(Path("/cal/r.fits"), "INSTR_RESPONSE_FINE_BLUE", "r.fits", raw=False, mandatory=False),
    Input(Path("/cal/e.fits"), "EXTCOEFF_TABLE", "e.fits", raw=False, mandatory=False),
)
CALIBRATIONS = {
    "PRO.REC1.CAL1.CATG": "EXTCOEFF_TABLE",
    "PRO.REC1.CAL2.CATG": "MASTER_BIAS_BLUE",
    "PRO.REC1.CAL2.DATAMD5": BIAS,
    "PRO.REC1.CAL3.CATG": "MASTER_FLAT_BLUE",
    "PRO.REC1.CAL3.DATAMD5": FLAT,
}


def product(pro_catg: str, keywords: dict[str, object] | None = None, problem: str = "") -> WrittenProduct:
    return WrittenProduct(
        f"{pro_catg.lower()}.fits", pro_catg, {**CALIBRATIONS, **(keywords or {})}, problem=problem
    )


GOOD = (product("RED_SCI_POINT_BLUE"), product("FLUXCAL_SCI_POINT_BLUE"))


def judged(
    ab: AssociationBlock = AB,
    *,
    exit_code: int | None = 0,
    lines: tuple[str, ...] = (),
    products: tuple[WrittenProduct, ...] = GOOD,
    listing_problem: str = "",
    inputs: tuple[Input, ...] = INPUTS,
    free_gb: float = 10.0,
    **end: object,
) -> Judgement:
    instrument = Configuration().instrument("UVES")
    rules = Configuration().rules("UVES")
    evidence = Evidence(
        ContainerEnd("c", exit_code, NOW, NOW, **end),  # type: ignore[arg-type]
        [message for line in lines if (message := parse_line(line))],
        ProductList(products, listing_problem),
        inputs,
        DiskRoom(Path("/work"), free_gb, 100.0),
        memory_gb=2.0,
        timeout_s=600.0,
    )
    return judge(ab, evidence, Yardstick(instrument, instrument.recipes[ab.recipe], rules))


def test_science_without_the_response_nobody_made_is_a_caveat_not_a_failure() -> None:
    virtual = Mcalib(McalibStatus.VIRTUAL, "standard.ab", "INSTR_RESPONSE_FINE_BLUE", mandatory=False)
    ab = replace(AB, mcalibs=(*AB.mcalibs, virtual))
    without = tuple(entry for entry in INPUTS if entry.tag != virtual.tag)
    judgement = judged(ab, products=(product("RED_SCI_POINT_BLUE"),), inputs=without)
    assert judgement.outcome is Outcome.CAVEATS
    assert "INSTR_RESPONSE_FINE_BLUE was not made" in judgement.findings[0]


def test_lack_of_one_calibration_excuses_no_other_product() -> None:
    virtual = Mcalib(McalibStatus.VIRTUAL, "standard.ab", "INSTR_RESPONSE_FINE_BLUE", mandatory=False)
    ab = replace(AB, mcalibs=(*AB.mcalibs, virtual))
    without = tuple(entry for entry in INPUTS if entry.tag != virtual.tag)
    assert judged(ab, products=(), inputs=without).outcome is Outcome.FAILED


def test_all_well_is_ok() -> None:
    assert judged() == Judgement(Outcome.OK)


def test_harmless_noise_stays_ok() -> None:
    noise = (
        "[WARNING] esorex: Unable to open directory /usr/lib/cpl/plugins",
        "[ INFO  ] esorex: Run-time version 7.2.3 of CPL is higher than the version (70202)",
        "[WARNING] SciRed:   Unrecognized tag INSTR_RESPONSE_FINE_BLUE",
        "[WARNING] SciRed:       Non-unique FITS key(len=6): CUNIT1 (18/278)",
    )
    assert judged(lines=noise).outcome is Outcome.OK


def test_unknown_warnings_are_caveats_told_once() -> None:
    lines = tuple(f"[WARNING] SciRed: Order {n} has few pixels" for n in range(7))
    verdict = judged(lines=lines)
    assert verdict.outcome is Outcome.CAVEATS
    assert verdict.findings == ("WARNING in the log: Order 0 has few pixels (7 times)",)


def test_error_line_with_exit_code_0_fails() -> None:
    verdict = judged(lines=("[ ERROR ] SciRed: Could not extract order 3",))
    assert verdict.outcome is Outcome.FAILED
    assert "Could not extract order 3" in verdict.findings[0]


def test_missing_master_bias_is_caught_by_the_headers() -> None:
    """The AB gave one, the recipe reduced without: all products there, exit code 0, only INFO in the log."""
    without = {key: value for key, value in CALIBRATIONS.items() if "CAL2" not in key}
    products = tuple(WrittenProduct(p.name, p.pro_catg, without) for p in GOOD)
    verdict = judged(products=products)
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings == ("calibration MASTER_BIAS_BLUE was given, but no product names it",)


def test_another_master_than_given_is_caught() -> None:
    other = product("RED_SCI_POINT_BLUE", {"PRO.REC1.CAL3.DATAMD5": "0" * 32})
    assert judged(products=(other, GOOD[1])).findings == (
        "calibration MASTER_FLAT_BLUE in the products is another one than was given",
    )


def test_a_calibration_nobody_gave_is_caught() -> None:
    dark = product("RED_SCI_POINT_BLUE", {"PRO.REC1.CAL4.CATG": "MASTER_DARK_BLUE"})
    verdict = judged(products=(dark, GOOD[1]))
    assert verdict.findings == ("calibration MASTER_DARK_BLUE is named by products, but was not given",)


def test_missing_response_leaves_no_flux_calibrated_product() -> None:
    """uves_obs_scired without response or extinction: exit code 0, 14 products instead of 16."""
    verdict = judged(products=(GOOD[0],))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings == ("expected product FLUXCAL_SCI_POINT_BLUE was not written",)


def test_missing_fit_points_leave_no_response() -> None:
    """uves_cal_response without RESP_FIT_POINTS_CATALOG: exit code 0, no INSTR_RESPONSE_FINE."""
    ab = science_ab(recipe="uves_cal_response", expected=("INSTR_RESPONSE_FINE_BLUE", "RED_STD_BLUE"))
    verdict = judged(ab, products=(product("RED_STD_BLUE"),))
    assert verdict.findings == ("expected product INSTR_RESPONSE_FINE_BLUE was not written",)


def test_partial_products_after_an_error_are_not_used() -> None:
    """A bias frame given as science: exit code 14 and 17 products left behind."""
    verdict = judged(
        exit_code=14, lines=("[ ERROR ] SciRed: Could not add flux-calibrated science spectrum",)
    )
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings == (
        "uves_obs_scired says: Could not add flux-calibrated science spectrum",
        "exit code 14 (illegal input)",
    )


@pytest.mark.parametrize(
    ("wlen", "product_catg", "ordmin", "right"),
    [
        ("437.0", "LINE_TABLE_BLUE", 94, True),
        ("437.0", "LINE_TABLE_BLUE", 91, False),
        ("390", "LINE_TABLE_BLUE", 103, True),
        ("580.0", "LINE_TABLE_REDL", 106, True),
        ("580.0", "LINE_TABLE_REDL", 94, False),
    ],
)
def test_wavelength_solution_on_wrong_orders(wlen: str, product_catg: str, ordmin: int, right: bool) -> None:
    """Frames turned by 180 degrees: the recipe converges, with exit code 0, on orders 91 to 121."""
    ab = science_ab(recipe="uves_cal_wavecal", expected=(product_catg,), match_keys=(("wlen", wlen),))
    good = {"QC.ORDMIN": ordmin, "QC.LINE.RESIDRMS.PIX": 0.03, "QC.LINE.HALFBRIG": 62.8}
    verdict = judged(ab, products=(product(product_catg, good),))
    assert verdict.outcome is (Outcome.OK if right else Outcome.FAILED)
    if not right:
        assert f"{product_catg} has QC.ORDMIN = {ordmin}" in verdict.findings[0]


def test_lost_wavelength_solution() -> None:
    ab = science_ab(recipe="uves_cal_wavecal", expected=("LINE_TABLE_BLUE",), match_keys=(("wlen", "390.0"),))
    lost = {"QC.ORDMIN": 103, "QC.LINE.RESIDRMS.PIX": 0.316, "QC.LINE.HALFBRIG": 13.8}
    verdict = judged(ab, products=(product("LINE_TABLE_BLUE", lost),))
    assert verdict.outcome is Outcome.FAILED
    assert [finding.split(";")[0] for finding in verdict.findings] == [
        "LINE_TABLE_BLUE has QC.LINE.RESIDRMS.PIX = 0.316",
        "LINE_TABLE_BLUE has QC.LINE.HALFBRIG = 13.8",
    ]


def test_format_check_turned_upside_down() -> None:
    ab = science_ab(recipe="uves_cal_predict", expected=("LINE_GUESS_TAB_REDU",))
    turned = product("LINE_GUESS_TAB_REDU", {"QC.MODEL.DIFFXRMS": 4.10})
    assert judged(ab, products=(turned,)).outcome is Outcome.FAILED


@pytest.mark.parametrize("value", [None, "text", True])
def test_a_sanity_keyword_that_is_no_number_fails(value: object) -> None:
    ab = science_ab(recipe="uves_cal_predict", expected=("LINE_GUESS_TAB_BLUE",))
    keywords = {} if value is None else {"QC.MODEL.DIFFXRMS": value}
    assert judged(ab, products=(product("LINE_GUESS_TAB_BLUE", keywords),)).outcome is Outcome.FAILED


def test_a_broken_product_fails_and_is_named() -> None:
    broken = product("FLUXCAL_SCI_POINT_BLUE", problem="HDU 0: CHECKSUM does not fit header and data")
    verdict = judged(products=(GOOD[0], broken))
    assert verdict.outcome is Outcome.FAILED
    assert verdict.findings[0].startswith(
        "product fluxcal_sci_point_blue.fits (FLUXCAL_SCI_POINT_BLUE): HDU 0"
    )


def test_no_product_list_fails() -> None:
    assert judged(products=(), listing_problem="the recipe wrote no products.json").findings == (
        "the recipe wrote no products.json",
    )


@pytest.mark.parametrize(
    ("arguments", "outcome", "finding"),
    [
        ({"exit_code": 139}, Outcome.CRASHED, "the recipe died of SIGSEGV"),
        ({"exit_code": 143}, Outcome.CRASHED, "the recipe died of SIGTERM"),
        ({"exit_code": 137}, Outcome.CRASHED, "the recipe died of SIGKILL"),
        (
            {"exit_code": 137, "oom_killed": True},
            Outcome.OUT_OF_MEMORY,
            "needs more than the 2 GB it was given",
        ),
        (
            {"exit_code": 143, "timed_out": True},
            Outcome.TIMEOUT,
            "not finished after 600 s, the recipe's limit",
        ),
        ({"exit_code": 143, "stopped": True}, Outcome.CRASHED, "stopped on request"),
        ({"exit_code": None, "lost": "EOF"}, Outcome.CRASHED, "the engine lost the container: EOF"),
        ({"exit_code": 6}, Outcome.FAILED, "exit code 6 (bad file format)"),
        ({"exit_code": 255}, Outcome.FAILED, "exit code 255 (esorex refused the command line)"),
        ({"exit_code": 99}, Outcome.FAILED, "exit code 99"),
        ({"exit_code": 5, "free_gb": 0.0}, Outcome.CRASHED, "disk full: 0 GB free of 100 GB at /work"),
    ],
)
def test_loud_ends(arguments: dict[str, object], outcome: Outcome, finding: str) -> None:
    verdict = judged(**arguments)  # type: ignore[arg-type]
    assert (verdict.outcome, verdict.findings[0]) == (outcome, finding)


def test_full_disk_told_by_the_log() -> None:
    verdict = judged(exit_code=5, lines=("[ ERROR ] MBias: write: No space left on device",))
    assert verdict.outcome is Outcome.CRASHED
    assert verdict.findings[0].startswith("disk full")


def test_full_disk_with_exit_code_0_is_infrastructure() -> None:
    assert judged(products=(), listing_problem="cut off", free_gb=0.0).outcome is Outcome.CRASHED


@given(
    exit_code=st.none() | st.integers(0, 255),
    flags=st.fixed_dictionaries({name: st.booleans() for name in ("oom_killed", "timed_out", "stopped")}),
    problems=st.lists(st.sampled_from(["", "cut off"]), min_size=2, max_size=2),
    error=st.booleans(),
    kept=st.integers(0, 2),
)
def test_success_needs_everything(
    exit_code: int | None, flags: dict[str, bool], problems: list[str], error: bool, kept: int
) -> None:
    products = tuple(
        product(good.pro_catg, problem=problem) for good, problem in zip(GOOD[:kept], problems, strict=False)
    )
    lines = ("[ ERROR ] SciRed: no",) if error else ()
    verdict = judged(exit_code=exit_code, products=products, lines=lines, **flags)
    all_well = exit_code == 0 and not any(flags.values()) and not error and kept == 2 and not any(problems)
    assert verdict.outcome.succeeded == all_well
    assert bool(verdict.findings) != all_well
