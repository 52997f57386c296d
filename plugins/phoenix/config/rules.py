"""Schema of ``rules/<instrument>.yaml``: classification, grouping, association."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from itertools import pairwise
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from phoenix.config.base import Duration, Strict, wrong
from phoenix.config.release import Mode, Pattern, Release
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
When = dict[
    str,
    Annotated[
        Condition, BeforeValidator(_condition, json_schema_input_type=Condition | Value | tuple[Value, ...])
    ],
]


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
        if self.static is not None and (self.made_by or self.levels):
            raise ValueError("a static table is made by no task and has no levels")
        if self.master is not None and not self.levels:
            raise ValueError("a master needs levels with time ranges")
        if any(near.level >= far.level or near.within >= far.within for near, far in pairwise(self.levels)):
            raise ValueError("each level must be higher and reach farther than the one before it")
        return self

    @property
    def match_names(self) -> tuple[str, ...]:
        """All names that must be equal; an attached calibration is of the same observation block."""
        if self.time is TimeRule.ATTACHED and "OBS.ID" not in self.match:
            return (*self.match, "OBS.ID")
        return self.match

    @property
    def catg(self) -> str:
        """PRO.CATG looked for, with its {split} words."""
        return self.master or self.static or ""


class Input(Strict):
    """A product of an earlier task that a second step takes, from each AB of its group."""

    product: str = Field(description="PRO.CATG; may hold a {split}; all products of it are taken")
    made_by: str = Field(description="earlier task whose ABs make it")
    required: bool = Field(default=True, description="false: taken from the ABs that are to make it")


class Tolerance(Strict):
    """How far a value may exceed the smallest of its group; beyond it a new group begins."""

    relative: float | None = Field(default=None, ge=0, description="fraction of the smallest value")
    absolute: float | None = Field(default=None, ge=0, description="in the keyword's unit")

    @model_validator(mode="after")
    def _is_one(self) -> Tolerance:
        if (self.relative is None) == (self.absolute is None):
            raise ValueError("give either relative or absolute")
        return self

    def limit(self, smallest: float) -> float:
        """Return the largest value that is similar."""
        if self.relative is not None:
            return smallest + self.relative * abs(smallest)
        return smallest + (self.absolute or 0.0)


def _several(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


class Expected(Strict):
    """A product the recipe must write, perhaps only if a calibration was associated."""

    catg: str
    needs: Annotated[
        tuple[str, ...], BeforeValidator(_several, json_schema_input_type=str | tuple[str, ...])
    ] = Field(default=(), description="PRO.CATG of the associations it depends on, one or a list")


def _expected(value: Any) -> Any:
    return {"catg": value} if isinstance(value, str) else value


class Members(Strict):
    """How many frames of a raw class an AB takes; those beyond the maximum are left out, latest first."""

    minimum: int = Field(default=1, ge=0)
    maximum: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _has_room(self) -> Members:
        if self.maximum is not None and self.maximum < self.minimum:
            raise wrong("maximum", self.maximum, f"at least the minimum, {self.minimum}")
        return self


def _members(value: Any) -> Any:
    return {"minimum": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Task(Strict):
    """One step of the cascade: which frames become ABs of which recipe with which calibrations.

    A first step takes ``raw`` frames, a second step the products of earlier ABs, its ``inputs``. Grouping
    then works on those ABs, each by the header of its primary frame.
    """

    name: str
    title: str = Field(description="for people, e.g. in the pages: 'master bias'")
    recipe: str
    raw: tuple[str, ...] = ()
    inputs: tuple[Input, ...] = Field(
        default=(), description="instead of raw; of several tasks the ABs of any of them are taken"
    )
    pattern: Pattern | None = Field(default=None, description="only for releases of this pattern")
    where: When = Field(default={}, description="only raw frames for which this holds, by alias or keyword")
    group_by: tuple[str, ...] = Field(description="aliases or keywords; ARCFILE means each frame alone")
    together: tuple[
        dict[str, Annotated[Members, BeforeValidator(_members, json_schema_input_type=Members | int)]], ...
    ] = Field(
        default=(),
        description="sets of raw classes that make one AB, each with how many frames of it; the first class "
        "of a set names the AB, and without it there is none. Other classes make ABs of their own",
    )
    similar: dict[str, Tolerance] = Field(
        default={}, description="alias or keyword -> how far its values may differ within a group"
    )
    event: str = Field(default="", description="tag in the AB name, e.g. tpl")
    min_raw: int = Field(default=1, ge=1, description="least number of raw frames, or of ABs of inputs")
    complete_template: bool = Field(default=False, description="exclude groups whose template was aborted")
    setting: tuple[str, ...] = Field(default=(), description="aliases shown as the AB's setting, kept in it")
    associate: tuple[Association, ...] = ()
    parameters: dict[str, Value] = {}
    products: tuple[
        Annotated[Expected, BeforeValidator(_expected, json_schema_input_type=Expected | str)], ...
    ]
    science: bool = False

    @model_validator(mode="after")
    def _takes_frames_or_products(self) -> Task:
        if bool(self.raw) == bool(self.inputs):
            raise ValueError("give either raw or inputs")
        if self.inputs and not any(entry.required for entry in self.inputs):
            raise wrong("inputs", "required: false for all", "an input that is required")
        if self.inputs and not self.event:
            raise wrong("event", self.event, "a tag that tells its ABs from those of its inputs")
        if self.inputs and self.complete_template:
            raise wrong("complete_template", True, "it on the task of the raw frames, not on a second step")
        return self

    @model_validator(mode="after")
    def _sets_fit(self) -> Task:
        seen: set[str] = set()
        for number, members in enumerate(self.together):
            for name in members:
                if name not in self.raw or name in seen:
                    problem = "one of raw" if name not in self.raw else "a class in one set only"
                    raise wrong(f"together.{number}.{name}", name, problem)
                seen.add(name)
            if not members or next(iter(members.values())).minimum == 0:
                raise wrong(f"together.{number}", dict(members), "a first class, with at least one frame")
        return self

    def set_of(self, raw_class: str) -> dict[str, Members]:
        """Return the classes that make an AB together with this one, the primary class first."""
        for members in self.together:
            if raw_class in members:
                return members
        return {raw_class: Members()}


class Preselection(Strict):
    """Takes frames out before grouping, with a code that is kept and shown."""

    code: str
    reason: str
    tasks: tuple[str, ...] = ()
    when: When


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


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
        earlier: dict[str, Task] = {}
        for number, task in enumerate(self.tasks):
            place = f"tasks.{number}"
            if task.name in earlier:
                raise wrong(f"{place}.name", task.name, "a name of its own: an earlier task has it")
            for raw in task.raw:
                if raw not in classes:
                    raise wrong(
                        f"{place}.raw", raw, f"one of the classes in classification{_near(raw, classes)}"
                    )
            for index, association in enumerate(task.associate):
                if association.made_by is not None:
                    field = f"{place}.associate.{index}"
                    self._check_maker(field, "master", association.catg, association.made_by, earlier)
            for index, entry in enumerate(task.inputs):
                field = f"{place}.inputs.{index}"
                self._check_maker(field, "product", entry.product, entry.made_by, earlier)
                self._check_runs_with(field, task, earlier[entry.made_by])
            self._check_names(place, task)
            earlier[task.name] = task
        places = [(f"splits.{word}.key", split.key) for word, split in self.splits.items()]
        places += [
            (f"classification.{n}.when", key) for n, c in enumerate(self.classification) for key in c.when
        ]
        places += [(f"preselection.{n}.when", key) for n, p in enumerate(self.preselection) for key in p.when]
        for place, name in places:
            self._check_name(place, name)
        for number, rule in enumerate(self.preselection):
            for name in rule.tasks:
                if name not in earlier:
                    expected = f"one of the tasks {', '.join(earlier)}{_near(name, earlier)}"
                    raise wrong(f"preselection.{number}.tasks", name, expected)
        return self

    def _check_maker(
        self, place: str, field: str, catg: str, made_by: str, earlier: Mapping[str, Task]
    ) -> None:
        """Demand that the task in ``made_by`` comes before and makes what is asked for."""
        if made_by not in earlier:
            expected = f"the name of an earlier task{_near(made_by, earlier)}"
            raise wrong(f"{place}.made_by", made_by, expected)
        products = [product.catg for product in earlier[made_by].products]
        made = set().union(*(self._fillings(product) for product in products))
        if made.isdisjoint(self._fillings(catg)):
            expected = f"a product of task {made_by}: {', '.join(sorted(made))}"
            raise wrong(f"{place}.{field}", catg, f"{expected}{_near(catg, [*products, *sorted(made)])}")

    def _check_runs_with(self, place: str, task: Task, maker: Task) -> None:
        """Demand that each release that runs a second step runs the task that makes its inputs."""
        if maker.science != task.science:
            kind = "true" if task.science else "false"
            raise wrong(f"{place}.made_by", maker.name, f"a task with science: {kind}, as {task.name}")
        if maker.pattern not in (None, task.pattern):
            raise wrong(f"{place}.made_by", maker.name, f"a task of the pattern of {task.name}, or of any")

    def _fillings(self, template: str) -> set[str]:
        """Return all a PRO.CATG with words in braces can stand for."""
        found = {template}
        words = {
            word: [value for several in split.values.values() for value in several]
            for word, split in self.splits.items()
        }
        for entry in self.classification:
            for word, value in entry.tags.items():
                words.setdefault(word, []).append(value)
        for word, values in words.items():
            found = {text.replace(f"{{{word}}}", value) for text in found for value in values}
        return found

    def _check_name(self, place: str, name: str) -> None:
        if name not in self.aliases and not _KEYWORD.fullmatch(name):
            raise wrong(place, name, f"an alias or a header keyword{_near(name, self.aliases)}")

    def _check_names(self, place: str, task: Task) -> None:
        """Names are aliases or keywords, words in braces are splits or tags: anything else is misspelt."""
        tags = {tag for entry in self.classification for tag in entry.tags}
        used = [("group_by", task.group_by), ("setting", task.setting), ("where", task.where)]
        used.append(("similar", tuple(task.similar)))
        templates = [(f"inputs.{index}", entry.product) for index, entry in enumerate(task.inputs)]
        templates += [
            (f"products.{index}", catg)
            for index, product in enumerate(task.products)
            for catg in (product.catg, *product.needs)
        ]
        for index, association in enumerate(task.associate):
            field = f"associate.{index}"
            used += [(f"{field}.match", association.match), (f"{field}.when", association.when)]
            used += [(f"{field}.applies", association.applies)]
            templates.append((field, association.catg))
        for field, names in used:
            for name in names:
                if name not in tags:
                    self._check_name(f"{place}.{field}", name)
        for field, template in templates:
            for _, word, _, _ in Formatter().parse(template):
                if word is not None and word not in {*self.splits, *tags}:
                    expected = f"words in braces that are splits or tags; {{{word}}} is neither"
                    raise wrong(f"{place}.{field}", template, expected)

    def tasks_for(self, release: Release) -> tuple[Task, ...]:
        """Return the tasks a release runs, in the order of the cascade.

        Its pattern decides on tasks that have one, its mode on calibrations and science: IDP makes no
        masters, MCALIB nothing else, DEEP only what is of the pattern deep.
        """
        science = {Mode.COMPLETE: (True, False), Mode.MCALIB: (False,)}.get(release.mode, (True,))
        return tuple(
            task
            for task in self.tasks
            if task.science in science
            and (task.pattern is Pattern.DEEP if release.mode is Mode.DEEP else True)
            and (task.pattern is None or task.pattern in release.pattern)
        )

    def task(self, name: str) -> Task:
        """Return the task of that name; KeyError if there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)
