"""Schema of ``qc/<instrument>.yaml``: QC1 parameters, their thresholds, the report."""

from __future__ import annotations

from pydantic import Field, model_validator

from phoenix.config.base import Strict
from phoenix.config.rules import When


class Threshold(Strict):
    """Limits of a parameter for the settings in ``when``; the first that applies counts."""

    when: When = Field(default={}, description="on the AB's setting, by alias")
    low: float | None = None
    high: float | None = None
    origin: str = Field(description="where the numbers come from")

    @model_validator(mode="after")
    def _has_a_limit(self) -> Threshold:
        if self.low is None and self.high is None:
            raise ValueError("give low, high or both")
        return self


class Parameter(Strict):
    """A QC1 parameter.

    ``keyword`` takes it from a product header (of ``product``); otherwise ``measure`` names a measurement of
    the instrument's module.
    """

    name: str
    description: str
    unit: str = ""
    product: str | None = None
    keyword: str | None = None
    measure: str | None = None
    thresholds: tuple[Threshold, ...] = ()

    @model_validator(mode="after")
    def _one_source(self) -> Parameter:
        if (self.keyword is None) == (self.measure is None):
            raise ValueError("give either keyword (with product) or measure")
        if self.keyword is not None and self.product is None:
            raise ValueError("keyword needs the product whose header holds it")
        return self


class TaskQc(Strict):
    """QC of the ABs of one task."""

    report: str | None = Field(default=None, description="report of the instrument's module; none draws none")
    parameters: tuple[Parameter, ...] = ()


class Qc(Strict):
    """QC of an instrument; ``version`` is stored with each score."""

    instrument: str
    version: str
    tasks: dict[str, TaskQc]
