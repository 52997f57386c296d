"""ABs made of the products of earlier ABs: which belong together, which are left out, and why."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_uves import BLUE, RED, Nights, master, rules, tables
from phoenix.association.explain import explanation
from phoenix.association.similar import similar_parts
from phoenix.cli.explained import explained
from phoenix.config.association import Breakpoint
from phoenix.config.rules import Tolerance
from phoenix.model.ab import raws_of

STACKS = "UVES_STACK"


def calibrated(setting=BLUE) -> Nights:
    """A night with all that science needs, whose clock stands in the middle of it."""
    nights = Nights()
    nights.night("2019-03-04", (setting,), science=0)
    nights.frames += tables(setting)
    return nights.at("2019-03-05", "03:00:00")


def of(result, task):
    return [block for block in result.blocks if block.ab.task == task]


def told(block) -> tuple[dict, str]:
    content = explanation(block.ab, block.group, block.traces, rules())
    return content, explained(content)


def test_exposures_of_an_ob_become_a_stack_and_a_single_one_none(run) -> None:
    nights = calibrated()
    nights.science(count=3)
    nights.science()
    result = run(nights.frames, release=STACKS)
    science = [block.ab for block in of(result, "science")]
    ((stack,), left_out, errors) = ([b.ab for b in of(result, "stack")], result.left_out, result.errors)
    assert (left_out, errors) == ((), ())
    assert stack.name == science[0].name.replace(".ab", "_stk.ab")
    assert stack.input_abs == stack.waits_for == tuple(ab.name for ab in science[:3])
    assert [(entry.tag, entry.mandatory) for entry in stack.inputs[:4]] == [
        ("RED_SCI_POINT_BLUE", True), ("ERRORBAR_SCI_POINT_BLUE", True),
        ("FLUXCAL_SCI_POINT_BLUE", False), ("FLUXCAL_ERRORBAR_SCI_POINT_BLUE", False),
    ]  # fmt: skip
    assert (stack.raws, stack.mcalibs, stack.min_inputs, stack.completeness) == ((), (), 2, "COMPLETE")
    assert stack.mjd_obs_mod == pytest.approx(sum(ab.mjd_obs_mod for ab in science[:3]) / 3, abs=1e-8)
    assert (stack.mjd_obs, stack.obs_id, stack.date) == (science[0].mjd_obs, science[0].obs_id, "2019-03-04")
    assert "STACK_FLUXCAL_SCI_POINT_BLUE" in stack.expected
    assert raws_of(stack, {ab.name: ab for ab in science}) == tuple(ab.raws[0] for ab in science[:3])


def test_red_products_of_both_chips_are_taken(run) -> None:
    nights = calibrated(RED)
    nights.science(RED, 2)
    ((stack),) = of(run(nights.frames, release=STACKS), "stack")
    assert {entry.tag for entry in stack.ab.inputs} >= {"RED_SCI_POINT_REDL", "RED_SCI_POINT_REDU"}
    assert "STACK_RED_SCI_POINT_REDU" in stack.ab.expected


def test_a_release_of_single_exposures_has_no_stacks(run) -> None:
    nights = calibrated()
    nights.science(count=3)
    assert not of(run(nights.frames, release="UVES_R3"), "stack")


@pytest.mark.parametrize(
    ("mode", "tasks"),
    [
        ("IDP", {"science", "stack"}),
        (
            "MCALIB",
            {"bias", "format_check", "order_position", "flat", "wavelength", "response"},
        ),
    ],
)
def test_modes_choose_among_the_steps(run, mode: str, tasks: set[str]) -> None:
    nights = calibrated()
    nights.science(count=2)
    masters = [
        master(f"{catg}_BLUE", nights.frames[-1].mjd_obs, BLUE)
        for catg in ("MASTER_BIAS", "ORDER_TABLE", "LINE_TABLE", "MASTER_FLAT")
    ]
    result = run(nights.frames + masters, release=STACKS, mode=mode)
    assert {block.ab.task for block in result.blocks} == tasks


def test_an_exposure_that_cannot_be_processed_is_left_out_with_the_reason(run) -> None:
    nights = calibrated()
    whole = nights.science(count=2, OBS__ID=5)
    (aborted,) = nights.science(planned=2, OBS__ID=5)
    result = run(nights.frames, release=STACKS)
    (stack,) = of(result, "stack")
    assert stack.ab.input_abs == tuple(frame.name.replace(".fits", ".ab") for frame in whole)
    (out,) = result.left_out
    assert (out.path, out.night, out.code) == (
        aborted.name.replace(".fits", ".ab"), "2019-03-04", "DEFECTIVE_INPUT",
    )  # fmt: skip
    assert out.reason.startswith(
        "not in an AB of task stack: it is itself excluded, ABORTED_TEMPLATE: 1 of 2"
    )


def test_too_few_sound_exposures_make_no_stack_and_it_is_told(run) -> None:
    nights = calibrated()
    nights.science(OBS__ID=5)
    nights.science(planned=2, OBS__ID=5)
    result = run(nights.frames, release=STACKS)
    assert not of(result, "stack")
    assert [(out.code, out.reason.split(":")[0]) for out in result.left_out] == [
        ("DEFECTIVE_INPUT", "not in an AB of task stack"),
        ("TOO_FEW_INPUTS", "1 of 2 ABs can be processed, task stack needs at least 2"),
    ]


def test_a_product_only_some_exposures_have_is_taken_and_not_expected_of_the_stack(run) -> None:
    nights = Nights().at("2019-03-05", "03:00:00")
    science = nights.science(count=2)
    between = (science[0].mjd_obs + science[1].mjd_obs) / 2
    masters = [
        master(f"{catg}_BLUE", between + offset, BLUE)
        for catg in ("MASTER_BIAS", "ORDER_TABLE", "LINE_TABLE", "MASTER_FLAT")
        for offset in (-0.2, 0.2)
    ]
    response = master("INSTR_RESPONSE_FINE_BLUE", between - 0.2, BLUE)
    frames = [*science, *masters, response, *tables(BLUE)]
    (stack,) = of(run(frames, release=STACKS, mode="IDP", breakpoints=(Breakpoint(mjd=between),)), "stack")
    flux = [entry.ab for entry in stack.ab.inputs if entry.tag == "FLUXCAL_SCI_POINT_BLUE"]
    assert flux == [science[0].name.replace(".fits", ".ab")]
    assert stack.ab.expected == ("STACK_RED_SCI_POINT_BLUE", "STACK_ERRORBAR_SCI_POINT_BLUE")


def test_the_level_of_a_stack_is_the_worst_of_its_exposures(run) -> None:
    nights = Nights().at("2019-03-05", "03:00:00")
    science = nights.science(count=2)
    masters = [
        master(f"{catg}_BLUE", science[0].mjd_obs - days, BLUE)
        for catg, days in (
            ("MASTER_BIAS", 3),
            ("ORDER_TABLE", 0.1),
            ("LINE_TABLE", 0.1),
            ("MASTER_FLAT", 0.1),
        )
    ]
    (stack,) = of(run([*science, *masters, *tables(BLUE)], release=STACKS, mode="IDP"), "stack")
    assert stack.ab.level == 1
    assert {entry.level for entry in stack.ab.inputs} == {1}


def test_explain_tells_of_every_exposure_why_it_was_taken_or_not(run) -> None:
    nights = calibrated()
    whole = nights.science(count=2, OBS__ID=5)
    (aborted,) = nights.science(planned=2, OBS__ID=5)
    (other,) = nights.science()
    (next_night,) = nights.at("2019-03-06", "03:00:00").science(OBS__ID=5)
    (stack,) = of(run(nights.frames, release=STACKS), "stack")
    content, text = told(stack)
    verdicts = {entry["name"]: (entry["verdict"], entry["failed_on"]) for entry in content["inputs"]}
    assert verdicts == {
        frame.name.replace(".fits", ".ab"): verdict
        for frame, verdict in (
            (whole[0], ("taken", "")), (whole[1], ("taken", "")), (aborted, ("left out", "defect")),
            (other, ("left out", "key")), (next_night, ("left out", "night")),
        )
    }  # fmt: skip
    assert content["inputs"][0]["raw_frames"] == [whole[0].path]
    assert content["raw_frames"] == 2
    assert "INPUTS  2 ABs taken, at least 2 are needed" in text
    assert f"- {other.name.replace('.fits', '.ab')} science: has OBS.ID {other.keywords['OBS.ID']}, " in text
    assert "belongs to the group but is itself excluded, ABORTED_TEMPLATE" in text


def test_explain_tells_what_an_exposure_lacks_and_what_is_not_similar(run) -> None:
    nights = calibrated()
    for exptime_s in (100.0, 110.0, 130.0, 135.0):
        nights.science(OBS__ID=5, EXPTIME=exptime_s)
    nights.science(OBS__ID=5)
    task = rules().task("stack").model_copy(update={"similar": {"EXPTIME": Tolerance(relative=0.2)}})
    changed = rules().model_copy(update={"tasks": (*rules().tasks[:-1], task)})
    short, long = of(run(nights.frames, changed, release=STACKS), "stack")
    assert [len(block.ab.input_abs) for block in (short, long)] == [2, 2]
    content, _ = told(short)
    reasons = [entry["reason"] for entry in content["inputs"][2:]]
    assert reasons == [f"has EXPTIME {value}, not similar to the group's" for value in (130, 135, "missing")]


NUMBERS = st.none() | st.booleans() | st.text(max_size=2) | st.integers(-9, 99) | st.floats(-9, 99)


@given(
    st.lists(NUMBERS, max_size=12),
    st.builds(lambda size: Tolerance(relative=size), st.floats(0, 2))
    | st.builds(lambda size: Tolerance(absolute=size), st.floats(0, 20)),
)
def test_similar_values_are_divided_without_loss_and_within_the_tolerance(values, tolerance) -> None:
    parts = similar_parts(values, tolerance)
    assert sorted(index for part in parts for index in part) == list(range(len(values)))
    numbers = [[values[i] for i in part if type(values[i]) in (int, float)] for part in parts]
    found = [part for part in numbers if part]
    for part in found:
        assert max(part) <= tolerance.limit(min(part))
    for earlier, later in pairwise(found):
        assert min(later) > tolerance.limit(min(earlier))
