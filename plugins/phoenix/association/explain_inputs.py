"""Why the products of this AB went into a second step, and those of that one did not."""

from __future__ import annotations

from typing import Any

from phoenix.association.groups import Group
from phoenix.association.second_step import Member, lacking_product
from phoenix.association.traits import comparable, shown, value_of
from phoenix.association.words import Words
from phoenix.config.rules import Rules
from phoenix.headers.conditions import first_failure

#: ABs that are listed: all of the group, and the nearest in time of the others.
LISTED = 40


def inputs_explained(group: Group, rules: Rules) -> dict[str, Any]:
    """Return which ABs a second step considered and why each was taken or left out, as plain values.

    Parameters
    ----------
    group
        Of a second step.
    """
    words = Words(rules)
    inside = {member.ab.name for member in (*group.members, *group.refused)}
    outside = [member for member in group.considered if member.ab.name not in inside]
    outside.sort(key=lambda member: (abs(member.ab.mjd_obs_mod - group.mjd_mod), member.ab.name))
    listed = [*group.members, *group.refused, *outside[: max(0, LISTED - len(inside))]]
    return {
        "inputs": [_member(group, member, rules, words) for member in listed],
        "inputs_not_listed": len(group.considered) - len(listed),
        "inputs_needed": group.task.min_raw,
    }


def _member(group: Group, member: Member, rules: Rules, words: Words) -> dict[str, Any]:
    taken = member in group.members
    failed_on, reason = ("", "belongs to the group") if taken else _against(group, member, rules, words)
    return {
        "name": member.ab.name,
        "task": member.ab.task,
        "verdict": "taken" if taken else "left out",
        "failed_on": failed_on,
        "reason": reason,
        "products": [entry.tag for entry in member.inputs] if taken else [],
        "raw_frames": [raw.path for raw in member.raws],
    }


def _against(group: Group, member: Member, rules: Rules, words: Words) -> tuple[str, str]:
    """Return a code and the sentence for the first thing that keeps an AB out."""
    task, first = group.task, group.first
    lacking = lacking_product(task, member.ab, words)
    if lacking:
        return "product", f"is not to make {lacking}"
    failure = first_failure(task.where, member.traits.value)
    if failure is not None:
        return "condition", f"does not fulfil the rule: {failure}"
    if not group.run and member.frame.night != group.night:
        return "night", f"is of night {member.frame.night}, the group of {group.night}"
    for name in task.group_by:
        theirs, ours = (comparable(value_of(f, rules.aliases, name)) for f in (member.frame, first))
        if theirs != ours:
            return "key", f"has {name} {_value(theirs)}, the group has {_value(ours)}"
    if member in group.refused:
        return "defect", f"belongs to the group but is itself {member.defect}"
    separated = dict(group.elsewhere).get(member.frame.name)
    if separated is not None:
        return "regrouping", separated or "is in the main part of its group, this AB in another"
    values = [f"{name} {_value(value_of(member.frame, rules.aliases, name))}" for name in task.similar]
    return "similar", f"has {', '.join(values)}, not similar to the group's"


def _value(value: object) -> str:
    return "missing" if value is None else shown(value)
