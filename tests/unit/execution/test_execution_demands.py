"""What recipes do without in silence is missed before they start, whoever edited the AB."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_execution import write_fits
from builders_verdict import task_ab
from phoenix.config.loader import Configuration
from phoenix.execution.demands import lacking_keywords, unmet_demands
from phoenix.execution.staging import Input
from phoenix.model.ab import AssociationBlock, Mcalib, McalibStatus, RawFile

UVES_SCIENCE = {
    "MASTER_BIAS_BLUE",
    "ORDER_TABLE_BLUE",
    "LINE_TABLE_BLUE",
    "MASTER_FLAT_BLUE",
}
GIRAFFE_SCIENCE = {
    "MASTER_BIAS",
    "FF_LOCCENTROID",
    "FF_LOCWIDTH",
    "FF_EXTSPECTRA",
    "FF_EXTERRORS",
    "DISPERSION_SOLUTION",
    "GRATING_DATA",
    "SLIT_GEOMETRY_SETUP",
}
BLUE = (("chips", "1"),)
SILENT = "would leave the others aside, or average them, without a word"


def ab(
    instrument: str, task: str, raws: dict[str, int], tags: set[str], keys: tuple[tuple[str, str], ...] = ()
) -> AssociationBlock:
    frames = tuple(RawFile(f"/raw/{tag}{n}.fits", tag) for tag, count in raws.items() for n in range(count))
    masters = tuple(Mcalib(McalibStatus.REAL, f"/cal/{tag}.fits", tag) for tag in sorted(tags))
    return task_ab(instrument, task, raw_type=next(iter(raws)), raws=frames, mcalibs=masters, match_keys=keys)


def unmet(*arguments: object) -> tuple[str, ...]:
    made = ab(*arguments)  # type: ignore[arg-type]
    return unmet_demands(made, Configuration().rules(made.instrument))


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        # uves_obs_scired reduces the first exposure, and its header says that it took both.
        (
            ("UVES", "science", {"SCI_POINT_BLUE": 2}, UVES_SCIENCE, BLUE),
            f"2 raw frames; science reduction takes one: uves_obs_scired {SILENT}",
        ),
        # giscience averages them.
        (
            ("GIRAFFE", "science", {"SCIENCE": 2}, GIRAFFE_SCIENCE),
            f"2 raw frames; science reduction takes one: giscience {SILENT}",
        ),
        # A single dark makes a master dark, two biases a master bias.
        (("HAWKI", "dark", {"DARK": 1}, set()), "1 raw frames; master dark needs at least 3"),
        (("XSHOOTER", "bias", {"BIAS_VIS": 2}, set()), "2 raw frames; master bias needs at least 3"),
        (
            ("HAWKI", "noise", {"FLAT_TWILIGHT": 2, "DARK": 1}, set()),
            "1 raw frames DARK; read noise and gain needs at least 2",
        ),
        (
            ("HAWKI", "noise", {"FLAT_TWILIGHT": 3, "DARK": 2}, set()),
            "3 raw frames FLAT_TWILIGHT; read noise and gain takes 2",
        ),
        (
            ("HAWKI", "dark", {"DARK": 3, "OBJECT": 1}, set()),
            "raw frames OBJECT are none of those hawki_dark_combine is given: DARK",
        ),
    ],
)
def test_raw_frames_recipes_take_without_a_word(arguments: tuple[object, ...], finding: str) -> None:
    assert unmet(*arguments) == (finding,)


@pytest.mark.parametrize("tag", sorted(UVES_SCIENCE))
def test_uves_science_without_a_calibration(tag: str) -> None:
    findings = unmet("UVES", "science", {"SCI_POINT_BLUE": 1}, UVES_SCIENCE - {tag}, BLUE)
    assert findings == (f"mandatory calibration {tag} is not among those of the AB",)


def test_both_chips_are_asked_for() -> None:
    tags = {tag.replace("BLUE", "REDL") for tag in UVES_SCIENCE}
    findings = unmet("UVES", "science", {"SCI_POINT_RED": 1}, tags, (("chips", "2"),))
    assert [finding.split()[2] for finding in findings] == [
        "MASTER_BIAS_REDU",
        "ORDER_TABLE_REDU",
        "LINE_TABLE_REDU",
        "MASTER_FLAT_REDU",
    ]


def test_giraffe_science_without_bias() -> None:
    """The recipe takes the prescan instead."""
    findings = unmet("GIRAFFE", "science", {"SCIENCE": 1}, GIRAFFE_SCIENCE - {"MASTER_BIAS"})
    assert findings == ("mandatory calibration MASTER_BIAS is not among those of the AB",)


def test_a_combination_without_offsets() -> None:
    findings = unmet_demands(task_ab("MUSE", "combine"), Configuration().rules("MUSE"))
    assert findings == ("mandatory calibration OFFSET_LIST is not among those of the AB",)


def test_calibrations_of_another_arm_are_not_asked_for() -> None:
    """No bias for the near infrared, no dark for the others."""
    tags = {"SPECTRAL_FORMAT_TAB_NIR", "ORDER_TAB_GUESS_NIR"}
    raws = {"ORDERDEF_NIR_ON": 1, "ORDERDEF_NIR_OFF": 1}
    assert unmet("XSHOOTER", "order_position", raws, tags, (("arm", "NIR"),)) == ()
    findings = unmet(
        "XSHOOTER",
        "order_position",
        {"ORDERDEF_VIS": 1},
        {tag.replace("NIR", "VIS") for tag in tags},
        (("arm", "VIS"),),
    )
    assert findings == ("mandatory calibration MASTER_BIAS_VIS is not among those of the AB",)


@given(taken=st.sets(st.sampled_from(sorted(GIRAFFE_SCIENCE))), count=st.integers(1, 4))
def test_whatever_is_taken_away_is_missed(taken: set[str], count: int) -> None:
    findings = unmet("GIRAFFE", "science", {"SCIENCE": count}, GIRAFFE_SCIENCE - taken)
    assert len(findings) == len(taken) + (count > 1)


def test_a_task_the_rules_no_longer_have() -> None:
    made = replace(task_ab("UVES", "science"), task="stacking")
    assert unmet_demands(made, Configuration().rules("UVES")) == ("the rules have no task stacking",)


def test_raw_frames_without_keywords_the_recipe_dies_of(tmp_path: Path) -> None:
    """Science of UVES without air mass: SIGSEGV, no error line, no product."""
    good = write_fits(tmp_path / "good.fits", {"EXPTIME": 600.0, "TEL.AIRM.START": 1.1, "TEL.AIRM.END": 1.2})
    bad = write_fits(tmp_path / "bad.fits", {"EXPTIME": 600.0, "TEL.AIRM.START": 1.1})
    master = write_fits(tmp_path / "master.fits", {"PRO.CATG": "MASTER_BIAS_BLUE"})
    inputs = [
        Input(path, "SCI_POINT_BLUE", path.name, raw=path != master, mandatory=True)
        for path in (good, bad, master)
    ]
    needed = Configuration().instrument("UVES").recipes["uves_obs_scired"].needs_keywords
    (finding,) = lacking_keywords(inputs, needed)
    assert finding.startswith(f"{bad}: its header lacks TEL.AIRM.END")
    assert lacking_keywords(inputs, ()) == ()
