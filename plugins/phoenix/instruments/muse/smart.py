"""Smart association of MUSE: which exposures lie on each other, and which sky serves which.

The rules put together what has equal keys, OB and mode. Here the geometry decides: exposures of one field
that are turned against each other by multiples of 90 degrees are combined, as the observing templates mean
it; the fields of a mosaic are not, each has a cube of its own. What was decided is kept with the AB's
reasons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from pydantic import Field, ValidationError

from phoenix.association.regrouping import Part, regrouping
from phoenix.config.base import Strict
from phoenix.errors import ConfigError
from phoenix.instruments.muse.smart_geometry import (
    Pointing,
    divided,
    pointing_of,
    separation_arcsec,
    turned_deg,
)
from phoenix.instruments.muse.smart_sky import sequence, sky_of
from phoenix.model.frame import Frame

OTHER_FIELD = "OTHER_FIELD"
OTHER_ROTATION = "OTHER_ROTATION"


class SmartConfig(Strict):
    """What the release's YAML says."""

    field_arcsec: dict[str, float] = Field(
        description="beginning of INS.MODE -> how far pointings may lie from the first one of their field"
    )
    turn_deg: float | None = Field(
        default=None, gt=0, le=360, description="turns that are combined are multiples of this; none: all are"
    )
    turn_tolerance_deg: float = Field(default=2.0, gt=0)
    offsets: tuple[str, str] = Field(
        default=("SEQ.CUMOFFSETX", "SEQ.CUMOFFSETY"),
        description="offsets in arcsec from the first pointing, where a header has no RA and DEC",
    )
    sky_within_h: float = Field(default=1.0, gt=0, description="how far in time a sky may serve an exposure")


@regrouping("muse_smart")
def divide(frames: Sequence[Frame], raws: Sequence[Frame], config: Any, origin: str) -> list[Part]:
    """Divide the exposures of a group by field, then by rotation.

    Raises
    ------
    ConfigError
        If the configuration is wrong; names the field.
    """
    smart = _parsed(config, origin)
    mode = str(frames[0].keywords.get("INS.MODE", ""))
    limit_arcsec = next((limit for name, limit in smart.field_arcsec.items() if mode.startswith(name)), None)
    pointings = [pointing_of(frame, smart.offsets) for frame in frames]
    parts: list[Part] = []
    fields = divided(
        range(len(frames)),
        lambda one, other: (
            limit_arcsec is None or separation_arcsec(pointings[one], pointings[other]) <= limit_arcsec
        ),
    )
    for field in fields:
        turns = divided(field, lambda one, other: _turned_well(pointings[one], pointings[other], smart))
        for members in turns:
            inside = tuple(frames[index] for index in members)
            code, reason = "", ""
            if len(fields) > 1:
                code = OTHER_FIELD
                reason = _apart(frames, pointings, members[0], fields, limit_arcsec or 0.0)
            elif len(turns) > 1:
                code = OTHER_ROTATION
                reason = _turned(frames, pointings, members[0], turns, smart.turn_deg or 0.0)
            places = [pointings[index] for index in members]
            parts.append(Part(inside, tuple(_remarks(inside, places, raws, smart)), code, reason))
    return parts


def _parsed(config: Any, origin: str) -> SmartConfig:
    try:
        return SmartConfig.model_validate(config or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(
            ".".join(str(part) for part in (f"{origin}.config", *first["loc"])),
            f"found {first.get('input')!r}"[:200],
            first["msg"],
            "see docs/instrument-scientists.md, smart association",
        ) from error


def _turned_well(one: Pointing, other: Pointing, smart: SmartConfig) -> bool:
    """Whether two exposures are turned against each other by a multiple of the step, or it is not known."""
    if smart.turn_deg is None or one.angle_deg is None or other.angle_deg is None:
        return True
    return turned_deg(one.angle_deg, other.angle_deg, smart.turn_deg) <= smart.turn_tolerance_deg


def _apart(
    frames: Sequence[Frame],
    pointings: Sequence[Pointing],
    first: int,
    fields: Sequence[Sequence[int]],
    limit_arcsec: float,
) -> str:
    """Say how far a field is from the nearest other one."""
    other = min(
        (field[0] for field in fields if first not in field),
        key=lambda index: separation_arcsec(pointings[first], pointings[index]),
    )
    distance = separation_arcsec(pointings[first], pointings[other])
    return (
        f"is of another field, {distance:.1f} arcsec from that of {frames[other].name}; "
        f"exposures are combined up to {limit_arcsec:g} arcsec"
    )


def _turned(
    frames: Sequence[Frame],
    pointings: Sequence[Pointing],
    first: int,
    turns: Sequence[Sequence[int]],
    step_deg: float,
) -> str:
    other = next(turn[0] for turn in turns if first not in turn)
    here, there = pointings[first].angle_deg, pointings[other].angle_deg
    return (
        f"is turned to {here:g} deg, {frames[other].name} to {there:g} deg: "
        f"no multiple of {step_deg:g} deg lies between"
    )


def _remarks(
    frames: Sequence[Frame], pointings: Sequence[Pointing], raws: Sequence[Frame], smart: SmartConfig
) -> list[str]:
    """Tell what the exposures are: their OBs and templates, offsets, turns, and the skies between them."""
    spread = max(separation_arcsec(pointings[0], each) for each in pointings)
    angles = list(dict.fromkeys(each.angle_deg for each in pointings if each.angle_deg is not None))
    told = [f"{len(frames)} exposures of one field, up to {spread:.1f} arcsec from the first one"]
    if angles:
        told.append(f"position angles {', '.join(f'{angle:g}' for angle in angles)} deg")
    told += _origins(frames)
    blocks = {frame.keywords.get("OBS.ID") for frame in frames}
    around = [frame for frame in raws if frame.keywords.get("OBS.ID") in blocks]
    letters = sequence([*frames, *(frame for frame in around if frame.name not in {f.name for f in frames})])
    if "S" in letters:
        told.append(f"sequence of the OB: {'-'.join(letters)}")
    skies = {frame.name: sky_of(frame, raws, smart.sky_within_h) for frame in frames}
    for sky, served in groupby(frames, key=lambda frame: skies[frame.name]):
        names = ", ".join(frame.name for frame in served)
        if sky is not None:
            told.append(f"sky {sky.name} serves {names}")
    return told


def _origins(frames: Sequence[Frame]) -> list[str]:
    """Tell of exposures that come from several OBs, templates, executions or a container."""
    told = []
    for keyword, what in (("OBS.ID", "OBs"), ("OBS.START", "executions"), ("TPL.START", "templates")):
        values = _values(frames, keyword)
        if len(values) > 1:
            told.append(f"{len(values)} {what}: {', '.join(values)}")
    container = _values(frames, "OBS.CONTAINER.ID")
    if container:
        kind = ", ".join(_values(frames, "OBS.CONTAINER.TYPE")) or "of unknown type"
        told.append(f"container {', '.join(container)}, {kind}")
    return told


def _values(frames: Sequence[Frame], keyword: str) -> list[str]:
    found: Mapping[str, None] = dict.fromkeys(
        str(frame.keywords[keyword]) for frame in frames if keyword in frame.keywords
    )
    return list(found)
