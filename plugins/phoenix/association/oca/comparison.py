"""How two rule sets differ: findings, one per thing that is different."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from phoenix.association.oca.tokens import Position


class Part(StrEnum):
    """Which rules differ."""

    CLASS = "class"
    GROUP = "group"
    ASSOCIATION = "association"
    RECIPE = "recipe"


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference.

    Attributes
    ----------
    part
        Which rules differ.
    subject
        Class, or task and class, or category of the calibrations.
    aspect
        What of it differs: a header, ``group by``, ``match``, ``number``, ``parameters`` ...
    oca, ours
        What each side says; for sets, what only that side has. ``-`` is nothing.
    place
        File and line of the OCA rule; empty when only our rules have it.
    """

    part: Part
    subject: str
    aspect: str
    oca: str
    ours: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """An OCA file held against the rules of an instrument.

    Attributes
    ----------
    classifications, organisations, actions, associations
        Number of rules in the file.
    headers
        Number of headers both sides were asked to classify.
    unasked
        Places of classification rules for which no header could be made.
    pairs
        What was compared with what: ``task class: action``.
    """

    file: str
    instrument: str
    rules_version: str
    classifications: int
    organisations: int
    actions: int
    associations: int
    headers: int
    unasked: tuple[str, ...]
    pairs: tuple[str, ...]
    findings: tuple[Finding, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain values, for JSON."""
        return asdict(self)


def line(position: Position) -> str:
    """Return file and line, as findings name a place."""
    return f"{position.file}:{position.line}"


def only(here: Iterable[str], there: Iterable[str]) -> str:
    """Return in words what is here and not there."""
    others = set(there)
    return ", ".join(sorted({word for word in here if word not in others})) or "-"


def merged(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Join findings that say the same of several calibrations of one action, e.g. of each chip's master."""
    subjects: dict[tuple[Part, str, str, str, str], list[tuple[str, str]]] = {}
    for found in findings:
        owner, _, name = found.subject.rpartition(": ")
        key = (found.part, owner, found.aspect, found.oca, found.ours)
        subjects.setdefault(key, []).append((name, found.place))
    return tuple(
        Finding(part, _joined(owner, [name for name, _ in named]), aspect, oca, ours, named[0][1])
        for (part, owner, aspect, oca, ours), named in subjects.items()
    )


def _joined(owner: str, names: list[str]) -> str:
    text = ", ".join(dict.fromkeys(names))
    return f"{owner}: {text}" if owner else text
