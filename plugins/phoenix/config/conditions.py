"""Conditions in the configuration: what a keyword must be. Held against headers in ``headers.conditions``."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from phoenix.config.base import Strict
from phoenix.model.frame import Value


class Condition(Strict):
    """What a keyword must be. Several fields must all hold.

    In YAML a bare value means equality and a list means one of its values:
    ``DPR.TYPE: BIAS``, ``DPR.TYPE: [OBJECT, "OBJECT,POINT"]``, ``DPR.TECH: {like: "ECHELLE%"}``.
    """

    one_of: tuple[Value, ...] | None = None
    like: str | None = Field(default=None, description="% stands for any text, as in SQL and OCA")
    unlike: str | None = None
    none_of: tuple[Value, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None
    above: float | None = None
    below: float | None = None
    present: bool | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError(
                "an empty condition holds for nothing; give a value, a list or like/at_least/..."
            )
        return self


def _condition(value: Any) -> Any:
    if isinstance(value, (dict, Condition)):
        return value
    return {"one_of": value if isinstance(value, (list, tuple)) else [value]}


#: Keyword (dotted) or alias -> condition; all must hold.
When = dict[
    str,
    Annotated[
        Condition, BeforeValidator(_condition, json_schema_input_type=Condition | Value | tuple[Value, ...])
    ],
]
