"""Values that are similar: within the tolerance of a rule from the smallest of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeGuard

from phoenix.config.rules import Tolerance
from phoenix.model.frame import Value


def similar_parts(values: Sequence[Value | None], tolerance: Tolerance) -> list[list[int]]:
    """Divide values into parts that are similar; a part holds the indices of its values, ascending.

    The values are gone through from the smallest; one that exceeds the first of a part by more than the
    tolerance begins the next part. Those that are no numbers are the last part.
    """
    numbers = sorted((value, index) for index, value in enumerate(values) if _is_number(value))
    parts: list[list[int]] = []
    limit = -math.inf
    for value, index in numbers:
        if not parts or value > limit:
            parts.append([])
            limit = tolerance.limit(value)
        parts[-1].append(index)
    others = [index for index, value in enumerate(values) if not _is_number(value)]
    return [sorted(part) for part in (*parts, others) if part]


def _is_number(value: Value | None) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
