from dataclasses import replace

import pytest

from builders_uves import BLUE, RED, Nights, Setting, master, rules, table, tables
from phoenix.association.explain import LISTED, explanation
from phoenix.config.association import Association, Breakpoint


def science(result):
    return [block for block in result.blocks if block.ab.task == "science"]


def mcalib(ab, tag):
    return next((m for m in ab.mcalibs if m.tag == tag), None)


def reasons(block, catg):
    """Explanation of the association of that category."""
    told = explanation(block.ab, block.group, block.traces, rules())
    return next(a for a in told["associations"] if a["catg"] == catg)


def with_science(*associations, **breaks):
    """Rules whose science takes just these calibrations."""
    task = (
        rules()
        .task("science")
        .model_copy(update={"associate": tuple(Association.model_validate(a) for a in associations)})
    )
    return rules().model_copy(update={"tasks": (*rules().tasks[:-2], task), **breaks})


BIAS = {
    "master": "MASTER_BIAS_{chip}",
    "match": ["chips", "binx"],
    "levels": [{"level": 0, "within": "1 d"}, {"level": 2, "within": "5 d"}],
}


def test_the_neighbours_flat_serves_a_night_without_one(run) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    nights.night("2019-03-06", flats=0)
    first, second = science(run(nights.frames + tables(BLUE)))
    flat = mcalib(first.ab, "MASTER_FLAT_BLUE")
    assert (flat.status, flat.level) == ("VIRTUAL", 0)
    far = mcalib(second.ab, "MASTER_FLAT_BLUE")
    assert (far.source, far.level, far.mandatory) == (flat.source, 1, True)
    assert far.dt_days == pytest.approx(-1.63, abs=0.01)
    assert second.ab.level == 1
    assert far.source in second.ab.waits_for


def test_both_chips_come_from_one_ab(run) -> None:
    nights = Nights()
    nights.night("2019-03-04", (RED, BLUE))
    blocks = science(run(nights.frames + tables(RED, BLUE)))
    red = next(block.ab for block in blocks if block.ab.raw_type == "SCI_POINT_RED")
    assert mcalib(red, "MASTER_FLAT_REDL").source == mcalib(red, "MASTER_FLAT_REDU").source
    assert "FLUXCAL_SCI_POINT_REDU" in red.expected
    assert not [m.tag for m in red.mcalibs if m.tag.endswith("BLUE")]


@pytest.mark.parametrize("lacking", ["response", "extinction"])
def test_flux_is_expected_only_with_what_it_needs(run, lacking: str) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    frames = [
        f
        for f in nights.frames + tables(BLUE)
        if not (lacking == "response" and f.raw_class == "STANDARD_BLUE")
    ]
    if lacking == "extinction":
        frames = [f for f in frames if f.raw_class != "EXTCOEFF_TABLE"]
    (block,) = science(run(frames))
    assert block.ab.completeness == "COMPLETE"
    assert "RED_SCI_POINT_BLUE" in block.ab.expected
    assert not [catg for catg in block.ab.expected if catg.startswith("FLUXCAL")]
    assert reasons(block, "INSTR_RESPONSE_FINE_{chip}")["result"] == "none, optional"


def test_what_is_missing_says_why(run) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    nights.at("2019-03-25", "01:00:00").science()
    nights.at("2019-03-26", "01:00:00").science(replace(BLUE, binning=1))
    nights.at("2019-03-27", "01:00:00").science(INS__GRAT1__WLEN=None)
    late, other, keyless = (block.ab for block in science(run(nights.frames + tables(BLUE)))[1:])
    told = {m.tag: m.reason for m in late.missing}
    assert late.completeness == "INCOMPLETE"
    assert told["MASTER_BIAS_BLUE"] == (
        "no MASTER_BIAS_BLUE: the nearest, UVES.2019-03-04T20:00:04.321_tpl.ab, matches but is "
        "20.211 d earlier, beyond 15 d"
    )
    assert "has binx 2, the AB has 1" in {m.tag: m.reason for m in other.missing}["ORDER_TABLE_BLUE"]
    raw = keyless.name.replace(".ab", ".fits")
    assert {m.tag: m.reason for m in keyless.missing}["LINE_TABLE_BLUE"] == (
        f"no LINE_TABLE_BLUE: the header of {raw} has no wlen, which must match"
    )
    assert [m.tag for m in keyless.mcalibs] == ["EXTCOEFF_TABLE"]


