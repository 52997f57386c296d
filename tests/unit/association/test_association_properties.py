"""What holds for any header set: order does not matter, every choice is the one a slow search makes."""

import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from builders_uves import BLUE, RED, Nights, Setting, master, rules, tables
from phoenix.association.explain import explanation
from phoenix.config.association import Breakpoint
from phoenix.config.rules import Tolerance
from phoenix.model.ab import raws_of
from phoenix.model.ab_text import write

SETTINGS = (BLUE, RED, Setting(1, 346.0), Setting(1, 437.0, binning=1), Setting(1, 437.0, slit_arcsec=0.4))
KINDS = (
    ("CALIB", "BIAS"),
    ("CALIB", "LAMP,FMTCHK"),
    ("CALIB", "LAMP,ORDERDEF"),
    ("CALIB", "LAMP,FLAT"),
    ("CALIB", "LAMP,WAVE"),
    ("CALIB", "STD"),
    ("SCIENCE", "OBJECT,POINT"),
)
#: Headers as they come: whole, a card missing, a value of another type or sense.
DAMAGE = st.sampled_from(
    [
        ("OBS.ID", None),
        ("OBS.ID", 77),
        ("DET.CHIPS", None),
        ("DET.CHIPS", 3),
        ("DET.CHIPS", True),
        ("DET.WIN1.BINX", None),
        ("DET.WIN1.BINX", "2"),
        ("DET.READ.SPEED", True),
        ("INS.GRAT1.WLEN", float("nan")),
        ("INS.GRAT1.WLEN", float("inf")),
        ("INS.SLIT2.WID", -0.0),
        ("TPL.START", None),
        ("TPL.START", "x\ny # z"),
        ("TPL.NEXP", "three"),
        ("TPL.NEXP", 1e300),
        ("TPL.EXPNO", None),
        ("OBS.PROG.ID", "a 'quoted' \"id\"\\"),
    ]
)
TEMPLATES = st.tuples(
    st.sampled_from(KINDS),
    st.sampled_from(SETTINGS),
    st.integers(1, 5),
    st.integers(0, 2),
    st.integers(1, 2000),
)
#: First frame, and every how many frames after it, that gets the damage: one alone, some, or all.
BLOWS = st.tuples(st.integers(0, 20), st.sampled_from([1, 2, 1000]), DAMAGE)
MASTERS = st.tuples(
    st.sampled_from(["MASTER_BIAS", "ORDER_TABLE", "MASTER_FLAT", "LINE_TABLE"]),
    st.sampled_from(SETTINGS),
    st.integers(-60, 60),
    st.sampled_from(["/m/a", "/m/b"]),
)


@st.composite
def header_sets(draw):
    """Some nights of templates, some of whose headers are damaged, real masters and static tables."""
    nights = Nights()
    for (catg, dpr_type), setting, count, lost, minutes in draw(st.lists(TEMPLATES, max_size=14)):
        nights.clock += timedelta(minutes=minutes)
        nights.template(catg, dpr_type, setting, count, planned=count + lost)
    frames = list(nights.frames)
    for first, step, (key, value) in draw(st.lists(BLOWS, max_size=4)):
        for index in range(first, len(frames), step):
            kept = {k: v for k, v in frames[index].keywords.items() if k != key}
            frames[index] = replace(frames[index], keywords=kept if value is None else {**kept, key: value})
    masters = [
        master(f"{catg}_{chip}", 58547.0 + quarter / 4, setting, folder)
        for catg, setting, quarter, folder in draw(st.lists(MASTERS, max_size=8))
        for chip in (("BLUE",) if setting.chips == 1 else ("REDL", "REDU"))
    ]
    masters = list({frame.path: frame for frame in masters}.values())
    broken = draw(st.lists(st.floats(58546, 58560), max_size=1))
    return frames + masters + tables(*SETTINGS), tuple(Breakpoint(mjd=mjd) for mjd in broken)


def told(result):
    """All that leaves the engine, as bytes."""
    blocks = [
        write(block.ab) + json.dumps(explanation(block.ab, block.group, block.traces, rules()))
        for block in result.blocks
    ]
    return blocks, result.left_out, [(night, str(error)) for night, error in result.errors]


@given(header_sets(), st.randoms(use_true_random=False))
@settings(max_examples=300, deadline=None)
def test_order_does_not_matter_and_every_choice_is_the_best(run, header_set, random) -> None:
    frames, broken = header_set
    result = run(frames, breakpoints=broken, release="UVES_STACK")
    shuffled = list(frames)
    random.shuffle(shuffled)
    assert told(run(shuffled, breakpoints=broken, release="UVES_STACK")) == told(result)
    assert_inputs(result)

    raws = [raw.path for block in result.blocks for raw in block.ab.raws]
    assert len(raws) == len(set(raws))
    for block in result.blocks:
        for trace in block.traces:
            if not trace.search.link.rule.static:
                assert_best(block, trace, broken)


