"""Schema of ``qc/<instrument>.yaml``: QC1 parameters, their thresholds, the report."""

from __future__ import annotations

from datetime import timedelta
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from phoenix.config.base import Duration, Strict
from phoenix.config.conditions import When

#: The word in a name that stands for the key of a measurement with many values: order, fibre ...
ITEM = "item"


class Threshold(Strict):
    """Limits of a parameter for the settings in ``when``; the first that applies counts."""

    when: When = Field(default={}, description="on the AB's setting, by alias, and on the product's {words}")
    low: float | None = Field(default=None, description="lowest good value")
    high: float | None = Field(default=None, description="highest good value")
    above: float | None = Field(default=None, description="good values are above it, it is not one itself")
    below: float | None = Field(default=None, description="good values are below it, it is not one itself")
    origin: str = Field(description="where the numbers come from")

    @model_validator(mode="after")
    def _has_a_limit(self) -> Threshold:
        for one, other in (("low", "above"), ("high", "below")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"give {one} or {other}, not both")
        if self.lower is None and self.upper is None:
            raise ValueError("give low or above, high or below, or one of each")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError("the lower limit is above the upper one")
        return self

    @property
    def lower(self) -> float | None:
        """The lower limit, whether it is a good value itself or not; None means open."""
        return self.low if self.above is None else self.above

    @property
    def upper(self) -> float | None:
        """The upper limit, whether it is a good value itself or not; None means open."""
        return self.high if self.below is None else self.below

    def holds(self, value: float) -> bool:
        """Whether a value is good; what is not a number is not."""
        return (
            (self.low is None or value >= self.low)
            and (self.above is None or value > self.above)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
            and value == value
        )


def _alternatives(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Parameter(Strict):
    """A QC1 parameter.

    ``keyword`` takes it from a product header (of ``product``); otherwise ``measure`` names a measurement of
    the instrument's module. Where ``product`` holds a ``{word}``, there is one value for each product that
    fits, and ``name`` tells them apart by the same word. A measurement may give many values at once, keyed
    by order or fibre; then ``name`` holds ``{item}``.
    """

    name: str
    description: str
    label: str = Field(default="", description="short name in pictures, e.g. S/N; default: the name")
    unit: str = ""
    product: str | None = Field(default=None, description="PRO.CATG, may hold {words}")
    keyword: Annotated[
        tuple[str, ...], BeforeValidator(_alternatives, json_schema_input_type=str | tuple[str, ...])
    ] = Field(default=(), description="dotted; the first of a list that is present counts")
    measure: str | None = None
    optional: bool = Field(default=False, description="not a problem when the recipe wrote no such product")
    thresholds: tuple[Threshold, ...] = ()
    bit: int | None = Field(
        default=None, ge=0, le=63, description="place in the score bits of an IDP; its thresholds decide"
    )

    @model_validator(mode="after")
    def _a_bit_is_scored(self) -> Parameter:
        if self.bit is not None and not self.thresholds:
            raise ValueError("a bit needs thresholds: 0 within them, 1 outside")
        return self

    @model_validator(mode="after")
    def _one_source(self) -> Parameter:
        if (not self.keyword) == (self.measure is None):
            raise ValueError("give either keyword (with product) or measure")
        if self.keyword and self.product is None:
            raise ValueError("keyword needs the product whose header holds it")
        known = words_of(self.product or "") | ({ITEM} if self.measure else set())
        if unknown := words_of(self.name) - known:
            raise ValueError(f"the name holds {{{min(unknown)}}}, which product does not")
        return self


def words_of(template: str) -> set[str]:
    """Return the words in braces of a template: ``RED_{type}_{chip}`` gives type and chip."""
    return {word for _, word, _, _ in Formatter().parse(template) if word is not None}


class TaskQc(Strict):
    """QC of the ABs of one task."""

    report: str | None = Field(default=None, description="report of the instrument's module; none draws none")
    parameters: tuple[Parameter, ...] = ()

    @model_validator(mode="after")
    def _names_are_unique(self) -> TaskQc:
        names = [parameter.name for parameter in self.parameters]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"the parameter {min(twice)} is given twice")
        bits = [parameter.bit for parameter in self.parameters if parameter.bit is not None]
        if same := {bit for bit in bits if bits.count(bit) > 1}:
            raise ValueError(f"bit {min(same)} is given twice")
        return self


class Qc(Strict):
    """QC of an instrument; ``version`` is stored with each score."""

    instrument: str
    version: str
    timeout: Duration = Field(default=timedelta(minutes=5), description="for the QC of one AB")
    memory_gb: float = Field(default=2.0, gt=0, description="a worker may have; an AB that needs more fails")
    tasks: dict[str, TaskQc]
