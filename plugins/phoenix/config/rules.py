"""Schema of ``rules/<instrument>.yaml``: classification, grouping, association."""

from __future__ import annotations

import math
import re
from enum import StrEnum
from itertools import pairwise
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from phoenix.config.base import Duration, Strict
from phoenix.model.frame import FrameKind, Value

#: Keywords are written dotted and in capitals: DPR.CATG, MJD-OBS.
_KEYWORD = re.compile(r"[A-Z][A-Z0-9_-]*(\.[A-Z0-9_-]+)*")


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

    def holds(self, value: Value | None) -> bool:
        """Return whether a value satisfies all fields; None, absent, only ``present: false``.

        Numbers are compared as numbers, also when one side is written as text (``437`` and ``"437.0"``).
        """
        if value is None:
            return self.present is False
        number = _number(value)
        return (
            self.present is not False
            and (self.one_of is None or any(_same(value, other) for other in self.one_of))
            and (self.none_of is None or not any(_same(value, other) for other in self.none_of))
            and (self.like is None or _like(self.like, value))
            and (self.unlike is None or not _like(self.unlike, value))
            and (self.at_least is None or number >= self.at_least)
            and (self.at_most is None or number <= self.at_most)
            and (self.above is None or number > self.above)
            and (self.below is None or number < self.below)
        )


def _number(value: Value) -> float:
    try:
        return float(value)
    except ValueError:
        return math.nan


def _same(value: Value, other: Value) -> bool:
    return value == other or _number(value) == _number(other)


def _like(pattern: str, value: Value) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("%"))
    return re.fullmatch(expression, str(value), re.DOTALL) is not None


def _condition(value: Any) -> Any:
    if isinstance(value, (dict, Condition)):
        return value
    return {"one_of": value if isinstance(value, (list, tuple)) else [value]}


#: Keyword (dotted) or alias -> condition; all must hold.
When = dict[str, Annotated[Condition, BeforeValidator(_condition)]]


class Classification(Strict):
    """The first classification of the list whose conditions all hold names the frame's class."""

    name: str = Field(alias="class", description="class of the frame, which is also its tag in the SOF")
    kind: FrameKind = FrameKind.RAW
    when: When
    tags: dict[str, str] = {}


class Split(Strict):
    """A word in braces that stands for several values, e.g. one master per chip."""

    key: str = Field(description="keyword or alias whose value decides")
    values: dict[Value, tuple[str, ...]]


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

    Exactly one of ``master``, ``static`` says where it is looked for: among masters (real ones, and those
    that ABs of the task ``made_by`` will make) or among the instrument's static tables.
    """

    master: str | None = Field(default=None, description="PRO.CATG; may hold a {split}")
    made_by: str | None = Field(default=None, description="task whose ABs make this master")
    static: str | None = Field(default=None, description="PRO.CATG of a static table")
    match: tuple[str, ...] = Field(default=(), description="aliases or keywords equal in AB and calibration")
    when: When = Field(default={}, description="conditions on the calibration itself")
    applies: When = Field(default={}, description="the association exists only for ABs for which this holds")
    time: TimeRule = TimeRule.CLOSEST
    levels: tuple[Level, ...] = ()
    minimum: int = Field(default=1, ge=0, description="0 makes the calibration optional")

    @model_validator(mode="after")
    def _one_source(self) -> Association:
        if (self.master is None) == (self.static is None):
            raise ValueError("give either master or static")
        if self.master is not None and not self.levels:
            raise ValueError("a master needs levels with time ranges")
        if any(near.level >= far.level or near.within >= far.within for near, far in pairwise(self.levels)):
            raise ValueError("each level must be higher and reach farther than the one before it")
        return self

    @property
    def catg(self) -> str:
        """PRO.CATG looked for, with its {split} words."""
        return self.master or self.static or ""


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Expected(Strict):
    """A product the recipe must write, perhaps only if a calibration was associated."""

    catg: str
    needs: Annotated[tuple[str, ...], BeforeValidator(_several)] = Field(
        default=(), description="PRO.CATG of the associations it depends on, one or a list"
    )


def _expected(value: Any) -> Any:
    return {"catg": value} if isinstance(value, str) else value


class Task(Strict):
    """One step of the cascade: which raw classes become ABs of which recipe with which calibrations."""

    name: str
    title: str = Field(description="for people, e.g. in the pages: 'master bias'")
    recipe: str
    raw: tuple[str, ...]
    group_by: tuple[str, ...] = Field(description="aliases or keywords; ARCFILE means each frame alone")
    event: str = Field(default="", description="tag in the AB name, e.g. tpl")
    min_raw: int = Field(default=1, ge=1)
    complete_template: bool = Field(default=False, description="exclude groups whose template was aborted")
    setting: tuple[str, ...] = Field(default=(), description="aliases shown as the AB's setting, kept in it")
    associate: tuple[Association, ...] = ()
    parameters: dict[str, Value] = {}
    products: tuple[Annotated[Expected, BeforeValidator(_expected)], ...]
    science: bool = False


class Preselection(Strict):
    """Takes frames out before grouping, with a code that is kept and shown."""

    code: str
    reason: str
    tasks: tuple[str, ...] = ()
    when: When


class Rules(Strict):
    """All association rules of an instrument."""

    instrument: str
    version: str
    aliases: dict[str, tuple[str, ...]] = Field(
        default={}, description="alias -> header keywords; the first one present counts"
    )
    splits: dict[str, Split] = {}
    classification: tuple[Classification, ...]
    preselection: tuple[Preselection, ...] = ()
    breakpoints: tuple[float, ...] = Field(default=(), description="MJD no association crosses")
    tasks: tuple[Task, ...] = Field(description="in the order of the cascade")

    @model_validator(mode="after")
    def _hangs_together(self) -> Rules:
        classes = {c.name for c in self.classification}
        earlier: set[str] = set()
        for task in self.tasks:
            for raw in task.raw:
                if raw not in classes:
                    raise ValueError(f"task {task.name}: raw class {raw} is not in classification")
            for association in task.associate:
                if association.made_by is not None and association.made_by not in earlier:
                    raise ValueError(
                        f"task {task.name}: {association.catg} is made_by {association.made_by}, "
                        "which is not an earlier task"
                    )
            self._check_names(task)
            earlier.add(task.name)
        return self

    def _check_names(self, task: Task) -> None:
        """Names are aliases or keywords, words in braces are splits or tags: anything else is misspelt."""
        names = [*task.group_by, *task.setting]
        templates = [catg for product in task.products for catg in (product.catg, *product.needs)]
        for association in task.associate:
            names += association.match
            templates.append(association.catg)
        for name in names:
            if name not in self.aliases and not _KEYWORD.fullmatch(name):
                raise ValueError(f"task {task.name}: {name} is neither an alias nor a header keyword")
        words = {*self.splits, *(tag for entry in self.classification for tag in entry.tags)}
        for template in templates:
            for _, word, _, _ in Formatter().parse(template):
                if word is not None and word not in words:
                    raise ValueError(
                        f"task {task.name}: {{{word}}} of {template} is neither a split nor a tag"
                    )

    def task(self, name: str) -> Task:
        """Return the task of that name; KeyError if there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)