#: Exposures of a few OBs: setting, how many, how many of the template are lost, OB, exposure time in seconds.
EXPOSURES = st.tuples(
    st.sampled_from((BLUE, RED)),
    st.integers(1, 3),
    st.integers(0, 1),
    st.integers(1, 3),
    st.sampled_from([60, 70, 90]),
)
SOUND = [
    master(f"{catg}_{chip}", 58547.0, setting)
    for catg in ("MASTER_BIAS", "ORDER_TABLE", "LINE_TABLE", "MASTER_FLAT")
    for setting, chip in ((BLUE, "BLUE"), (RED, "REDL"), (RED, "REDU"))
]


@given(st.lists(EXPOSURES, max_size=8), BLOWS, st.booleans(), st.randoms(use_true_random=False))
@settings(max_examples=100, deadline=None)
def test_stacks_do_not_depend_on_the_order_and_take_each_exposure_once(
    run, exposures, blow, similar, random
) -> None:
    nights = Nights()
    for setting, count, lost, ob, exptime_s in exposures:
        nights.science(setting, count, planned=count + lost, OBS__ID=ob, EXPTIME=exptime_s)
    frames = [*nights.frames, *SOUND, *tables(BLUE, RED)]
    first, step, (key, value) = blow
    for index in range(first, len(nights.frames), step):
        kept = {k: v for k, v in frames[index].keywords.items() if k != key}
        frames[index] = replace(frames[index], keywords=kept if value is None else {**kept, key: value})
    tolerance = {"EXPTIME": Tolerance(relative=0.2)} if similar else {}
    stack = rules().task("stack").model_copy(update={"similar": tolerance})
    changes = {"tasks": (*rules().tasks[:-1], stack), "mode": "IDP", "release": "UVES_STACK"}
    result = run(frames, **changes)
    assert_inputs(result)
    random.shuffle(frames)
    assert told(run(frames, **changes)) == told(result)
    names = [block.ab.name for block in result.blocks if block.ab.task == "stack"]
    assert names == sorted(names)


def assert_inputs(result) -> None:
    """Each second step takes enough sound ABs of this very result, each AB in one AB of a task only."""
    abs_ = {block.ab.name: block.ab for block in result.blocks}
    assert len(abs_) == len(result.blocks)
    taken = [(ab.task, name) for ab in abs_.values() for name in ab.input_abs]
    assert len(taken) == len(set(taken))
    for ab in abs_.values():
        assert bool(ab.raws) != bool(ab.inputs)
        assert len(ab.input_abs) >= ab.min_inputs
        for entry in ab.inputs:
            maker = abs_[entry.ab]
            assert entry.tag in maker.expected
            assert (maker.exclusion, maker.missing, maker.date) == ("", (), ab.date)
            assert ab.level >= maker.level
        assert len(raws_of(ab, abs_)) == len(ab.raws) + len(ab.input_abs)


def assert_best(block, trace, broken) -> None:
    """Compare a choice with a plain search over all candidates."""
    reach = max(level.within.total_seconds() / 86400 for level in trace.search.link.rule.levels)
    fitting = []
    for candidate in trace.search.link.pool.all.candidates:
        lookup = candidate.traits.comparable
        equal = all(
            lookup[name] is not None and lookup[name] == block.group.traits.comparable[name]
            for name in trace.search.link.match
        )
        dt = candidate.mjd - block.ab.mjd_obs_mod
        crosses = any(min(candidate.mjd, trace.mjd) < b.mjd <= max(candidate.mjd, trace.mjd) for b in broken)
        complete = all(tag in candidate.sources for tag in trace.search.tags)
        if equal and complete and not candidate.defect and abs(round(dt, 6)) <= reach and not crosses:
            fitting.append((abs(dt), candidate.mjd, candidate.status != "REAL", candidate.name))
    chosen = [
        (abs(c.candidate.mjd - trace.mjd), c.candidate.mjd, c.candidate.status != "REAL", c.candidate.name)
        for c in trace.chosen
    ]
    assert chosen == sorted(fitting)[:1]
    mcalibs = [m for m in block.ab.mcalibs if m.tag in trace.search.tags]
    assert len({m.dt_days for m in mcalibs}) <= 1
    assert bool(chosen) == bool(mcalibs)
