"""What no association crosses: breakpoints of the instrument, windows of a rule."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders_uves import BLUE, RED, Nights, master, rules, table
from phoenix.association.explain import explanation
from phoenix.config.association import Association, Breakpoint
from phoenix.config.rules import Rules

BIAS = {
    "master": "MASTER_BIAS_{chip}",
    "match": ["chips", "binx"],
    "levels": [{"level": 0, "within": "1 d"}, {"level": 2, "within": "5 d"}],
}


def with_science(*associations, breakpoints=()):
    """Rules whose science takes just these calibrations."""
    task = rules().task("science")
    own = tuple(Association.model_validate(each) for each in associations)
    changed = task.model_copy(update={"associate": own})
    return rules().model_copy(
        update={
            "tasks": tuple(changed if t.name == "science" else t for t in rules().tasks),
            "breakpoints": tuple(breakpoints),
        }
    )


def told(block):
    """Candidates of the first association as explained: name -> (verdict, reason)."""
    (first, *_) = explanation(block.ab, block.group, block.traces, rules())["associations"]
    return {c["name"]: (c["failed_on"] or "chosen", c["reason"]) for c in first["candidates"]}


def biases(mid, *dts, setting=BLUE):
    chip = "BLUE" if setting.chips == 1 else "REDL"
    return [master(f"MASTER_BIAS_{chip}", mid + dt, setting) for dt in dts]


def test_a_window_is_never_left(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    near, far = biases(mid, -0.2, 2.5)
    parted = with_science({**BIAS, "between": [58000, mid - 0.1, mid + 4]})
    (block,) = run([*frames, near, far], rules=parted).blocks
    assert [(m.source, m.level) for m in block.ab.mcalibs] == [(far.path, 2)]
    assert told(block)[near.name][0] == "window"
    (lonely,) = run([*frames, near], rules=parted).blocks
    assert lonely.ab.completeness == "INCOMPLETE"
    assert (
        f"lies across a boundary of the rule's windows, at MJD {mid - 0.1:.5f}" in lonely.ab.missing[0].reason
    )


def test_a_preferred_window_is_left_for_want_of_calibrations_at_a_worse_level(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    near, far = biases(mid, -0.2, 2.5)
    parted = with_science({**BIAS, "try_between": [mid - 0.1]})
    (block,) = run([*frames, near, far], rules=parted).blocks
    assert [(m.source, m.level) for m in block.ab.mcalibs] == [(far.path, 2)]
    assert told(block)[near.name][0] == "try_window"
    (lonely,) = run([*frames, near], rules=parted).blocks
    assert [(m.source, m.level) for m in lonely.ab.mcalibs] == [(near.path, 1)]
    assert told(lonely)[near.name] == (
        "chosen",
        (
            f"matches and is the nearest; across MJD {mid - 0.1:.5f}, "
            "for its own window has too few: one level worse"
        ),
    )
    (beyond,) = run([*frames, *biases(mid, -9.0)], rules=parted).blocks
    assert beyond.ab.mcalibs == ()


def test_hard_and_preferred_windows_together(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    beyond, other, own = biases(mid, -0.3, -0.1, 0.9)
    parted = with_science({**BIAS, "between": [mid - 0.2], "try_between": [mid - 0.05]})
    (block,) = run([*frames, beyond, other, own], rules=parted).blocks
    assert [m.source for m in block.ab.mcalibs] == [own.path]
    (block,) = run([*frames, beyond, other], rules=parted).blocks
    assert [m.source for m in block.ab.mcalibs] == [other.path]


def test_static_tables_obey_windows_and_no_breakpoint(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    old = table("EXTCOEFF_TABLE", mid - 100)
    parted = with_science({"static": "EXTCOEFF_TABLE", "between": [mid - 50]})
    (block,) = run([*frames, old], rules=parted).blocks
    assert block.ab.completeness == "INCOMPLETE"
    assert told(block)[old.name][0] == "window"
    tried = with_science({"static": "EXTCOEFF_TABLE", "try_between": [mid - 50]})
    (block,) = run([*frames, old], rules=tried).blocks
    assert [(m.source, m.level, m.dt_days) for m in block.ab.mcalibs] == [(old.path, 1, 0.0)]
    broken = with_science({"static": "EXTCOEFF_TABLE"}, breakpoints=[Breakpoint(mjd=mid - 50)])
    assert [m.level for m in run([*frames, old], rules=broken).blocks[0].ab.mcalibs] == [0]


@pytest.mark.parametrize(
    ("limits", "crossed"),
    [
        ({}, False),
        ({"classes": ["SCI_POINT_BLUE"]}, False),
        ({"classes": ["SCI_POINT_RED"]}, True),
        ({"when": {"chips": 1}}, False),
        ({"when": {"chips": 2}}, True),
        ({"calibrations": ["MASTER_BIAS_{chip}"]}, False),
        ({"calibrations": ["MASTER_FLAT_{chip}"]}, True),
        ({"classes": ["SCI_POINT_BLUE"], "when": {"chips": 2}}, True),
    ],
)
def test_a_breakpoint_holds_for_those_it_names(run, limits, crossed: bool) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    (before,) = biases(mid, -0.2)
    barrier = Breakpoint.model_validate({"mjd": mid - 0.1, "reason": "new CCD", **limits})
    (block,) = run([*frames, before], rules=with_science(BIAS, breakpoints=[barrier])).blocks
    assert (block.ab.mcalibs != ()) == crossed
    if not crossed:
        told_ = f"matches but lies across the breakpoint at MJD {mid - 0.1:.5f}: new CCD"
        assert told(block)[before.name] == ("breakpoint", told_)
        assert told_ in block.ab.missing[0].reason


def test_the_first_moment_of_the_new_belongs_to_it(run) -> None:
    frames = Nights().science()
    mid = round(frames[0].mjd_mid, 8)
    (at,) = biases(mid, -0.25)
    for moment, crossed in ((at.mjd_mid, True), (at.mjd_mid + 1e-6, False)):
        (block,) = run([*frames, at], rules=with_science({**BIAS, "between": [moment]})).blocks
        assert (block.ab.mcalibs != ()) == crossed


@pytest.mark.parametrize(
    ("written", "mjd"),
    [
        (53292, 53292.0),
        ("2004-10-14", 53292.0),
        ("2009-07-02T12:00:00", 55014.5),
        ("2009-07-02T12:00:00+12:00", 55014.0),
    ],
)
def test_moments_are_mjds_or_dates(written: object, mjd: float) -> None:
    as_breakpoint = Rules.model_validate({**rules().model_dump(by_alias=True), "breakpoints": [written]})
    assert [each.mjd for each in as_breakpoint.breakpoints] == [mjd]
    (moment,) = Association.model_validate({**BIAS, "between": [written]}).between
    assert moment == mjd


def test_uves_arms_have_breakpoints_of_their_own(run) -> None:
    """By ESO's published rules the blue response changed on 2004-10-14, the red CCD on 2009-07-02."""
    for setting, day, crossing in ((BLUE, "2004-10-14", True), (RED, "2009-07-02", False)):
        frames = Nights().at(day, "03:00:00").science(setting)
        mid = frames[0].mjd_mid
        chips = ("BLUE",) if setting.chips == 1 else ("REDL", "REDU")
        masters = [
            master(f"{catg}_{chip}", mid - 0.3, setting)
            for catg in ("MASTER_BIAS", "INSTR_RESPONSE_FINE")
            for chip in chips
        ]
        (block,) = run([*frames, *masters]).blocks
        tags = {m.tag for m in block.ab.mcalibs}
        assert not any(tag.startswith("INSTR_RESPONSE") for tag in tags)
        assert (f"MASTER_BIAS_{chips[0]}" in tags) == crossing
        (later,) = run([*Nights().at("2012-01-01", "03:00:00").science(setting)]).blocks
        assert later.ab.task == "science"


