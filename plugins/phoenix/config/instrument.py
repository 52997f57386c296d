"""Schema of ``instruments/<instrument>.yaml``: pipeline image, recipes, what a run must satisfy."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from phoenix.config.base import Duration, Strict
from phoenix.config.rules import When
from phoenix.model.frame import Value


def _regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return value


Regex = Annotated[str, AfterValidator(_regex)]


class DrsType(StrEnum):
    """How ABs share a host: CPL one after the other, CON in parallel, INT one that uses all threads."""

    CPL = "CPL"
    CON = "CON"
    INT = "INT"


class Harmless(Strict):
    """An ERROR or WARNING line of a log that means nothing."""

    pattern: Regex
    reason: str


class Unrecorded(Strict):
    """A calibration the recipes use without naming it in their products' headers."""

    pattern: Regex = Field(description="fits the whole tag")
    reason: str


class Sanity(Strict):
    """Limit on a keyword of a product header: recipes can be wrong with exit code 0."""

    product: str = Field(description="PRO.CATG, may hold a {split}")
    keyword: str = Field(description="dotted, e.g. QC.ORDMIN")
    when: When = Field(default={}, description="on the AB's setting (its match keys), by alias")
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    reason: str


class Recipe(Strict):
    """Resources and checks of one recipe."""

    memory_gb: float = Field(default=2.0, gt=0)
    cpus: float = Field(default=1.0, gt=0)
    timeout: Duration
    parameters: dict[str, Value] = {}
    sanity: tuple[Sanity, ...] = ()


class Pipeline(Strict):
    """The image the recipes run in."""

    image: str = Field(description="image name with tag or digest")
    identity: str = Field(description="what PRO.REC1.PIPE.ID starts with, e.g. uves/")


class Instrument(Strict):
    """An instrument: data first; a module only where data cannot say it."""

    instrument: str
    title: str
    telescope: str
    prefix: str = Field(pattern=r"[A-Z]{2}", description="of IDP names, e.g. UV")
    drs_type: DrsType = DrsType.CON
    pipeline: Pipeline
    harmless: tuple[Harmless, ...] = ()
    unrecorded: tuple[Unrecorded, ...] = ()
    recipes: dict[str, Recipe]
    default_release: str = Field(description="the release its DAG processes")
