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
from phoenix.association.groups import Group
from phoenix.association.matching import DT_DECIMALS, Barrier, Trace, time_refused
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
        ``chosen``, or what it failed on first: ``key``, ``condition``, ``product``, ``defect``, ``unused``,
        ``time_rule``, ``validity``, ``breakpoint``, ``window``, ``range``, ``try_window``, ``too_few``,
        ``farther``.
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
        "associations": [
            _association(each, group.first, each is not trace)
            for trace in traces
            for each in _in_order_of_preference(trace)
        ],
        **({"remarks": list(group.remarks)} if group.remarks else {}),
        **(inputs_explained(group, rules) if group.members else {}),
    }


def _in_order_of_preference(trace: Trace) -> list[Trace]:
    return sorted((trace, *trace.passed_over), key=lambda each: each.search.link.alternative)


def _association(trace: Trace, first: Frame, passed_over: bool) -> dict[str, Any]:
    search, link = trace.search, trace.search.link
    rule, listed = link.rule, _listed(trace)
    return {
        "catg": rule.catg,
        "taken_together": list(search.tags),
        "from": _source(trace),
        "alternative": link.alternative,
        "mandatory": link.mandatory and rule.minimum > 0,
        "time_rule": rule.time.value,
        "levels": [{"level": level, "within_days": reach} for reach, level in link.levels],
        "match": {name: shown(value) for name, value in zip(link.match, search.key, strict=True)},
        "result": "passed over" if passed_over else _result(trace),
        "reason": "" if trace.chosen else _why_none(trace, first),
        "candidates": [_candidate(trace, candidate) for candidate in listed],
        "candidates_not_listed": len(link.pool.all.candidates) - len(listed),
    }


def _source(trace: Trace) -> str:
    rule = trace.search.link.rule
    if rule.raw:
        return "raw frames"
    if rule.static:
        return "static tables"
    return f"task {rule.made_by}" if rule.made_by else "masters"


def _result(trace: Trace) -> str:
    if trace.chosen:
        return "chosen"
    if trace.search.link.rule.most == 0:
        return "unused"
    return "missing" if trace.missing else "none, optional"


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
        "level": _level(trace, candidate),
        "key": judgement.key,
        "wanted": judgement.wanted,
        "found": judgement.found,
    }


def judge(trace: Trace, candidate: Candidate) -> Judgement:
    """Return what became of a candidate, and if it was rejected the first thing that failed."""
    for chosen in trace.chosen:
        if chosen.candidate is candidate:
            return Judgement("chosen", _why_chosen(trace, candidate))
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
    dt_days = 0.0 if link.rule.static else round(candidate.mjd - trace.mjd, DT_DECIMALS)
    if link.rule.most == 0:
        return Judgement("unused", "matches, but the rule takes none: its maximum is 0")
    if link.rule.static and candidate.mjd > trace.mjd:
        return Judgement("validity", f"matches but is valid only from MJD {candidate.mjd:.5f}")
    if time_refused(link.rule.time, dt_days):
        return Judgement(
            "time_rule", f"matches but is {_apart(dt_days)}, against the rule {link.rule.time.value}"
        )
    if not trace.segment[0] <= candidate.mjd < trace.segment[1]:
        return _judge_barrier(
            trace, trace.segment[0] if candidate.mjd < trace.segment[0] else trace.segment[1]
        )
    if abs(dt_days) > link.reach_days:
        return Judgement("range", f"matches but is {_apart(dt_days)}, beyond {link.reach_days:g} d")
    if not trace.chosen:
        return Judgement("too_few", f"matches, but the rule needs {link.rule.minimum}")
    if not _in_preferred_window(trace, candidate):
        return Judgement("try_window", f"matches, but lies in another window: {_across(trace, candidate)}")
    if link.rule.static:
        return Judgement("farther", "matches, but another one became valid later or comes first by name")
    return Judgement("farther", f"matches, but {_apart(dt_days)} is no nearer than the one chosen")


def _judge_barrier(trace: Trace, mjd: float) -> Judgement:
    """Name the barrier; where a breakpoint and a window's boundary coincide, the breakpoint."""
    barrier = min((each for each in trace.search.barriers if each.mjd == mjd), key=lambda each: each.code)
    what = "the breakpoint" if barrier.code == "breakpoint" else "a boundary of the rule's windows,"
    return Judgement(barrier.code, f"matches but lies across {what} at MJD {_named(barrier)}")


def _named(barrier: Barrier) -> str:
    return f"{barrier.mjd:.5f}: {barrier.reason}" if barrier.reason else f"{barrier.mjd:.5f}"


def _in_preferred_window(trace: Trace, candidate: Candidate) -> bool:
    begin, end = trace.search.preferred(trace.mjd)
    return begin <= candidate.mjd < end


def _across(trace: Trace, candidate: Candidate) -> str:
    begin, end = trace.search.preferred(trace.mjd)
    return f"across MJD {begin if candidate.mjd < begin else end:.5f}"


def _level(trace: Trace, candidate: Candidate) -> int | None:
    """Return the level a candidate has or would have."""
    link = trace.search.link
    level = link.level(0.0 if link.rule.static else round(candidate.mjd - trace.mjd, DT_DECIMALS))
    return level if level is None or _in_preferred_window(trace, candidate) else level + 1


def _why_chosen(trace: Trace, candidate: Candidate) -> str:
    why = "is valid" if trace.search.link.rule.static else "matches and is the nearest"
    if len(trace.chosen) > 1:
        why = f"is one of the {len(trace.chosen)} best"
    if _in_preferred_window(trace, candidate):
        return why
    return f"{why}; {_across(trace, candidate)}, for its own window has too few: one level worse"


def why_missing(trace: Trace, first: Frame) -> str:
    """Return the sentence that says why nothing was found, for each alternative that was tried."""
    return "; ".join(_why_none(each, first) for each in (trace, *trace.passed_over))


def _why_none(trace: Trace, first: Frame) -> str:
    """Name the nearest candidate and what it failed on."""
    what = " and ".join(trace.search.tags)
    if None in trace.search.key:
        name = trace.search.link.match[trace.search.key.index(None)]
        return f"no {what}: the header of {first.name} has no {name}, which must match"
    found = next(_by_merit(trace), None)
    if found is None:
        rule = trace.search.link.rule
        where = "masters or ABs of this batch" if rule.master else _source(trace)
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
