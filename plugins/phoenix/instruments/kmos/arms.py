"""What the arms of KMOS did in an exposure, by the OCS keywords of its header.

``ARMi NAME`` is the target, ``ARMi TYPE`` is O on an object and S on sky; an arm that is parked has no TYPE.
Names and values are those public scripts read; no real frame was at hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

ARMS, ARMS_PER_DETECTOR = 24, 8
OBJECT, SKY = "O", "S"

#: A header: gives the value of a dotted keyword, or None.
Lookup = Callable[[str], Any]


def arms_on(header: Lookup, look: str) -> dict[int, str]:
    """Return the arms that look at an object, or at sky, with the names of their targets."""
    return {
        arm: str(header(f"OCS.ARM{arm}.NAME") or "").strip()
        for arm in range(1, ARMS + 1)
        if str(header(f"OCS.ARM{arm}.TYPE") or "").strip() == look
    }


def detectors_of(arms: Iterable[int]) -> set[int]:
    """Return the detectors of arms: 1 to 8 are on the first, 9 to 16 on the second, 17 to 24 on the third."""
    return {(arm - 1) // ARMS_PER_DETECTOR + 1 for arm in arms}


def integration_s(header: Lookup) -> float | None:
    """DIT times NDIT: what counts as exposure time in the infrared; None if the header does not tell."""
    dit, ndit = header("DET.SEQ1.DIT"), header("DET.NDIT")
    if not isinstance(dit, (int, float)) or not isinstance(ndit, int):
        return None
    return float(dit) * ndit
