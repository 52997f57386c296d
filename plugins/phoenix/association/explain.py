"""Why this calibration, why not that one: the reasons behind every association of an AB.

Association itself keeps only what it decided (:class:`~phoenix.association.matching.Trace`); the reasons for
each candidate are told from that when somebody asks, so that recording them costs next to nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from phoenix.association.candidates import Candidate
from phoenix.association.explain_inputs import inputs_explained
from phoenix.association.grouping import Group
from phoenix.association.matching import DT_DECIMALS, Trace, time_refused
from phoenix.association.traits import shown, value_of
from phoenix.config.rules import Rules
from phoenix.headers.conditions import first_failure
from phoenix.model.ab import AssociationBlock
from phoenix.model.frame import Frame

#: Candidates that are listed: the nearest in time, and the nearest of those that match.
LISTED = 40
_LISTED_MATCHING = 10


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one candidate.

    Attributes
    ----------
    code
        ``chosen``, or what it failed on first: ``key``, ``condition``, ``product``, ``defect``,
        ``time_rule``, ``validity``, ``breakpoint``, ``range``, ``farther``.
    sentence
        The same for people, to be read after the candidate's name.
    key, wanted, found
        First failing key with the value in the AB and in the candidate.
    """

    code: str
    sentence: str
    key: str = ""
    wanted: str = ""
    found: str = ""


def explanation(ab: AssociationBlock, group: Group, traces: Iterable[Trace], rules: Rules) -> dict[str, Any]:
    """Return the reasons of an AB as plain values for JSON.

    Parameters
    ----------
    ab, group, traces
        As :func:`phoenix.association.engine.associate` gives them.
    rules : Rules
        The rules they were made by.
    """
    return {
        "ab": ab.name,
        "release": ab.release,
        "night": ab.date,
        "task": ab.task,
        "rules_version": rules.version,
        "match_time_mjd": ab.mjd_obs_mod,
        "grouped_by": {name: _text(group.first, rules, name) for name in group.task.group_by},
        "raw_frames": len({raw for member in group.members for raw in member.raws} or ab.raws),
        "exclusion": ab.exclusion,
        "exclusion_reason": ab.exclusion_reason,
        "associations": [_association(trace, group.first) for trace in traces],
        **(inputs_explained(group, rules) if group.members else {}),
    }


def _association(trace: Trace, first: Frame) -> dict[str, Any]:
    search, link = trace.search, trace.search.link
    rule, listed = link.rule, _listed(trace)
    return {
        "catg": rule.catg,
        "taken_together": list(search.tags),
        "from": "static tables" if rule.static else f"task {rule.made_by}" if rule.made_by else "masters",
        "mandatory": rule.minimum > 0,
        "time_rule": rule.time.value,
        "levels": [{"level": level, "within_days": reach} for reach, level in link.levels],
        "match": {name: shown(value) for name, value in zip(link.match, search.key, strict=True)},
        "result": "chosen" if trace.chosen else "missing" if trace.missing else "none, optional",
        "reason": "" if trace.chosen else why_missing(trace, first),
        "candidates": [_candidate(trace, candidate) for candidate in listed],
        "candidates_not_listed": len(link.pool.all.candidates) - len(listed),
    }


def _candidate(trace: Trace, candidate: Candidate) -> dict[str, Any]:
    judgement = judge(trace, candidate)
    dt_days = round(candidate.mjd - trace.mjd, DT_DECIMALS)
    return {
        "name": candidate.name,
        "status": candidate.status.value,
        "verdict": "chosen" if judgement.code == "chosen" else "rejected",
        "failed_on": "" if judgement.code == "chosen" else judgement.code,
        "reason": judgement.sentence,
        "dt_days": None if trace.search.link.rule.static else dt_days,
        "level": trace.search.link.level(dt_days),
        "key": judgement.key,
        "wanted": judgement.wanted,
        "found": judgement.found,
    }


