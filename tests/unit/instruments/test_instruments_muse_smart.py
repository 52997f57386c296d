"""Smart association of MUSE: fields of a mosaic, turns, skies, by headers alone."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders_instruments import MUSE, Night
from builders_uves import project_configuration
from phoenix.association.explain import explanation
from phoenix.association.regrouping import Part
from phoenix.errors import ConfigError
from phoenix.instruments.muse.smart import divide
from phoenix.instruments.muse.smart_geometry import pointing_of, separation_arcsec, turned_deg
from phoenix.instruments.muse.smart_sky import sky_of
from phoenix.model.frame import Frame, FrameKind, Value

CONFIG = {"field_arcsec": {"WFM": 30, "NFM": 4}, "turn_deg": 90}
RA, DEC = 53.1, -27.8
OFFSETS = ("SEQ.CUMOFFSETX", "SEQ.CUMOFFSETY")


def exposure(number: int, east: float = 0.0, north: float = 0.0, angle: float = 0.0, **more: Value) -> Frame:
    """An exposure at an offset in arcsec from the target; in names of further keywords __ is the dot."""
    header: dict[str, Value] = {
        "RA": RA + east / 3600 / math.cos(math.radians(DEC)),
        "DEC": DEC + north / 3600,
        "INS.DROT.POSANG": angle,
        "INS.MODE": "WFM-NOAO-N",
        "OBS.ID": 1,
        "DPR.CATG": "SCIENCE",
    }
    header |= {name.replace("__", "."): value for name, value in more.items()}
    header = {name: value for name, value in header.items() if value != ""}
    name = f"MUSE.2021-03-05T{1 + number // 60:02d}:{number % 60:02d}:00.000.fits"
    raw_class = "SKY" if more.get("DPR__TYPE") == "SKY" else "OBJECT"
    mjd = 59278.0 + number / 1440
    return Frame(f"/raw/{name}", name, FrameKind.RAW, "MUSE", mjd, 30.0, header, raw_class=raw_class)


def parts(*frames: Frame, **changes: object) -> list[Part]:
    objects = [frame for frame in frames if frame.raw_class == "OBJECT"]
    return divide(objects, frames, CONFIG | changes, "releases/MUSE_R.yaml, field regrouping")


def sizes(found: list[Part]) -> list[int]:
    return [len(part.frames) for part in found]


def test_dithers_and_turns_by_90_degrees_stay_together() -> None:
    frames = [exposure(n, *offset, angle) for n, (offset, angle) in enumerate(
        [((0, 0), 0), ((1.5, -1), 90), ((-1, 2), 180.4), ((2, 2), 270), ((0, 1), -90), ((0, 0), 359)]
    )]  # fmt: skip
    (part,) = parts(*frames)
    assert part.frames == tuple(frames)
    assert (part.code, part.reason) == ("", "")
    assert part.remarks[:2] == (
        "6 exposures of one field, up to 2.8 arcsec from the first one",
        "position angles 0, 90, 180.4, 270, -90, 359 deg",
    )


def test_the_fields_of_a_mosaic_are_cubes_of_their_own_though_they_overlap() -> None:
    frames = [exposure(n, east) for n, east in enumerate((0, 1, 50, 51, 100))]
    found = parts(*frames)
    assert sizes(found) == [2, 2, 1]
    assert [part.code for part in found] == ["OTHER_FIELD"] * 3
    assert found[2].reason == (
        f"is of another field, 50.0 arcsec from that of {frames[2].name}; "
        "exposures are combined up to 30 arcsec"
    )


def test_other_turns_are_apart_and_none_is_where_the_release_does_not_mind() -> None:
    frames = [exposure(n, angle=angle) for n, angle in enumerate((0, 45, 90, 47.5))]
    found = parts(*frames)
    assert [[frames.index(frame) for frame in part.frames] for part in found] == [[0, 2], [1], [3]]
    assert found[1].code == "OTHER_ROTATION"
    assert found[1].reason.startswith(f"is turned to 45 deg, {frames[0].name} to 0 deg")
    assert sizes(parts(*frames, turn_deg=None)) == [4]


def test_the_narrow_field_is_smaller() -> None:
    wide = [exposure(n, 6.0 * n) for n in range(2)]
    narrow = [exposure(n, 6.0 * n, INS__MODE="NFM-AO-N") for n in range(2)]
    assert (sizes(parts(*wide)), sizes(parts(*narrow))) == ([2], [1, 1])


def test_offsets_count_where_a_header_has_no_position() -> None:
    frames = [exposure(n, RA="", DEC="", SEQ__CUMOFFSETX=60.0 * n, SEQ__CUMOFFSETY=0.0) for n in range(2)]
    assert sizes(parts(*frames)) == [1, 1]
    unknown = [exposure(n, RA="", DEC="", INS__DROT__POSANG="") for n in range(2)]
    assert sizes(parts(*unknown)) == [2], "what no header tells separates nothing"


def test_object_sky_object_is_told_with_the_sky_that_serves() -> None:
    first, sky, second = exposure(0), exposure(10, 300, DPR__TYPE="SKY"), exposure(20)
    (part,) = parts(first, sky, second)
    assert "sequence of the OB: O-S-O" in part.remarks
    assert f"sky {sky.name} serves {first.name}, {second.name}" in part.remarks


def test_a_sky_serves_its_own_ob_then_its_concatenation_and_nobody_else() -> None:
    mine = exposure(0, OBS__CONTAINER__ID=7, OBS__CONTAINER__TYPE="C")
    other = exposure(5, DPR__TYPE="SKY", OBS__ID=2)
    linked = exposure(20, DPR__TYPE="SKY", OBS__ID=3, OBS__CONTAINER__ID=7, OBS__CONTAINER__TYPE="C")
    own = exposure(40, DPR__TYPE="SKY")
    assert sky_of(mine, [other, linked, own], 1.0) is own
    assert sky_of(mine, [other, linked], 1.0) is linked
    assert sky_of(mine, [other], 1.0) is None
    assert sky_of(mine, [own], 0.5) is None, "too far in time"
    group = exposure(20, DPR__TYPE="SKY", OBS__ID=3, OBS__CONTAINER__ID=7, OBS__CONTAINER__TYPE="G")
    assert sky_of(mine, [group], 1.0) is None, "a group of OBs is spread over nights"
    before = exposure(-40, DPR__TYPE="SKY")
    assert sky_of(mine, [own, before], 1.0) is before, "of two as near the earlier one"


def test_containers_and_repeated_executions_are_told() -> None:
    frames = [
        exposure(n, OBS__START=f"2021-03-05T0{n}", OBS__CONTAINER__ID=7, OBS__CONTAINER__TYPE="C")
        for n in range(2)
    ]
    (part,) = parts(*frames)
    assert "2 executions: 2021-03-05T00, 2021-03-05T01" in part.remarks
    assert "container 7, C" in part.remarks


def test_a_wrong_configuration_is_named_with_its_field() -> None:
    with pytest.raises(ConfigError, match=r"regrouping\.config\.turn_deg"):
        parts(exposure(0), turn_deg="ninety")


PLACES = st.tuples(st.floats(-200, 200), st.floats(-200, 200), st.sampled_from([0, 30, 90, 180]))


@given(st.lists(PLACES, min_size=1, max_size=12))
def test_every_exposure_is_in_one_part_and_near_its_first(places: list[tuple[float, float, int]]) -> None:
    frames = [exposure(n, *place) for n, place in enumerate(places)]
    found = parts(*frames)
    assert sorted(frame.name for part in found for frame in part.frames) == [frame.name for frame in frames]
    for part in found:
        first, *others = (pointing_of(frame, OFFSETS) for frame in part.frames)
        for other in others:
            assert separation_arcsec(first, other) <= 30
            assert turned_deg(first.angle_deg or 0.0, other.angle_deg or 0.0, 90) <= 2


def mosaic() -> Night:
    """A night of one OB: two exposures here, two there, and one far away."""
    night = Night("MUSE", "MUSE_R")
    night.static("LINE_CATALOG")
    night.static("GEOMETRY_TABLE")
    night.template(("CALIB", "BIAS", "IFU"), keywords=MUSE, count=5, exptime_s=0.0)
    night.template(("CALIB", "FLAT,LAMP", "IFU"), keywords=MUSE, count=5)
    night.template(("CALIB", "WAVE", "IFU"), keywords=MUSE, count=9)
    for east in (0, 1, 60, 61, 200):
        place = {"RA": RA + east / 3600, "DEC": 0.0}
        night.template(("SCIENCE", "OBJECT", "IFU"), keywords={**MUSE, "OBS.ID": 1, **place}, exptime_s=900.0)
    return night


def test_the_abs_of_a_mosaic_are_one_per_field_with_reasons() -> None:
    result = mosaic().associated()
    combined = [block for block in result.blocks if block.ab.task == "combine"]
    exposures = [block.ab.name for block in result.blocks if block.ab.task == "exposure"]
    assert [block.ab.input_abs for block in combined] == [tuple(exposures[:2]), tuple(exposures[2:4])]
    offsets = [block.ab.name for block in result.blocks if block.ab.task == "alignment"]
    assert [block.ab.mcalibs[0].source for block in combined] == offsets, "each its own offsets"
    (out,) = result.left_out
    assert (out.path, out.code) == (exposures[4], "OTHER_FIELD")
    told = explanation(
        combined[0].ab, combined[0].group, combined[0].traces, project_configuration().rules("MUSE")
    )
    assert told["remarks"][0] == "2 exposures of one field, up to 1.0 arcsec from the first one"
    reasons = {entry["name"]: entry for entry in told["inputs"]}
    assert reasons[exposures[2]]["failed_on"] == "regrouping"
    assert "60.0 arcsec" in reasons[exposures[2]]["reason"]
