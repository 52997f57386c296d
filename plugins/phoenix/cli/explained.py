"""The reasons of an AB's association as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 8


def explained(content: Mapping[str, Any], every: bool = False) -> str:
    """Return an explanation, as the AB store keeps it, as text.

    Parameters
    ----------
    content : mapping
        As :func:`phoenix.association.explain.explanation` makes it.
    every : bool
        Show all candidates that are kept instead of the nearest ones.
    """
    return "\n".join(_harmless(line) for line in _lines(content, every))


def _lines(content: Mapping[str, Any], every: bool) -> Iterator[str]:
    keys = _pairs(content["grouped_by"])
    yield f"{content['ab']}  task {content['task']}, rules {content['rules_version']}"
    if content.get("source"):
        yield f"  source: {content['source']}"
    yield f"  {content['raw_frames']} raw frame(s)" + (f" grouped by {keys}" if keys else "")
    yield f"  match time MJD {content['match_time_mjd']:.5f}"
    if content["exclusion"]:
        yield f"  excluded, {content['exclusion']}: {content['exclusion_reason']}"
    for remark in content.get("remarks", ()):
        yield f"  {remark}"
    if "inputs" in content:
        yield from _inputs(content, every)
    for association in content["associations"]:
        yield ""
        yield from _association(association, every)


def _inputs(content: Mapping[str, Any], every: bool) -> Iterator[str]:
    """Tell which ABs a second step combines; all of its group, and the nearest of the others."""
    inputs = content["inputs"]
    taken = [entry for entry in inputs if entry["verdict"] == "taken"]
    yield ""
    yield f"INPUTS  {len(taken)} ABs taken, at least {content['inputs_needed']} are needed"
    shown = inputs if every else inputs[: max(_SHOWN, len(taken))]
    for entry in shown:
        products = f" ({', '.join(entry['products'])})" if entry["products"] else ""
        mark = "+" if entry["verdict"] == "taken" else "-"
        yield f"  {mark} {entry['name']} {entry['task']}: {entry['reason']}{products}"
    hidden = content["inputs_not_listed"] + len(inputs) - len(shown)
    if hidden:
        yield f"  ... and {hidden} more, farther away"


def _association(association: Mapping[str, Any], every: bool) -> Iterator[str]:
    need = "mandatory" if association["mandatory"] else "optional"
    if association.get("alternative"):  # explanations of older ABs know no alternatives
        need += f", alternative {association['alternative']}"
    yield f"{association['catg']}  {association['result'].upper()}  ({need}, from {association['from']})"
    rule = [association["time_rule"]] if association["levels"] else []
    rule += [f"level {level['level']} within {level['within_days']:g} d" for level in association["levels"]]
    if association["match"]:
        rule.append(f"match {_pairs(association['match'])}")
    yield f"  rule: {'; '.join(rule) or 'the one valid'}"
    if association["reason"]:
        yield f"  {association['reason']}"
    candidates = association["candidates"]
    shown = candidates if every else candidates[:_SHOWN]
    for candidate in shown:
        yield f"  {'+' if candidate['verdict'] == 'chosen' else '-'} {_candidate(candidate)}"
    hidden = association["candidates_not_listed"] + len(candidates) - len(shown)
    if hidden:
        yield f"  ... and {hidden} more, farther away"


def _candidate(candidate: Mapping[str, Any]) -> str:
    words = [candidate["name"], candidate["status"]]
    if candidate["dt_days"] is not None:
        words.append(f"{candidate['dt_days']:+.3f} d")
        words += [f"level {candidate['level']}"] if candidate["level"] is not None else []
    return f"{' '.join(words)}: {candidate['reason']}"


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _harmless(line: str) -> str:
    """Header text may hold control characters; a terminal must not obey them."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
