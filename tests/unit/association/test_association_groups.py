from dataclasses import replace

import pytest

from builders_uves import BLUE, RED, Nights, Setting, master, rules, tables
from phoenix.config.rules import Preselection
from phoenix.errors import AssociationError, ConfigError, UsageError


def by_task(result, task):
    return [block.ab for block in result.blocks if block.ab.task == task]


def test_a_night_gives_the_cascade(run) -> None:
    nights = Nights()
    nights.night("2019-03-04", (BLUE, RED))
    result = run(nights.frames + tables(BLUE, RED))
    assert [block.ab.task for block in result.blocks] == [
        task
        for task in ("bias", "format_check", "order_position", "flat", "wavelength", "response", "science")
        for _ in "br"
    ]
    assert {block.ab.completeness for block in result.blocks} == {"COMPLETE"}
    assert (result.left_out, result.errors) == ((), ())
    bias = by_task(result, "bias")[1]
    assert len(bias.raws) == 5
    assert bias.expected == ("MASTER_BIAS_REDL", "MASTER_BIAS_REDU")
    assert bias.batch_id == "CALIB_2019-03-04"
    assert dict(bias.match_keys)["chips"] == "2"


def test_names_derive_from_the_first_raw_and_the_event(run) -> None:
    nights = Nights()
    blue, red = nights.bias(BLUE), nights.at("2019-03-04", "20:00:00").bias(RED)
    shifted = [
        replace(frame, name=frame.name.replace("321.fits", "322.fits"), path=f"{frame.path}2")
        for frame in red
    ]
    result = run([*blue, *shifted])
    assert [block.ab.name for block in result.blocks] == [
        "UVES.2019-03-04T20:00:04.321_tpl.ab",
        "UVES.2019-03-04T20:00:04.322_tpl.ab",
    ]
    assert result.blocks[0].ab.product_root == "r.UVES.2019-03-04T20:00:04.321_tpl"


def test_match_time_is_the_mean_of_the_middles(run) -> None:
    nights = Nights()
    frames = nights.template("CALIB", "LAMP,FLAT", BLUE, 3, exptime_s=20.0)
    ab = run(frames).blocks[0].ab
    assert ab.mjd_obs == round(frames[0].mjd_obs, 8)
    assert ab.mjd_obs_mod == pytest.approx(sum(f.mjd_obs + 10 / 86400 for f in frames) / 3, abs=1e-8)


def test_an_aborted_template_is_excluded_with_its_counts(run) -> None:
    nights = Nights()
    frames = nights.science(count=2, planned=3) + nights.science(count=2)
    abs_ = by_task(run(frames), "science")
    assert [ab.exclusion for ab in abs_] == ["ABORTED_TEMPLATE"] * 2 + ["", ""]
    assert abs_[0].exclusion_reason == "2 of 3 frames of the template of 2019-03-04T20:00:00 are there"


def test_two_arms_exposed_together_share_their_exposure_numbers(run) -> None:
    nights = Nights()
    blue = nights.science(BLUE, 2)
    red = [
        replace(
            frame, keywords={**frame.keywords, "TPL.START": blue[0].keywords["TPL.START"], "OBS.ID": 1001}
        )
        for frame in nights.science(RED, 2)
    ]
    assert {ab.exclusion for ab in by_task(run([*blue, *red]), "science")} == {""}
    assert {ab.exclusion for ab in by_task(run([*blue[:1], *red[:1]]), "science")} == {"ABORTED_TEMPLATE"}


def test_too_few_raws(run) -> None:
    nights = Nights()
    result = run(nights.bias(BLUE, 2) + nights.science())
    bias, science = result.blocks[0].ab, result.blocks[-1].ab
    assert (bias.exclusion, bias.exclusion_reason) == (
        "TOO_FEW_RAWS",
        "2 raw frames, master bias needs at least 3",
    )
    reason = next(missing.reason for missing in science.missing if missing.tag == "MASTER_BIAS_BLUE")
    assert reason == (
        "no MASTER_BIAS_BLUE: the nearest, UVES.2019-03-04T20:00:04.321_tpl.ab, would match but is itself "
        "excluded, TOO_FEW_RAWS: 2 raw frames, master bias needs at least 3"
    )


def test_a_template_of_two_settings_gives_two_groups_and_a_mixed_group_is_refused(run) -> None:
    nights = Nights()
    frames = nights.bias(BLUE, 6)
    fast = [replace(f, keywords={**f.keywords, "DET.READ.SPEED": "fast"}) for f in frames[:3]]
    assert [len(block.ab.raws) for block in run(fast + frames[3:]).blocks] == [3, 3]

    task = rules().task("bias").model_copy(update={"group_by": ("template",)})
    result = run(fast + frames[3:], tasks=(task, *rules().tasks[1:]))
    (ab,) = (block.ab for block in result.blocks)
    assert ab.exclusion == "MIXED_GROUP"
    assert ab.exclusion_reason == (
        f"read_speed is fast in {frames[0].name} and 50kHz,2x2,high in {frames[3].name}"
    )


