"""Puts an AB together from its group and the calibrations chosen for it."""

from __future__ import annotations

from collections.abc import Iterable

from phoenix.association.explain import why_missing
from phoenix.association.grouping import Group
from phoenix.association.matching import Trace
from phoenix.association.subject import shown
from phoenix.association.words import Words
from phoenix.config.instrument import Instrument
from phoenix.config.release import Release
from phoenix.config.rules import Rules, Task
from phoenix.errors import ConfigError
from phoenix.model.ab import AssociationBlock, Completeness, Mcalib, Missing, RawFile
from phoenix.model.frame import Value


def assemble(
    name: str,
    group: Group,
    traces: Iterable[Trace],
    words: Words,
    rules: Rules,
    release: Release,
    instrument: Instrument,
) -> AssociationBlock:
    """Return the AB of a group.

    Raises
    ------
    ConfigError
        If the instrument's configuration does not know the task's recipe.
    """
    task, first = group.task, group.first
    calibrations: list[Mcalib] = []
    missing: list[Missing] = []
    for trace in traces:
        calibrations += _mcalibs(trace)
        if trace.missing:
            missing += [Missing(tag, why_missing(trace, group.subject)) for tag in trace.tags]
    catg = "SCIENCE" if task.science else "CALIB"
    return AssociationBlock(
        name=name,
        release=release.release,
        instrument=rules.instrument,
        date=group.night,
        task=task.name,
        recipe=task.recipe,
        raw_type=first.raw_class,
        dpr_catg=_header_text(first.keywords.get("DPR.CATG")) or catg,
        batch_id=f"{catg}_{group.night}",
        mjd_obs=round(first.mjd_obs, 8),
        mjd_obs_mod=group.mjd_mod,
        raws=tuple(RawFile(frame.path, frame.raw_class) for frame in group.frames),
        mcalibs=tuple(calibrations),
        parameters=_parameters(task, instrument),
        expected=_expected(group, calibrations, words),
        match_keys=tuple(
            (key, shown(value))
            for key in task.setting
            if (value := group.subject.comparable[key]) is not None
        ),
        drs_type=instrument.drs_type.value,
        event=task.event,
        completeness=Completeness.INCOMPLETE if missing else Completeness.COMPLETE,
        obs_prog_id=_header_text(first.keywords.get("OBS.PROG.ID")),
        obs_id=_header_text(first.keywords.get("OBS.ID")),
        missing=tuple(missing),
        exclusion=group.exclusion,
        exclusion_reason=group.exclusion_reason,
        rules_version=rules.version,
    )


def _mcalibs(trace: Trace) -> list[Mcalib]:
    mandatory = trace.link.rule.minimum > 0
    return [
        Mcalib(
            chosen.candidate.status,
            chosen.candidate.sources[tag],
            tag,
            chosen.dt_days,
            chosen.level,
            mandatory,
        )
        for chosen in trace.chosen
        for tag in trace.tags
    ]


def _expected(group: Group, calibrations: Iterable[Mcalib], words: Words) -> tuple[str, ...]:
    there = {calibration.tag for calibration in calibrations}
    found = [
        catg
        for product in group.task.products
        for catg, *needs in words.together((product.catg, *product.needs), group.subject)
        if there.issuperset(needs)
    ]
    return tuple(dict.fromkeys(found))


def _parameters(task: Task, instrument: Instrument) -> tuple[tuple[str, str], ...]:
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