def test_incomplete_calibrations_are_no_candidates(run) -> None:
    nights = Nights()
    nights.at("2019-03-05", "01:00:00").science()
    nights.at("2019-03-05", "10:00:00").morning()
    (block,) = science(run(nights.frames + tables(BLUE)))
    assert {m.tag for m in block.ab.mcalibs} == {"EXTCOEFF_TABLE"}
    reason = {m.tag: m.reason for m in block.ab.missing}["MASTER_FLAT_BLUE"]
    assert (
        "would match but is itself incomplete: no MASTER_BIAS_BLUE: there is none among the masters" in reason
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [("closest", 0.5), ("previous", -0.8), ("next", 0.5)],
)
def test_time_rules(run, rule: str, expected: float) -> None:
    frames = Nights().science()
    mid = round(frames[0].mjd_mid, 8)
    masters = [master("MASTER_BIAS_BLUE", mid + dt, BLUE) for dt in (-3.0, -0.8, 0.5, 0.9)]
    (block,) = run([*frames, *masters], rules=with_science({**BIAS, "time": rule})).blocks
    found = mcalib(block.ab, "MASTER_BIAS_BLUE")
    assert (found.status, found.dt_days, found.level) == ("REAL", pytest.approx(expected, abs=1e-6), 0)


def test_attached_means_the_same_observation_block(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    near = master("MASTER_BIAS_BLUE", mid + 0.1, BLUE, OBS__ID=5)
    own = master("MASTER_BIAS_BLUE", mid + 0.7, BLUE, OBS__ID=frames[0].keywords["OBS.ID"])
    (block,) = run([*frames, near, own], rules=with_science({**BIAS, "time": "attached"})).blocks
    assert mcalib(block.ab, "MASTER_BIAS_BLUE").source == own.path


def test_nothing_crosses_a_breakpoint(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    before, after = (master("MASTER_BIAS_BLUE", mid + dt, BLUE) for dt in (-0.2, 0.9))
    broken = with_science(BIAS, breakpoints=(Breakpoint(mjd=58000), Breakpoint(mjd=mid - 0.1)))
    (block,) = run([*frames, before, after], rules=broken).blocks
    assert mcalib(block.ab, "MASTER_BIAS_BLUE").source == after.path
    told = reasons(block, "MASTER_BIAS_{chip}")["candidates"]
    assert [(c["failed_on"], c["verdict"]) for c in told] == [("", "chosen"), ("breakpoint", "rejected")]
    assert f"breakpoint at MJD {mid - 0.1:.5f}" in told[1]["reason"]
    (lonely,) = run([*frames, before], rules=broken).blocks
    assert "lies across the breakpoint" in lonely.ab.missing[0].reason


def test_several_masters_of_one_kind_the_nearest_first(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    masters = [master("MASTER_BIAS_BLUE", mid + dt, BLUE) for dt in (-0.3, 0.1, 2.0)]
    (block,) = run([*frames, *masters], rules=with_science({**BIAS, "minimum": 2})).blocks
    assert [m.source for m in block.ab.mcalibs] == [masters[1].path, masters[0].path]
    (short,) = run([*frames, masters[0]], rules=with_science({**BIAS, "minimum": 2})).blocks
    assert short.ab.completeness == "INCOMPLETE"


def test_at_equal_distance_the_earlier_one_real_before_virtual_then_the_name(run) -> None:
    frames = Nights().science()
    mid = round(frames[0].mjd_mid, 8)
    pair = [master("MASTER_BIAS_BLUE", mid + dt, BLUE) for dt in (0.25, -0.25)]
    (block,) = run([*frames, *pair], rules=with_science(BIAS)).blocks
    assert mcalib(block.ab, "MASTER_BIAS_BLUE").source == pair[1].path

    nights = Nights()
    nights.bias()
    nights.science()
    virtual = run(nights.frames, rules=with_science({**BIAS, "made_by": "bias"}))
    mjd = virtual.blocks[0].ab.mjd_obs_mod
    twins = [
        replace(master("MASTER_BIAS_BLUE", mjd, BLUE, folder), name=name)
        for folder, name in (("/m/a", "b"), ("/m/z", "a"))
    ]
    result = run([*nights.frames, *twins], rules=with_science({**BIAS, "made_by": "bias"}))
    assert mcalib(result.blocks[-1].ab, "MASTER_BIAS_BLUE").source == twins[1].path


def test_real_masters_of_two_chips_are_taken_from_one_origin(run) -> None:
    frames = Nights().science(RED)
    mid = frames[0].mjd_mid
    half = master("MASTER_BIAS_REDL", mid + 0.1, RED, "/data/masters/half")
    whole = [
        master(f"MASTER_BIAS_{chip}", mid + 0.2, RED, "/data/masters/whole") for chip in ("REDU", "REDL")
    ]
    (block,) = run([*frames, half, *whole], rules=with_science(BIAS)).blocks
    assert [m.source for m in block.ab.mcalibs] == [whole[1].path, whole[0].path]
    told = reasons(block, "MASTER_BIAS_{chip}")["candidates"]
    assert [c["reason"] for c in told][1] == "gives no MASTER_BIAS_REDU"


def test_static_tables_by_validity(run) -> None:
    nights = Nights()
    nights.night("2019-03-04")
    mjd = nights.frames[0].mjd_obs
    old, new, future = (table("EXTCOEFF_TABLE", mjd + dt, X=dt) for dt in (-900.0, -10.0, 30.0))
    static = [f for f in tables(BLUE) if f.raw_class != "EXTCOEFF_TABLE"]
    (block,) = science(run([*nights.frames, *static, new, old, future]))
    assert mcalib(block.ab, "EXTCOEFF_TABLE").source == new.path
    told = {c["name"]: c["failed_on"] for c in reasons(block, "EXTCOEFF_TABLE")["candidates"]}
    assert told == {new.name: "", old.name: "farther", future.name: "validity"}
    standard = next(b.ab for b in run([*nights.frames, *static, future]).blocks if b.ab.task == "response")
    assert "is valid only from MJD" in standard.missing[0].reason


def test_conditions_on_calibration_and_ab(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    good, bad = (
        master("MASTER_BIAS_BLUE", mid + 0.5, BLUE, QC__RON=3.0),
        master("MASTER_BIAS_BLUE", mid + 0.1, BLUE, QC__RON=9.0),
    )
    quiet = {**BIAS, "when": {"QC.RON": {"below": 5}}}
    (block,) = run([*frames, good, bad], rules=with_science(quiet)).blocks
    assert mcalib(block.ab, "MASTER_BIAS_BLUE").source == good.path
    told = reasons(block, "MASTER_BIAS_{chip}")["candidates"][1]
    assert (told["key"], told["found"], told["failed_on"]) == ("QC.RON", "9.0", "condition")
    (red_only,) = run([*frames, good], rules=with_science({**BIAS, "applies": {"chips": 2}})).blocks
    assert (red_only.ab.mcalibs, red_only.ab.missing) == ((), ())


def test_values_are_compared_as_header_values(run) -> None:
    frames = Nights().science(DET__WIN1__BINX=2.0, DET__CHIPS=1)
    mid = frames[0].mjd_mid
    logical = master("MASTER_BIAS_BLUE", mid + 0.1, BLUE, DET__CHIPS=True)
    (block,) = run([*frames, logical], rules=with_science(BIAS)).blocks
    assert "has chips T, the AB has 1" in block.ab.missing[0].reason
    noisy = master("MASTER_BIAS_BLUE", mid, BLUE, DET__WIN1__BINX=2.0000000001, DET__CHIPS=1.0)
    (block,) = run([*frames, logical, noisy], rules=with_science(BIAS)).blocks
    assert [m.source for m in block.ab.mcalibs] == [noisy.path]
    assert dict(block.ab.match_keys)["binx"] == "2"


def test_every_reason_is_told(run) -> None:
    nights = Nights()
    nights.night("2019-03-04", (BLUE, Setting(1, 346.0), RED))
    nights.night("2019-03-05", (BLUE,))
    block = next(
        b
        for b in science(run(nights.frames + tables(BLUE, RED, Setting(1, 346.0))))
        if b.ab.date == "2019-03-05"
    )
    told = reasons(block, "MASTER_FLAT_{chip}")
    assert told["match"]["wlen"] == "437"
    assert told["levels"][0] == {"level": 0, "within_days": 1.0}
    assert [(c["failed_on"], c["key"], c["wanted"], c["found"]) for c in told["candidates"]] == [
        ("", "", "", ""),
        ("farther", "", "", ""),
        ("key", "chips", "1", "2"),
        ("key", "wlen", "437", "346"),
    ]
    assert told["candidates"][1]["level"] == 0
    assert told["candidates"][1]["reason"].startswith("matches, but 0.6")


def test_an_explanation_stays_readable_among_hundreds(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    masters = [
        master("MASTER_BIAS_BLUE", mid + 0.001 * n, replace(BLUE, binning=4 if n < 150 else 2))
        for n in range(1, 300)
    ]
    (block,) = run([*frames, *masters], rules=with_science(BIAS)).blocks
    told = reasons(block, "MASTER_BIAS_{chip}")
    assert len(told["candidates"]) == LISTED
    assert told["candidates_not_listed"] == 299 - LISTED
    assert told["candidates"][0]["dt_days"] == 0.15
    assert {c["failed_on"] for c in told["candidates"]} == {"", "farther", "key"}


def test_two_missing_values_are_not_equal(run) -> None:
    frames = Nights().science(DET__WIN1__BINX=None)
    keyless = master("MASTER_BIAS_BLUE", frames[0].mjd_mid, BLUE)
    keyless = replace(keyless, keywords={k: v for k, v in keyless.keywords.items() if k != "DET.WIN1.BINX"})
    (block,) = run([*frames, keyless], rules=with_science(BIAS)).blocks
    assert block.ab.mcalibs == ()
    assert [c["failed_on"] for c in reasons(block, "MASTER_BIAS_{chip}")["candidates"]] == ["key"]


def test_frames_that_differ_in_type_alone_are_told_apart(run) -> None:
    frames = Nights().science()
    mid = frames[0].mjd_mid
    logical = master("MASTER_BIAS_BLUE", mid, BLUE, DET__CHIPS=True)
    number = master("MASTER_BIAS_BLUE", mid + 0.1, BLUE, DET__CHIPS=1)
    (block,) = run([logical, number, *frames], rules=with_science(BIAS)).blocks
    assert [m.source for m in block.ab.mcalibs] == [number.path]