def test_preselection_and_duplicates_keep_frames_out_with_a_code(run) -> None:
    nights = Nights()
    science = nights.science()
    extended = nights.template("SCIENCE", "OBJECT,EXTENDED", BLUE)
    again = replace(science[0], path="/data/raw/zcopy.fits")
    rule = Preselection.model_validate(
        {
            "code": "NARROW",
            "reason": "slit too narrow",
            "tasks": ["science"],
            "when": {"slit_width": {"below": 0.5}},
        }
    )
    narrow = nights.science(Setting(1, 437.0, slit_arcsec=0.3)) + nights.template(
        "CALIB", "STD", Setting(1, 437.0, slit_arcsec=0.3)
    )
    result = run([again, *science, *extended, *narrow], preselection=(*rules().preselection, rule))
    assert sorted((out.code, out.path) for out in result.left_out) == [
        ("DUPLICATE", "/data/raw/zcopy.fits"),
        ("EXTENDED", extended[0].path),
        ("NARROW", narrow[0].path),
    ]
    assert len(by_task(result, "science")) == 1
    assert len(by_task(result, "response")) == 1


def test_a_time_that_is_no_number_keeps_a_frame_out(run) -> None:
    frames = Nights().science()
    timeless = replace(master("MASTER_BIAS_BLUE", frames[0].mjd_obs, BLUE), mjd_obs=float("nan"))
    result = run([*frames, replace(frames[0], name="x", exptime_s=float("nan")), timeless])
    assert [(out.code, out.path) for out in result.left_out] == [
        ("NO_TIME", frames[0].path),
        ("NO_TIME", timeless.path),
    ]


def test_a_bad_archive_name_costs_its_own_ab_only(run) -> None:
    nights = Nights()
    bad, good = nights.science()[0], nights.science()[0]
    for name in (
        "../../etc/passwd",
        "UVES.2019-03-04T20:00:04.321.fits\n",
        "night.fits",
        "UVES.2019-03-04T20-00-04.321",
    ):
        result = run([replace(bad, name=name), good])
        assert [block.ab.name for block in result.blocks] == [good.name.replace(".fits", ".ab")]
        ((night, error),) = result.errors
        assert night == "2019-03-04"
        assert "cannot name an AB" in str(error)


def test_one_raw_in_two_tasks_is_refused(run) -> None:
    twice = rules().task("science").model_copy(update={"name": "again"})
    result = run(Nights().science(), tasks=(*rules().tasks, twice))
    ((_, error),) = result.errors
    assert isinstance(error, AssociationError)
    assert "is taken by task again and by task science" in str(error)


def test_a_header_no_split_knows_costs_its_own_ab_only(run) -> None:
    nights = Nights()
    odd = replace(nights.bias()[0], keywords={"DET.CHIPS": 3}, raw_class="BIAS_BLUE")
    result = run([odd, *nights.science()])
    ((_, error),) = result.errors
    assert "chips is 3, for which the split {chip} has no values" in str(error)
    assert len(result.blocks) == 1


@pytest.mark.parametrize(
    ("mode", "science"), [("IDP", [True]), ("MCALIB", [False]), ("COMPLETE", [False, True])]
)
def test_modes_choose_the_tasks(run, mode: str, science: list[bool]) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    tasks = {block.ab.task for block in run(nights.frames, mode=mode).blocks}
    assert sorted({rules().task(task).science for task in tasks}) == science


def test_deep_batches_are_not_made_by_night(run) -> None:
    with pytest.raises(UsageError, match="mode DEEP"):
        run([], mode="DEEP")


def test_parameters_come_from_instrument_and_task(run) -> None:
    task = rules().task("bias").model_copy(update={"parameters": {"b.level": 2.5, "a.on": True}})
    assert run(Nights().bias(), tasks=(task,)).blocks[0].ab.parameters == (
        ("a.on", "true"),
        ("b.level", "2.5"),
    )


def test_a_recipe_without_resources_is_a_configuration_error(run) -> None:
    task = rules().task("bias").model_copy(update={"recipe": "uves_cal_nothing"})
    with pytest.raises(ConfigError, match=r"uves\.yaml, field recipes: task bias needs uves_cal_nothing"):
        run(Nights().bias(), tasks=(task,))
