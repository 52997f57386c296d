"""How many calibrations an AB takes, alternatives, raw frames that join an AB, and frames that join none."""

from dataclasses import replace

import pytest

from builders_instruments import MUSE, Night
from builders_uves import BLUE, Nights, master, rules, table
from phoenix.association.explain import explanation
from phoenix.config.association import Association
from phoenix.config.rules import Preselection
from phoenix.execution.staging import resolve
from phoenix.model.ab_text import parse, write

LEVELS = [{"level": 0, "within": "1 d"}, {"level": 1, "within": "5 d"}]
BIAS = {"master": "MASTER_BIAS_{chip}", "match": ["chips", "binx"], "levels": LEVELS}


def with_science(*associations, **changes):
    """Rules whose science takes just these calibrations."""
    task = rules().task("science")
    own = tuple(Association.model_validate(each) for each in associations)
    changed = task.model_copy(update={"associate": own, **changes})
    return rules().model_copy(
        update={"tasks": tuple(changed if t.name == "science" else t for t in rules().tasks)}
    )


def told(block):
    """Associations as explained."""
    return explanation(block.ab, block.group, block.traces, rules())["associations"]


@pytest.mark.parametrize(
    ("minimum", "maximum", "there", "taken", "complete"),
    [
        (1, None, 5, 1, True),
        (0, None, 5, 1, True),
        (0, None, 0, 0, True),
        (3, None, 5, 3, True),
        (3, 3, 5, 3, True),
        (3, 3, 2, 2, False),
        (2, 4, 5, 4, True),
        (2, 4, 3, 3, True),
        (2, 4, 1, 1, False),
        (0, 2000, 5, 5, True),
        (0, 0, 5, 0, True),
    ],
)
@pytest.mark.parametrize("source", ["master", "static"])
def test_numbers(run, source, minimum, maximum, there, taken, complete) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    if source == "master":
        rule = BIAS
        files = [master("MASTER_BIAS_BLUE", mid + 0.01 * n, BLUE) for n in range(1, there + 1)]
    else:
        rule = {"static": "EXTCOEFF_TABLE"}
        files = [table("EXTCOEFF_TABLE", mid - n, X=n) for n in range(1, there + 1)]
    numbers = {"minimum": minimum, "maximum": maximum}
    (block,) = run([*frames, *reversed(files)], rules=with_science({**rule, **numbers})).blocks
    assert [m.source for m in block.ab.mcalibs] == [file.path for file in files[:taken]]
    assert (block.ab.completeness == "COMPLETE") == complete
    assert parse(write(block.ab), "x").ab == block.ab
    (association,) = told(block)
    assert sum(c["verdict"] == "chosen" for c in association["candidates"]) == taken
    if maximum == 0:
        assert association["result"] == "unused"
        assert {c["failed_on"] for c in association["candidates"]} == {"unused"}
        assert "its maximum is 0" in association["reason"]


PHOTOMETRY = {"any_of": [{"static": "FLUX_STD_TABLE"}, {"static": "EXTCOEFF_TABLE"}, BIAS]}


