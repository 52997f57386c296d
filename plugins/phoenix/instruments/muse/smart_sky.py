"""Objects and skies of MUSE: the sequence an OB was observed in, and which sky serves which exposure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from phoenix.model.frame import Frame

#: Classes of blank skies: raw frames, and pixel tables that are stored.
SKIES = frozenset({"SKY", "PIXTABLE_SKY"})
#: Container of OBs that are observed directly one after the other, so that one may be the sky of the other.
CONCATENATION = "C"


def is_sky(frame: Frame) -> bool:
    """Whether a frame is an exposure of blank sky, by its class."""
    return frame.raw_class in SKIES


def sequence(frames: Iterable[Frame]) -> list[str]:
    """Return O for each object and S for each sky, in order of time."""
    ordered = sorted(frames, key=lambda frame: (frame.mjd_obs, frame.name))
    return ["S" if is_sky(frame) else "O" for frame in ordered if frame.keywords.get("DPR.CATG") != "CALIB"]


def sky_of(frame: Frame, raws: Sequence[Frame], within_h: float) -> Frame | None:
    """Return the sky that serves an exposure: the nearest in time of its OB, else of its concatenation.

    Of two as near the earlier one, so that the choice does not depend on the order of files.

    Parameters
    ----------
    raws : sequence of Frame
        Raw frames of any class.
    within_h : float
        Largest distance in time between the middles of the exposures, hours.
    """
    mode = frame.keywords.get("INS.MODE")
    skies = [
        sky
        for sky in raws
        if is_sky(sky)
        and sky.keywords.get("INS.MODE") == mode
        and abs(sky.mjd_mid - frame.mjd_mid) * 24 <= within_h
    ]
    of_block = [sky for sky in skies if _same(sky, frame, "OBS.ID")]
    near = of_block or [
        sky
        for sky in skies
        if _same(sky, frame, "OBS.CONTAINER.ID") and sky.keywords.get("OBS.CONTAINER.TYPE") == CONCATENATION
    ]
    return min(near, key=lambda sky: (abs(sky.mjd_mid - frame.mjd_mid), sky.mjd_obs, sky.name), default=None)


def _same(one: Frame, other: Frame, keyword: str) -> bool:
    value = one.keywords.get(keyword)
    return value is not None and value == other.keywords.get(keyword)