QUARTERS = st.integers(-24, 24).map(lambda quarter: quarter / 4)
MOMENTS = st.lists(QUARTERS, max_size=3, unique=True).map(sorted)


@given(
    st.lists(QUARTERS, min_size=1, max_size=12, unique=True),
    MOMENTS,
    MOMENTS,
    MOMENTS,
    st.integers(1, 3),
    st.sampled_from(["closest", "previous", "next"]),
    st.randoms(use_true_random=False),
)
@settings(max_examples=300, deadline=None)
def test_nothing_crosses_and_the_choice_is_that_of_a_plain_search(
    run, dts, breaks, windows, tries, most, time, random
) -> None:
    frames = Nights().science()
    mid = round(frames[0].mjd_mid, 8)
    masters = biases(mid, *(dt + 0.01 for dt in dts))
    rule = {**BIAS, "time": time, "maximum": most}
    rule |= {"between": [mid + dt for dt in windows], "try_between": [mid + dt for dt in tries]}
    changed = with_science(rule, breakpoints=[Breakpoint(mjd=mid + dt) for dt in breaks])
    (block,) = run([*frames, *masters], rules=changed).blocks

    def crosses(dt: float, moments: list[float]) -> bool:
        return any(min(0, dt) < moment <= max(0, dt) for moment in moments)

    fitting = []
    for dt in sorted((dt + 0.01 for dt in dts), key=lambda dt: (abs(dt), dt)):
        refused = {"closest": False, "previous": dt > 0, "next": dt < 0}[time]
        if abs(dt) <= 5 and not refused and not crosses(dt, breaks + windows):
            level = 0 if abs(dt) <= 1 else 2
            fitting.append((crosses(dt, tries), round(dt, 6), level))
    own = [(dt, level) for other, dt, level in fitting if not other]
    others = [(dt, level + 1) for other, dt, level in fitting if other]
    assert [(m.dt_days, m.level) for m in block.ab.mcalibs] == (own or others[:1])[:most]

    shuffled = [*frames, *masters]
    random.shuffle(shuffled)
    assert run(shuffled, rules=changed).blocks[0].ab == block.ab
    assert set(told(block)) == {m.name for m in masters}
