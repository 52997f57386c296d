"""Schema of ``rules/<instrument>.yaml``: classification, grouping, association."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from string import Formatter
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from phoenix.config.association import Association, Breakpoint, Moment, as_breakpoint
from phoenix.config.base import Strict, wrong
from phoenix.config.conditions import When
from phoenix.config.release import Mode, Pattern, Release
from phoenix.model.frame import FrameKind, Value

#: Keywords are written dotted and in capitals: DPR.CATG, MJD-OBS.
_KEYWORD = re.compile(r"[A-Z][A-Z0-9_-]*(\.[A-Z0-9_-]+)*")


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


_ANY_NUMBER = Members()


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
    delivers: bool = Field(
        default=True,
        description="false: what a science task makes only serves other ABs, no IDP is made of it",
    )

    @model_validator(mode="after")
    def _takes_frames_or_products(self) -> Task:
        if bool(self.raw) == bool(self.inputs):
            raise ValueError("give either raw or inputs")
        if self.inputs and not any(entry.required for entry in self.inputs):
            raise wrong("inputs", "required: false for all", "an input that is required")
        if self.inputs and not self.event:
            raise wrong("event", self.event, "a tag that tells its ABs from those of its inputs")
        if not (self.science or self.delivers):
            raise wrong("delivers", False, "it on a science task: of calibrations no IDP is made anyhow")
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
        return {raw_class: _ANY_NUMBER}


class Preselection(Strict):
    """Takes frames out before grouping, with a code that is kept and shown."""

    code: str
    reason: str
    tasks: tuple[str, ...] = ()
    when: When


def _each_association(task: Task) -> Iterator[tuple[str, Association]]:
    """Give the associations of a task with their places; alternatives after what offers them."""
    for index, association in enumerate(task.associate):
        yield f"associate.{index}", association
        for number, alternative in enumerate(association.any_of):
            yield f"associate.{index}.any_of.{number}", alternative


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
    breakpoints: tuple[
        Annotated[Breakpoint, BeforeValidator(as_breakpoint, json_schema_input_type=Breakpoint | Moment)],
        ...,
    ] = Field(default=(), description="moments no association crosses")
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
            for field, association in _each_association(task):
                if association.made_by is not None:
                    where = f"{place}.{field}"
                    self._check_maker(where, "master", association.catg, association.made_by, earlier)
                self._check_raw(f"{place}.{field}", task, association)
            for index, entry in enumerate(task.inputs):
                field = f"{place}.inputs.{index}"
                self._check_maker(field, "product", entry.product, entry.made_by, earlier)
                self._check_runs_with(field, task, earlier[entry.made_by])
            self._check_names(place, task)
            earlier[task.name] = task
        self._check_breakpoints(classes)
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

    def _check_raw(self, place: str, task: Task, association: Association) -> None:
        """Demand a class of raw frames that are not the AB's own already."""
        if association.raw is None:
            return
        classes = {c.name for c in self.classification if c.kind is FrameKind.RAW}
        if association.raw not in classes or association.raw in task.raw:
            expected = (
                f"a class of raw frames that is not one of the task's own{_near(association.raw, classes)}"
            )
            raise wrong(f"{place}.raw", association.raw, expected)

    def _check_breakpoints(self, classes: set[str]) -> None:
        catgs = {association.catg for task in self.tasks for _, association in _each_association(task)}
        for number, barrier in enumerate(self.breakpoints):
            for field, names, known in (
                ("classes", barrier.classes, classes),
                ("calibrations", barrier.calibrations, catgs),
            ):
                for name in names:
                    if name not in known:
                        what = (
                            "classes in classification" if field == "classes" else "calibrations associated"
                        )
                        expected = f"one of the {what}{_near(name, known)}"
                        raise wrong(f"breakpoints.{number}.{field}", name, expected)
            for name in barrier.when:
                self._check_name(f"breakpoints.{number}.when", name)

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
        for field, association in _each_association(task):
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

    @property
    def delivering(self) -> frozenset[str]:
        """Names of the science tasks whose products become IDPs."""
        return frozenset(task.name for task in self.tasks if task.science and task.delivers)

    def task(self, name: str) -> Task:
        """Return the task of that name; KeyError if there is none."""
        for task in self.tasks:
            if task.name == name:
                return task
        raise KeyError(name)