def judge(trace: Trace, candidate: Candidate) -> Judgement:
    """Return what became of a candidate, and if it was rejected the first thing that failed."""
    for chosen in trace.chosen:
        if chosen.candidate is candidate:
            return Judgement(
                "chosen", "matches and is the nearest" if not trace.search.link.rule.static else "is valid"
            )
    for name, wanted in zip(trace.search.link.match, trace.search.key, strict=True):
        found = candidate.traits.comparable[name]
        if wanted is None or found != wanted:
            theirs, ours = _value(found), _value(wanted)
            return Judgement("key", f"has {name} {theirs}, the AB has {ours}", name, ours, theirs)
    failure = first_failure(trace.search.link.rule.when, candidate.traits.value)
    if failure is not None:
        return Judgement(
            "condition",
            f"does not fulfil the rule: {failure}",
            failure.key,
            failure.expected,
            "" if failure.found is None else str(failure.found),
        )
    lacking = [tag for tag in trace.search.tags if tag not in candidate.sources]
    if lacking:
        return Judgement("product", f"gives no {lacking[0]}")
    if candidate.defect:
        return Judgement("defect", f"would match but is itself {candidate.defect}")
    return _judge_time(trace, candidate)


def _judge_time(trace: Trace, candidate: Candidate) -> Judgement:
    link = trace.search.link
    dt_days = round(candidate.mjd - trace.mjd, DT_DECIMALS)
    if link.rule.static:
        if candidate.mjd > trace.mjd:
            return Judgement("validity", f"matches but is valid only from MJD {candidate.mjd:.5f}")
        return Judgement("farther", "matches, but another one became valid later or comes first by name")
    if time_refused(link.rule.time, dt_days):
        return Judgement(
            "time_rule", f"matches but is {_apart(dt_days)}, against the rule {link.rule.time.value}"
        )
    if not trace.segment[0] <= candidate.mjd < trace.segment[1]:
        breakpoint_ = trace.segment[0] if dt_days < 0 else trace.segment[1]
        return Judgement("breakpoint", f"matches but lies across the breakpoint at MJD {breakpoint_:.5f}")
    if abs(dt_days) > link.reach_days:
        return Judgement("range", f"matches but is {_apart(dt_days)}, beyond {link.reach_days:g} d")
    return Judgement("farther", f"matches, but {_apart(dt_days)} is no nearer than the one chosen")


def why_missing(trace: Trace, first: Frame) -> str:
    """Return the sentence that says why nothing was found: the nearest candidate and what it failed on."""
    what = " and ".join(trace.search.tags)
    if None in trace.search.key:
        name = trace.search.link.match[trace.search.key.index(None)]
        return f"no {what}: the header of {first.name} has no {name}, which must match"
    found = next(_by_merit(trace), None)
    if found is None:
        where = "static tables" if trace.search.link.rule.static else "masters or ABs of this batch"
        return f"no {what}: there is none among the {where}"
    return f"no {what}: the nearest, {found.name}, {judge(trace, found).sentence}"


def _by_merit(trace: Trace) -> Iterator[Candidate]:
    """Give what came nearest to being chosen: what matches, what would match, anything; by time each."""
    pool = trace.search.link.pool
    for shelf in (trace.search.shelf, pool.defective(trace.search.tags, trace.search.key), pool.all):
        chosen = [chosen.candidate for chosen in trace.chosen]
        yield from (candidate for candidate in shelf.outward(trace.mjd) if candidate not in chosen)


def _listed(trace: Trace) -> list[Candidate]:
    """Return the candidates to be told of: chosen ones, the nearest matching ones, the nearest others."""
    pool, search = trace.search.link.pool, trace.search
    defective = pool.defective(search.tags, search.key)
    candidates = [chosen.candidate for chosen in trace.chosen]
    candidates += islice(search.shelf.outward(trace.mjd), _LISTED_MATCHING)
    candidates += islice(defective.outward(trace.mjd), _LISTED_MATCHING)
    candidates += islice(pool.all.outward(trace.mjd), LISTED)
    unique = {id(candidate): candidate for candidate in candidates}
    return list(unique.values())[:LISTED]


def _text(first: Frame, rules: Rules, name: str) -> str:
    value = value_of(first, rules.aliases, name)
    return "" if value is None else str(value)


def _value(value: object) -> str:
    return "missing" if value is None else shown(value)


def _apart(dt_days: float) -> str:
    return f"{abs(dt_days):.3f} d {'later' if dt_days > 0 else 'earlier'}"
