"""Classes: the same headers shown to both rule sets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from phoenix.association.oca import evaluate as oca_rules
from phoenix.association.oca import examples
from phoenix.association.oca.comparison import Finding, Part, line
from phoenix.association.oca.evaluate import Header
from phoenix.association.oca.logic import alternatives, unmet
from phoenix.association.oca.tree import Constant, Oca
from phoenix.association.oca.wording import written, written_value
from phoenix.config.rules import Rules
from phoenix.headers.classify import FrameClass, classify
from phoenix.headers.conditions import first_failure, lookup
from phoenix.model.frame import FrameKind, Value


@dataclass(frozen=True, slots=True)
class Case:
    """A header and what both sides make of it.

    Attributes
    ----------
    attributes
        What the OCA rules set.
    oca
        Class by OCA, None when no rule gives one.
    ours
        What our rules give, None when no rule takes the frame.
    place
        The OCA rule the header was made for; empty when it was made for one of ours.
    """

    header: Mapping[str, Value]
    attributes: Mapping[str, Value]
    oca: str | None
    ours: FrameClass | None
    place: str = ""

    @property
    def our_class(self) -> str | None:
        """Class by our rules."""
        return None if self.ours is None else self.ours.name


def cases(oca: Oca, rules: Rules) -> tuple[list[Case], tuple[str, ...]]:
    """Return headers made for the rules of both sides with both answers, and the OCA rules without one."""
    known: dict[str, Value] = {"INSTRUME": rules.instrument}
    made: list[Case] = []
    unasked: list[str] = []
    for rule in oca.classifications:
        headers = list(examples.of_rule(rule, known))
        made += [_case(oca, rules, header, line(rule.position)) for header in headers]
        if not headers:
            unasked.append(str(rule.position))
    for classification in rules.classification:
        if classification.kind is not FrameKind.MASTER:
            headers = list(examples.of_classification(classification, rules, known))
            made += [_case(oca, rules, header) for header in headers]
    return made, tuple(unasked)


def _case(oca: Oca, rules: Rules, header: Header, place: str = "") -> Case:
    attributes = oca_rules.classify(oca, header)
    return Case(header, attributes, oca_rules.class_of(attributes), classify(header, rules), place)


def differences(oca: Oca, rules: Rules, asked: list[Case]) -> Iterator[Finding]:
    """Yield one finding per pair of different answers, with the first header that shows it."""
    shown: dict[tuple[str | None, str | None], list[Case]] = {}
    for case in asked:
        if case.oca != case.our_class:
            shown.setdefault((case.oca, case.our_class), []).append(case)
    for (theirs, ours), found in shown.items():
        first, more = found[0], len(found) - 1
        yield Finding(
            Part.CLASS,
            ours or theirs or "",
            _header_text(first.header) + (f" (and {more} more)" if more else ""),
            theirs or f"none{_what_oca_asks(oca, ours, first.header)}",
            ours or f"none{_what_we_ask(rules, theirs, first.header)}",
            first.place,
        )


def _header_text(header: Header) -> str:
    return " ".join(f"{key}={written_value(value)}" for key, value in header.items() if key != "INSTRUME")


def _what_oca_asks(oca: Oca, name: str | None, header: Header) -> str:
    """Return the terms that keep a header from a class, of the rule that comes nearest."""
    missed = [
        unmet(terms, header)
        for rule in oca.classifications
        if any(assignment.value == Constant(name or "") for assignment in rule.assignments)
        for terms in alternatives(rule.condition, rule.position)
    ]
    nearest = min(missed, key=len, default=())
    return f": asks {' and '.join(map(written, nearest))}" if nearest else ""


def _what_we_ask(rules: Rules, name: str | None, header: Header) -> str:
    for classification in rules.classification:
        if classification.name == name:
            failure = first_failure(classification.when, lambda key: lookup(header, rules.aliases, key))
            return f": {failure}"
    return ""
