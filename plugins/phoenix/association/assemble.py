"""Puts an AB together from its group and the calibrations chosen for it."""

from __future__ import annotations

from collections.abc import Iterable

from phoenix.association.explain import why_missing
from phoenix.association.groups import Group
from phoenix.association.matching import Trace
from phoenix.association.second_step import common_tags
from phoenix.association.traits import Traits, shown
from phoenix.association.words import Words
from phoenix.config.instrument import Instrument
from phoenix.config.release import Release
from phoenix.config.rules import Rules, Task
from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock, Completeness, Mcalib, Missing, RawFile
from phoenix.model.frame import Value

_Pairs = tuple[tuple[str, str], ...]

#: DFOS tells SM and VM from ESO's observing database; no header keyword does, the run ID neither.
_NO_MODE = "NONE"


class Assembler:
    """Makes ABs of one task; what groups of one setting share is worked out once.

    Parameters
    ----------
    task, words, rules, release, instrument
        Configuration of the stream.

    Raises
    ------
    ConfigError
        If the instrument's configuration does not know the task's recipe.
    """

    def __init__(
        self, task: Task, words: Words, rules: Rules, release: Release, instrument: Instrument
    ) -> None:
        self._task, self._words = task, words
        self._rules, self._release, self._instrument = rules, release, instrument
        self._parameters = _parameters(task, instrument)
        self._catg = "SCIENCE" if task.science else "CALIB"
        self._settings: dict[Traits, _Pairs] = {}
        self._products: dict[tuple[Traits, tuple[str, ...]], tuple[str, ...]] = {}

    def assemble(self, name: str, group: Group, traces: Iterable[Trace]) -> AssociationBlock:
        """Return the AB of a group.

        Raises
        ------
        AssociationError
            If the names of its products cannot be told from its header.
        """
        task, first = self._task, group.first
        keywords = first.keywords
        calibrations: list[Mcalib] = []
        missing: list[Missing] = []
        inputs = tuple(entry for member in group.members for entry in member.inputs)
        own = [] if inputs else [RawFile(frame.path, frame.raw_class) for frame in group.frames]
        joined: list[RawFile] = []
        for trace in traces:
            if trace.search.link.rule.raw:
                joined += _raws(trace)
            else:
                mandatory, tags = trace.search.link.mandatory, trace.search.tags
                calibrations += [
                    Mcalib(candidate.status, candidate.sources[tag], tag, dt_days, level, mandatory)
                    for candidate, level, dt_days in trace.chosen
                    for tag in tags
                ]
            if trace.missing:
                missing += [Missing(tag, why_missing(trace, first)) for tag in trace.search.tags]
        return AssociationBlock(
            name=name,
            release=self._release.release,
            instrument=self._rules.instrument,
            date=group.night,
            task=task.name,
            recipe=task.recipe,
            raw_type=first.raw_class,
            dpr_catg=_header_text(keywords.get("DPR.CATG")) or self._catg,
            batch_id=f"{self._catg}_{group.night}",
            mjd_obs=round(first.mjd_obs, 8),
            mjd_obs_mod=group.mjd_mod,
            raws=(*own, *joined),
            inputs=inputs,
            min_inputs=task.min_raw if inputs else 0,
            mcalibs=tuple(calibrations),
            parameters=self._parameters,
            expected=self._expected(group, joined, calibrations),
            match_keys=self._setting(group.traits),
            drs_type=self._instrument.drs_type.value,
            event=task.event,
            completeness=Completeness.INCOMPLETE if missing else Completeness.COMPLETE,
            obs_prog_id=_header_text(keywords.get("OBS.PROG.ID")),
            obs_id=_header_text(keywords.get("OBS.ID")),
            obs_mode=_NO_MODE,
            missing=tuple(missing),
            exclusion=group.exclusion,
            exclusion_reason=group.exclusion_reason,
            rules_version=self._rules.version,
        )

    def _setting(self, traits: Traits) -> _Pairs:
        if traits not in self._settings:
            values = ((key, traits.comparable[key]) for key in self._task.setting)
            self._settings[traits] = tuple((key, shown(value)) for key, value in values if value is not None)
        return self._settings[traits]

    def _expected(
        self, group: Group, raws: Iterable[RawFile], calibrations: Iterable[Mcalib]
    ) -> tuple[str, ...]:
        tags = (*(raw.tag for raw in raws), *(calibration.tag for calibration in calibrations))
        tags += common_tags(group.members)
        known = group.traits, tags
        if known not in self._products:
            found = [
                catg
                for product in self._task.products
                for catg, *needs in self._words.together(
                    (product.catg, *product.needs), group.traits, group.first.path
                )
                if set(needs) <= set(tags)
            ]
            self._products[known] = tuple(dict.fromkeys(found))
        return self._products[known]


def _raws(trace: Trace) -> list[RawFile]:
    return [RawFile(path, tag) for chosen in trace.chosen for tag, path in chosen.candidate.sources.items()]


def _parameters(task: Task, instrument: Instrument) -> _Pairs:
    """Return the instrument's parameters of the recipe, those of the task before them, sorted by name."""
    recipe = instrument.recipes.get(task.recipe)
    if recipe is None:
        raise ConfigError(
            f"instruments/{instrument.instrument.lower()}.yaml, field recipes",
            f"task {task.name} needs {task.recipe}, which is not there",
            f"an entry {task.recipe} with its timeout",
            "add it, or mend the task's recipe in the rules",
        )
    merged = {**recipe.parameters, **task.parameters}
    return tuple((name, _parameter_text(merged[name])) for name in sorted(merged))


def _parameter_text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _header_text(value: Value | None) -> str:
    return "" if value is None else str(value).strip()
