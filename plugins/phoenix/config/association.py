"""Schema of an association: which calibrations an AB takes, how near in time, and what they never cross."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from phoenix.config.base import Duration, Strict, wrong
from phoenix.config.conditions import When

_MJD_EPOCH = datetime(1858, 11, 17, tzinfo=UTC)
#: Beyond the year 2130 a number is no MJD but a mistyped date.
_LAST_MJD = 100_000


def _moment(value: Any) -> Any:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            value = None
        else:
            value = (moment.replace(tzinfo=moment.tzinfo or UTC) - _MJD_EPOCH).total_seconds() / 86400
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < _LAST_MJD:
        raise ValueError("a moment is an MJD, 53292, or a date with or without UTC time, 2004-10-14T00:00:00")
    return float(value)


#: A moment as MJD, written so or as a date: 2004-10-14 is its midnight, 0 h UTC.
Moment = Annotated[
    float,
    BeforeValidator(_moment),
    WithJsonSchema({"type": ["number", "string"], "examples": [53292, "2004-10-14", "2004-10-14T12:00:00"]}),
]


class TimeRule(StrEnum):
    """Which of the calibrations that fit is taken."""

    CLOSEST = "closest"
    PREVIOUS = "previous"
    NEXT = "next"
    ATTACHED = "attached"


class Level(Strict):
    """A calibration level and how far away in time it reaches."""

    level: int
    within: Duration


class Association(Strict):
    """One kind of calibration an AB of the task takes.

    Exactly one of ``master``, ``static``, ``raw`` and ``any_of`` says where it is looked for: among masters
    (real ones, and those that ABs of the task ``made_by`` will make), the instrument's static tables, the raw
    frames of the batch, or by the first of several associations that finds what it demands.
    """

    master: str | None = Field(default=None, description="PRO.CATG; may hold a {split}")
    made_by: str | None = Field(default=None, description="task whose ABs make this master")
    static: str | None = Field(default=None, description="PRO.CATG of a static table")
    raw: str | None = Field(default=None, description="class of raw frames that join those of the AB")
    any_of: tuple[Association, ...] = Field(
        default=(), description="alternatives by preference; the first that is satisfied counts"
    )
    match: tuple[str, ...] = Field(default=(), description="aliases or keywords equal in AB and calibration")
    when: When = Field(default={}, description="conditions on the calibration itself")
    applies: When = Field(default={}, description="the association exists only for ABs for which this holds")
    time: TimeRule = TimeRule.CLOSEST
    levels: tuple[Level, ...] = ()
    between: tuple[Moment, ...] = Field(
        default=(),
        description="moments that part time into windows; AB and calibration must lie in the same one",
    )
    try_between: tuple[Moment, ...] = Field(
        default=(),
        description="the same, preferred: calibrations of other windows only where this one has too few, "
        "one level worse",
    )
    minimum: int = Field(default=1, ge=0, description="0 makes the calibration optional")
    maximum: int | None = Field(
        default=None,
        ge=0,
        description="as many as there are up to this; default: the minimum, or 1. 0: known and never taken",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Association:
        if (
            sum(source is not None for source in (self.master, self.static, self.raw)) + bool(self.any_of)
            != 1
        ):
            raise ValueError("give either master or static, raw or any_of")
        if self.made_by and self.master is None:
            raise ValueError("a static table or a raw frame is made by no task")
        if self.static is not None and self.levels:
            raise ValueError("a static table has no levels")
        if (self.master or self.raw) is not None and not self.levels:
            raise ValueError("a master or raw calibration needs levels with time ranges")
        if any(near.level >= far.level or near.within >= far.within for near, far in pairwise(self.levels)):
            raise ValueError("each level must be higher and reach farther than the one before it")
        return self

    @model_validator(mode="after")
    def _numbers_fit(self) -> Association:
        if self.maximum is not None and self.maximum < self.minimum:
            hint = "; for calibrations never to be taken give minimum: 0 as well" if not self.maximum else ""
            raise wrong("maximum", self.maximum, f"at least the minimum, {self.minimum}{hint}")
        for field in ("between", "try_between"):
            moments: tuple[float, ...] = getattr(self, field)
            if any(later <= earlier for earlier, later in pairwise(moments)):
                raise wrong(field, list(moments), "moments in rising order, none of them twice")
        return self

    @model_validator(mode="after")
    def _alternatives_fit(self) -> Association:
        if not self.any_of:
            return self
        own = self.model_fields_set - {"any_of", "applies", "minimum"}
        if own:
            raise wrong(min(own), getattr(self, min(own)), "inside the alternatives of any_of, not beside it")
        if len(self.any_of) < 2 or self.minimum > 1:
            raise wrong(
                "any_of", len(self.any_of), "two alternatives or more, and a minimum of 0 or 1 beside"
            )
        for number, alternative in enumerate(self.any_of):
            if alternative.any_of or alternative.minimum < 1:
                expected = (
                    "a plain association with a minimum of 1 or more; `minimum: 0` stands beside any_of"
                )
                raise wrong(f"any_of.{number}", alternative.catg or "any_of", expected)
        return self

    @property
    def alternatives(self) -> tuple[Association, ...]:
        """The associations to try one after the other; this one alone if there is no choice."""
        return self.any_of or (self,)

    @property
    def match_names(self) -> tuple[str, ...]:
        """All names that must be equal; an attached calibration is of the same observation block."""
        if self.time is TimeRule.ATTACHED and "OBS.ID" not in self.match:
            return (*self.match, "OBS.ID")
        return self.match

    @property
    def catg(self) -> str:
        """PRO.CATG looked for, with its {split} words; for raw frames their class."""
        return self.master or self.static or self.raw or ""

    @property
    def most(self) -> int:
        """How many calibrations are taken if there are that many."""
        return max(1, self.minimum) if self.maximum is None else self.maximum


class Breakpoint(Strict):
    """A moment no association crosses, of all or of some ABs and calibrations. In YAML also just a moment."""

    mjd: Moment = Field(description="first moment of what is new: an MJD or a date")
    classes: tuple[str, ...] = Field(default=(), description="only ABs of these raw classes")
    when: When = Field(default={}, description="only ABs for which this holds: an arm, a chip, a mode")
    calibrations: tuple[str, ...] = Field(
        default=(), description="only these PRO.CATG, spelt as in the associations"
    )
    reason: str = Field(default="", description="what happened, for people")


def as_breakpoint(value: Any) -> Any:
    """Return what pydantic takes for a breakpoint: a bare moment is one that holds for everything."""
    return value if isinstance(value, (dict, Breakpoint)) else {"mjd": value}
