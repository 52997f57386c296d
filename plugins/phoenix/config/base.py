"""What all parts of the schema share: strict frozen models and durations with units."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema
from pydantic_core import PydanticCustomError

_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h|d)\s*")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}


class Strict(BaseModel):
    """Frozen; unknown fields are errors, so that a misspelt field never goes unseen."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def _duration(value: Any) -> Any:
    if isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        return timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    if isinstance(value, timedelta):
        return value
    raise ValueError("a duration is a number with a unit: 30 s, 10 min, 2 h or 7 d")


#: A length of time, written ``30 s``, ``10 min``, ``2 h`` or ``7 d``.
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    WithJsonSchema({"type": "string", "pattern": rf"^{_DURATION.pattern}$", "examples": ["30 s", "7 d"]}),
]


def wrong(field: str, found: object, expected: str) -> PydanticCustomError:
    """Return the error a check across fields raises: ``field`` counts from the model that checks.

    The loader adds it to the place of that model: ``tasks.3.associate.0`` and ``made_by``.
    """
    return PydanticCustomError(
        "wrong_field", "{expected}", {"field": field, "found": found, "expected": expected}
    )
