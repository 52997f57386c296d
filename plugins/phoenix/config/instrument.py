"""Schema of ``instruments/<instrument>.yaml``: pipeline image, recipes, what a run must satisfy."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from phoenix.config.base import Duration, Strict, wrong
from phoenix.config.conditions import When
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


class Grave(Strict):
    """A WARNING line of a log after which the products are wrong, though the exit code is 0."""

    pattern: Regex
    reason: str


class Unrecorded(Strict):
    """A calibration the recipes use without naming it in their products' headers."""

    pattern: Regex = Field(description="fits the whole tag")
    reason: str


#: Where a keyword is looked for; anything else is the EXTNAME of an extension.
PRIMARY, ALL, ANY = "primary", "all", "any"
_EXT = "primary, all (each extension), any (whichever headers have it, at least one), or an EXTNAME"


class Reference(Strict):
    """Keyword a limit is relative to: the median of what the headers tell; the bounds are factors of it.

    Without ``product`` and ``made_with`` the keyword is one of the same header.
    """

    keyword: str = Field(description="dotted")
    product: str = Field(default="", description="PRO.CATG of the same run, may hold a {split}")
    made_with: str = Field(
        default="",
        description="PRO.CATG of an input, or of a product the AB that made an input wrote beside it",
    )
    ext: str = Field(default=PRIMARY, description=_EXT)

    @model_validator(mode="after")
    def _one_place(self) -> Reference:
        if self.product and self.made_with:
            raise ValueError("give product or made_with, not both")
        return self


class Sanity(Strict):
    """Limit on a keyword of a product header: recipes can be wrong with exit code 0."""

    product: str = Field(description="PRO.CATG, may hold a {split}")
    keyword: str = Field(description="dotted, e.g. QC.ORDMIN")
    ext: str = Field(default=PRIMARY, description=_EXT)
    extensions: int | None = Field(
        default=None, ge=1, description="with ext: all, how many extensions there must be"
    )
    when: When = Field(default={}, description="on the AB's setting (its match keys), by alias")
    only_with: str = Field(
        default="", description="PRO.CATG the recipe must have written too for the limit to hold; {split}"
    )
    at_least: float | None = None
    at_most: float | None = None
    relative_to: Reference | None = None
    unmeasured: float | None = Field(
        default=None, description="value that stands for `not measured`: a caveat, no failure"
    )
    unit: str = ""
    reason: str

    @model_validator(mode="after")
    def _limits_something(self) -> Sanity:
        if self.at_least is None and self.at_most is None:
            raise ValueError("give at_least, at_most or both")
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            raise wrong("at_least", self.at_least, f"at most at_most, {self.at_most:g}")
        if self.extensions is not None and self.ext != ALL:
            raise wrong("extensions", self.extensions, "ext: all beside it")
        return self


class MemoryModel(Strict):
    """Memory that grows with the inputs: base, a share of each input, and bytes of each of its rows.

    An input is a file of the AB whose tag fits ``of``; its rows are the largest NAXIS2 of its extensions, or
    ``typical_rows`` as long as the file is not there.
    """

    base_gb: float = Field(gt=0)
    per_input_gb: float = Field(default=0.0, ge=0)
    bytes_per_row: float = Field(default=0.0, ge=0)
    typical_rows: int = Field(default=0, ge=0)
    of: Regex = Field(default=".*", description="fits the whole tag of the inputs that count")

    @model_validator(mode="after")
    def _knows_rows(self) -> MemoryModel:
        if bool(self.bytes_per_row) != bool(self.typical_rows):
            raise ValueError("give bytes_per_row and typical_rows together, or neither")
        return self


class Pipeline(Strict):
    """The image the recipes run in."""

    image: str = Field(description="image name with tag or digest")
    identity: str = Field(description="what PRO.REC1.PIPE.ID starts with, e.g. uves/")


class Recipe(Strict):
    """Resources and checks of one recipe."""

    memory_gb: float = Field(default=2.0, gt=0, description="of one AB, whatever its inputs")
    memory: MemoryModel | None = Field(default=None, description="in place of memory_gb")
    typical: Duration | None = Field(
        default=None, description="wall time of one AB, until there are attempts to learn it from"
    )
    cpus: float = Field(default=1.0, gt=0)
    timeout: Duration
    pipeline: Pipeline | None = Field(default=None, description="if not the instrument's")
    parameters: dict[str, Value] = {}
    needs_keywords: tuple[str, ...] = Field(
        default=(),
        description="of each raw frame's primary header: without them the recipe crashes or is wrong",
    )
    sanity: tuple[Sanity, ...] = ()

    @model_validator(mode="after")
    def _one_memory(self) -> Recipe:
        if self.memory is not None and "memory_gb" in self.model_fields_set:
            raise ValueError("give memory_gb or memory, not both")
        return self

    @property
    def least_gb(self) -> float:
        """Memory of the smallest AB: the constant, or the model with one typical input."""
        if self.memory is None:
            return self.memory_gb
        rows = self.memory.bytes_per_row * self.memory.typical_rows
        return self.memory.base_gb + self.memory.per_input_gb + rows / 2**30


class Instrument(Strict):
    """An instrument: data first; a module only where data cannot say it."""

    instrument: str
    title: str
    telescope: str
    prefix: str = Field(pattern=r"[A-Z]{2}", description="of IDP names, e.g. UV")
    drs_type: DrsType = DrsType.CON
    pipeline: Pipeline
    harmless: tuple[Harmless, ...] = ()
    grave: tuple[Grave, ...] = ()
    unrecorded: tuple[Unrecorded, ...] = ()
    recipes: dict[str, Recipe]
    default_release: str = Field(description="the release its DAG processes")

    def pipeline_of(self, recipe: str) -> Pipeline:
        """Return the pipeline a recipe runs in: its own, else the instrument's."""
        configured = self.recipes.get(recipe)
        return configured.pipeline if configured and configured.pipeline else self.pipeline