def test_the_first_alternative_that_is_there_is_taken(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    first, second, third = (
        table("FLUX_STD_TABLE"),
        table("EXTCOEFF_TABLE"),
        master("MASTER_BIAS_BLUE", mid + 0.1, BLUE),
    )
    changed = with_science(PHOTOMETRY)
    for files, taken, tried in (
        ([first, second, third], first, ["chosen"]),
        ([second, third], second, ["passed over", "chosen"]),
        ([third], third, ["passed over", "passed over", "chosen"]),
    ):
        (block,) = run([*frames, *files], rules=changed).blocks
        assert [(m.source, m.mandatory) for m in block.ab.mcalibs] == [(taken.path, True)]
        assert block.ab.completeness == "COMPLETE"
        assert [association["result"] for association in told(block)] == tried
        assert told(block)[-1]["alternative"] == f"{len(tried)} of 3"


def test_without_any_alternative_each_says_why(run) -> None:
    frames = Nights().science()
    (block,) = run(frames, rules=with_science(PHOTOMETRY)).blocks
    assert [(m.tag, m.reason) for m in block.ab.missing] == [
        (
            "FLUX_STD_TABLE",
            (
                "no FLUX_STD_TABLE: there is none among the static tables; "
                "no EXTCOEFF_TABLE: there is none among the static tables; "
                "no MASTER_BIAS_BLUE: there is none among the masters or ABs of this batch"
            ),
        )
    ]
    assert [association["result"] for association in told(block)] == ["missing", "passed over", "passed over"]
    (block,) = run(frames, rules=with_science({**PHOTOMETRY, "minimum": 0})).blocks
    assert (block.ab.completeness, block.ab.missing) == ("COMPLETE", ())
    assert told(block)[0]["result"] == "none, optional"
    found = run([*frames, table("EXTCOEFF_TABLE")], rules=with_science({**PHOTOMETRY, "minimum": 0})).blocks
    assert [m.mandatory for m in found[0].ab.mcalibs] == [False]


def test_half_an_alternative_is_none(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    pair = {"any_of": [{**BIAS, "minimum": 2}, {"static": "EXTCOEFF_TABLE"}]}
    one, extinction = master("MASTER_BIAS_BLUE", mid, BLUE), table("EXTCOEFF_TABLE")
    (block,) = run([*frames, one, extinction], rules=with_science(pair)).blocks
    assert [m.tag for m in block.ab.mcalibs] == ["EXTCOEFF_TABLE"]
    (candidate,) = told(block)[0]["candidates"]
    assert (candidate["failed_on"], candidate["reason"]) == ("too_few", "matches, but the rule needs 2")
    (block,) = run([*frames, one], rules=with_science(pair)).blocks
    assert (block.ab.mcalibs, block.ab.completeness) == ((), "INCOMPLETE")


def test_alternatives_may_apply_to_some_abs_only(run) -> None:
    frames = Nights().science()
    some = {"any_of": [{"static": "FLUX_STD_TABLE", "applies": {"chips": 2}}, {"static": "EXTCOEFF_TABLE"}]}
    files = [table("FLUX_STD_TABLE"), table("EXTCOEFF_TABLE")]
    (block,) = run([*frames, *files], rules=with_science(some)).blocks
    assert [m.tag for m in block.ab.mcalibs] == ["EXTCOEFF_TABLE"]
    (block,) = run([*frames, *files], rules=with_science({**some, "applies": {"chips": 2}})).blocks
    assert (block.ab.mcalibs, block.traces) == ((), ())


@pytest.fixture
def muse() -> Night:
    """Two exposures with an illumination flat between them, and one far from it."""
    night = Night("MUSE", "MUSE_R")
    night.template(("SCIENCE", "OBJECT", "IFU"), keywords=MUSE, exptime_s=900.0)
    night.template(("CALIB", "FLAT,LAMP,ILLUM", "IFU"), keywords=MUSE, exptime_s=0.35)
    night.template(("SCIENCE", "OBJECT", "IFU"), keywords=MUSE, exptime_s=900.0)
    return night


def test_a_raw_frame_joins_those_of_the_ab(muse) -> None:
    _, illumination, _ = muse.frames
    result = muse.associated()
    blocks = [block for block in result.blocks if block.ab.task == "science"]
    for block, science in zip(blocks, (muse.frames[0], muse.frames[2]), strict=True):
        assert [(raw.path, raw.tag) for raw in block.ab.raws] == [
            (science.path, "OBJECT"),
            (illumination.path, "ILLUM"),
        ]
        assert block.ab.name == science.name.replace(".fits", ".ab"), "the primary frame names the AB"
        again = parse(write(block.ab), "x").ab
        assert again == block.ab
        inputs = resolve(replace(again, completeness="COMPLETE", missing=()), {})
        assert [(each.tag, each.raw, each.mandatory) for each in inputs] == [
            ("OBJECT", True, True),
            ("ILLUM", True, True),
        ]
        association = next(a for a in told(block) if a["catg"] == "ILLUM")
        assert (association["result"], association["from"]) == ("chosen", "raw frames")
    assert not [out for out in result.left_out if out.code in {"NO_TASK", "NO_GROUP"}]


def test_a_raw_frame_that_is_demanded_and_not_there_is_missing(run) -> None:
    frames = Nights().science()
    demand = {"raw": "BIAS_BLUE", "match": ["chips"], "levels": LEVELS}
    (block,) = run(frames, rules=with_science(demand)).blocks
    assert [(m.tag, m.reason) for m in block.ab.missing] == [
        ("BIAS_BLUE", "no BIAS_BLUE: there is none among the raw frames")
    ]
    assert len(block.ab.raws) == 1


def test_products_may_need_a_raw_frame(run) -> None:
    night = Nights()
    night.bias(count=1)
    (science,) = night.science()
    demand = {"raw": "BIAS_BLUE", "match": ["chips"], "levels": LEVELS, "minimum": 0}
    needing = rules().task("science").products[0].model_copy(update={"needs": ("BIAS_BLUE",)})
    by = with_science(demand, products=(needing,))
    assert run(night.frames, rules=by).blocks[-1].ab.expected == ("RED_SCI_POINT_BLUE",)
    assert run([science], rules=by).blocks[-1].ab.expected == ()


def test_header_text_never_says_service_or_visitor_mode(run) -> None:
    night = Nights()
    night.night("2019-03-04")
    assert {block.ab.obs_mode for block in run(night.frames).blocks} == {"NONE"}


def left_out(result):
    return {out.path.rpartition("/")[2]: (out.code, out.reason) for out in result.left_out}


def test_frames_no_task_takes_are_told(run) -> None:
    night = Nights()
    (extended,) = night.template("SCIENCE", "OBJECT,EXTENDED", BLUE)
    bias, *_ = night.bias()
    kept: tuple[Preselection, ...] = ()
    by = rules().model_copy(update={"preselection": kept})
    assert left_out(run(night.frames, rules=by)) == {
        extended.name: ("NO_TASK", "no task takes frames of class SCI_EXTND_BLUE")
    }
    of_mode = left_out(run(night.frames, rules=by, mode="IDP"))
    assert of_mode[bias.name] == (
        "NO_TASK",
        "the release leaves out task bias, to which class BIAS_BLUE belongs",
    )
    unclassified = replace(extended, raw_class="")
    assert left_out(run([unclassified], rules=by)) == {}, "frames orphans tells of these"


def test_frames_without_a_group_are_told() -> None:
    night = Night("MUSE", "MUSE_R")
    (alone,) = night.template(("CALIB", "FLAT,LAMP,ILLUM", "IFU"), keywords=MUSE)
    assert left_out(night.associated()) == {
        alone.name: ("NO_GROUP", "no AB takes this frame of class ILLUM along")
    }


def test_frames_a_condition_or_a_number_keeps_out_are_told(run) -> None:
    night = Nights()
    night.bias(count=4)
    standard, *_ = night.standard()
    task = rules().task("bias")
    task = task.model_copy(update={"where": {}, "raw": ("BIAS_BLUE", "STANDARD_BLUE")})
    dumped = {**task.model_dump(by_alias=True), "together": [{"BIAS_BLUE": {"minimum": 1, "maximum": 3}}]}
    dumped |= {"raw": ["BIAS_BLUE"], "where": {"binx": 2}}
    several = type(task).model_validate(dumped)
    by = rules().model_copy(update={"tasks": (several,)})
    last = night.frames[3].name
    assert left_out(run(night.frames, rules=by)) == {
        last: ("NO_GROUP", "task bias: the AB has its 3 frames of class BIAS_BLUE"),
        standard.name: ("NO_TASK", "no task takes frames of class STANDARD_BLUE"),
    }
    picky = type(task).model_validate(dumped | {"where": {"binx": 1}})
    by = rules().model_copy(update={"tasks": (picky,)})
    code, reason = left_out(run(night.frames, rules=by))[last]
    assert (code, reason) == ("NO_GROUP", "task bias takes no such frame: binx is 2, expected 1")
    dumped |= {"raw": ["BIAS_BLUE", "STANDARD_BLUE"], "together": [{"BIAS_BLUE": 1, "STANDARD_BLUE": 0}]}
    paired = type(task).model_validate(dumped)
    by = rules().model_copy(update={"tasks": (paired,)})
    assert left_out(run([standard], rules=by)) == {
        standard.name: ("NO_GROUP", "task bias: there is no frame of class BIAS_BLUE to go with it")
    }
